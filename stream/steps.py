"""The processing of a batch between the log and the store."""

from typing import NamedTuple

from assess_core.domain.events import Decoded, decode
from assess_core.ports.log import Feed, LogBatch


class Delivery(NamedTuple):
    """A batch, and the feed that delivered it."""

    batch: LogBatch
    feed: Feed | None = None
    """None for files that are read from their start: they have no positions to commit."""


class DecodedBatch(NamedTuple):
    """A batch whose records are decoded."""

    events: list[Decoded]
    batch: LogBatch
    feed: Feed | None = None


def decode_batch(delivery: Delivery) -> DecodedBatch:
    """Decode every record. A record that cannot be decoded becomes a failed event, never an exception."""
    return DecodedBatch([decode(record) for record in delivery.batch.records], *delivery)
