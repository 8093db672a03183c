"""What happens to a batch between the log and the store."""

from typing import NamedTuple

from assess_core.domain.events import Decoded, decode
from assess_core.ports.log import Feed, LogBatch


class Taken(NamedTuple):
    """A batch, and the feed that gave it and hears when it is done; None: the log is read from its start each time."""

    batch: LogBatch
    feed: Feed | None = None


class DecodedBatch(NamedTuple):
    """A batch of the log, its records read."""

    events: list[Decoded]
    taken: Taken


def decode_batch(taken: Taken) -> DecodedBatch:
    """Read every record; what cannot be understood is a failed event, never an exception."""
    return DecodedBatch([decode(record) for record in taken.batch.records], taken)
