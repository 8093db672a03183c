"""What happens to a batch between the log and the store."""

from typing import NamedTuple

from assess_core.events import Decoded, decode
from assess_core.logs import Batch
from assess_core.ports import Position


class DecodedBatch(NamedTuple):
    """A batch of the log, its records read."""

    events: list[Decoded]
    ends: dict[str, Position]
    """By topic, where the log goes on after it."""
    size: int
    """How many bytes of the log it took."""


def decode_batch(batch: Batch) -> DecodedBatch:
    """Read every record; what cannot be understood is a failed event, never an exception."""
    return DecodedBatch([decode(record) for record in batch.records], batch.ends, batch.size)
