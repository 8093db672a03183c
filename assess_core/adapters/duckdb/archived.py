"""A learner's versions in the lake, read by key: DuckDB skips the row groups of other batches and learners."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeVar, cast

from assess_core.adapters.duckdb.connection import parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.adapters.duckdb.warm import WarmConnections
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Totals
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
    return at_newest_version(lake.pin, lambda pinned: _read(pinned, warm, weeks, parameters))


_KEPT: Final = """
SELECT content_hash, coalesce(corrected_score, total_score) AS score,
    coalesce(corrected_max_score, total_max_score) AS max_score
"""


def read_kept_totals(
    lake: Lake,
    warm: WarmConnections,
    batch_id: str,
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
) -> dict[bytes, Totals]:
    """See `ports.Unions.kept_totals`."""
    parameters = {"batch_id": batch_id, "user_id": user_id, "hashes": list(hashes)}

    def read(pinned: Pinned) -> dict[bytes, Totals]:
        files = pinned.files(weeks)
        if not files:
            return {}
        with warm.lend(location_of(pinned)) as duck:
            rows = DuckUnion(duck, pinned, files).rows(
                f"{_KEPT} FROM {parquet(files, kept=True)} WHERE {OF_LEARNER}", parameters
            )
            return {cast(bytes, row["content_hash"]): _totals(row) for row in rows}

    return at_newest_version(lake.pin_scores, read)


def _totals(row: Mapping[str, object]) -> Totals:
    return Totals(cast(float, row["score"]), cast(float, row["max_score"]))


def at_newest_version(pin: Callable[[], Pinned], read: Callable[[Pinned], T]) -> T:
    """Read the lake at its newest version, and again if a compaction and a vacuum deleted files meanwhile.

    Raises the errors of `read`.
    """
    while True:
        pinned = pin()
        try:
            return read(pinned)
        except ReportFailed:
            # a file can be deleted after a compaction; then a newer version has its rows in other files
            if pin().version == pinned.version:
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
