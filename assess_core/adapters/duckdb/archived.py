"""A learner's versions in the lake, read by key: DuckDB skips the row groups of other batches and learners."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar

from assess_core.adapters.duckdb.connection import parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.adapters.duckdb.warm import WarmConnections
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import IsoWeek
from assess_core.errors import ReportFailed
from assess_core.ports.lake import Lake, Pinned

T = TypeVar("T")

OF_LEARNER: Final = "batch_id = $batch_id AND user_id = $user_id AND list_contains($hashes, content_hash)"
"""The rows of a learner in a batch with certain content hashes."""


def read_archived(
    lake: Lake,
    warm: WarmConnections,
    batch_id: str,
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
) -> list[AttemptVersion]:
    """See `ports.Unions.archived`."""
    parameters = {"batch_id": batch_id, "user_id": user_id, "hashes": list(hashes)}
    return at_newest_version(lake, lambda pinned: _read(pinned, warm, weeks, parameters))


def at_newest_version(lake: Lake, read: Callable[[Pinned], T]) -> T:
    """Read the lake at its newest version, and again if a compaction and a vacuum deleted files meanwhile.

    Raises the errors of `read`.
    """
    while True:
        pinned = lake.pin()
        try:
            return read(pinned)
        except ReportFailed:
            # a file can be deleted after a compaction; then a newer version has its rows in other files
            if lake.pin().version == pinned.version:
                raise


def _read(
    pinned: Pinned, warm: WarmConnections, weeks: Collection[IsoWeek], parameters: Mapping[str, object]
) -> list[AttemptVersion]:
    files = pinned.files(weeks)
    if not files:
        return []
    with warm.lend(location_of(pinned)) as duck:
        rows = DuckUnion(duck, pinned, files).rows(f"{ROW} FROM {parquet(files)} WHERE {OF_LEARNER}", parameters)
        return [to_version(row) for row in rows]
