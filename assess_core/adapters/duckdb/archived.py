"""A learner's versions in the lake, read by key: DuckDB skips the row groups of other batches and learners."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar, cast

from assess_core.adapters.duckdb.connection import connect_warm, literal, parquet
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Totals
from assess_core.domain.slices import IsoWeek
from assess_core.errors import ReportFailed
from assess_core.ports.lake import Lake, LakeFile, Pinned

T = TypeVar("T")

_OF_LEARNER: Final = "batch_id IN ({}) AND user_id = $user_id AND list_contains($hashes, content_hash)"
"""The rows of a learner in some batches with certain content hashes. DuckDB skips row groups by a list of literals."""


def read_archived(
    lake: Lake,
    batch_ids: Collection[str],
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
) -> list[AttemptVersion]:
    """See `ports.Unions.archived`."""
    rows = lake.pin().learner_rows(batch_ids, weeks, user_id, hashes)
    if rows is not None:
        return rows

    def read(found: OfLearner) -> list[AttemptVersion]:
        return list(map(to_version, found.rows(ROW, parquet(found.files))))

    return read_of_learner(lake.pin, batch_ids, weeks, user_id, hashes, read)


_KEPT: Final = """
SELECT content_hash, coalesce(corrected_score, total_score) AS score,
    coalesce(corrected_max_score, total_max_score) AS max_score
"""


def read_kept_totals(
    lake: Lake,
    batch_id: str,
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
) -> dict[bytes, Totals]:
    """See `ports.Unions.kept_totals`."""

    def read(found: OfLearner) -> list[tuple[bytes, Totals]]:
        rows = found.rows(_KEPT, parquet(found.files, kept=True))
        return [(cast(bytes, row["content_hash"]), _totals(row)) for row in rows]

    return dict(read_of_learner(lake.pin_scores, [batch_id], weeks, user_id, hashes, read))


def _totals(row: Mapping[str, object]) -> Totals:
    return Totals(cast(float, row["score"]), cast(float, row["max_score"]))


class OfLearner(NamedTuple):
    """The files of some weeks, of which rows of a learner in some batches are read."""

    union: DuckUnion
    files: Sequence[LakeFile]
    batch_ids: Collection[str]
    parameters: Mapping[str, object]

    def rows(self, select: str, files: str, order: str = "") -> Iterator[dict[str, object]]:
        """The rows with certain content hashes; `files` is from `parquet`."""
        condition = _OF_LEARNER.format(", ".join(map(literal, self.batch_ids)))
        return self.union.rows(f"{select} FROM {files} WHERE {condition} {order}", self.parameters)


def read_of_learner(
    pin: Callable[[], Pinned],
    batch_ids: Collection[str],
    weeks: Collection[IsoWeek],
    user_id: str,
    hashes: Collection[bytes],
    read: Callable[[OfLearner], list[T]],
) -> list[T]:
    """What `read` returns; nothing without files. Raises its errors.

    It is called at the newest version, and again if a compaction and a vacuum deleted files meanwhile.
    """
    parameters = {"user_id": user_id, "hashes": list(hashes)}
    while True:
        pinned = pin()
        try:
            files = pinned.files(weeks)
            if not files:
                return []
            with connect_warm(location_of(pinned)) as duck:
                return read(OfLearner(DuckUnion(duck, pinned, files), files, batch_ids, parameters))
        except ReportFailed:
            # a file can be deleted after a compaction; then a newer version has its rows in other files
            if pin().version == pinned.version:
                raise
