"""Weekly activity in a Delta table beside the lake's `attempts`."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from assess_core.adapters.duckdb.location import Location
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import LakeConflict, NotOurTable, StoreUnavailable
from assess_core.ports.reports import WeeklyActivity

WEEKLY_SCHEMA: Final = pa.schema(
    [
        ("batch_id", pa.string()),
        ("year", pa.int32()),
        ("week", pa.int32()),
        ("attempts", pa.int64()),
        ("learners", pa.int64()),
        ("mean_score", pa.float64()),
    ]
)
_PARTITIONS: Final = ["year", "week"]


class DeltaWeekly:
    """A `weekly.WeeklyTable` at a place; there is no table until the first write."""

    def __init__(self, place: Location) -> None:
        self._place = place

    def replace(self, weeks: Collection[IsoWeek], rows: Sequence[WeeklyActivity]) -> int:
        if not weeks:
            return 0  # an empty predicate would replace everything
        with self._translated():
            options = self._place.options()
            table = self._table(options)
            write_deltalake(
                table or self._place.url,
                pa.Table.from_pylist([_to_row(row) for row in rows], WEEKLY_SCHEMA),
                mode="overwrite",
                partition_by=_PARTITIONS,
                storage_options=options,
                predicate=" OR ".join(f"(year = {week.year} AND week = {week.week})" for week in sorted(weeks)),
            )
            written = DeltaTable(self._place.url, storage_options=options)
            files = pa.table(written.get_add_actions(flatten=True)).to_pylist()
        return sum(
            file["size_bytes"] for file in files if IsoWeek(file["partition.year"], file["partition.week"]) in weeks
        )

    def rows(self) -> list[WeeklyActivity]:
        with self._translated():
            table = self._table(self._place.options())
            found = table.to_pyarrow_table().to_pylist() if table else []
        return sorted(map(_from_row, found))

    def _table(self, options: dict[str, str] | None) -> DeltaTable | None:
        try:
            table = DeltaTable(self._place.url, storage_options=options)
        except TableNotFoundError:
            return None
        names = {field.name for field in table.schema().fields}
        if names != set(WEEKLY_SCHEMA.names) or table.metadata().partition_columns != _PARTITIONS:
            raise NotOurTable(
                f"the table at {self._place.url} was written by something else: its columns are {sorted(names)}; "
                "move it away, or set ASSESS_LAKE to another folder"
            )
        return table

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise LakeConflict(f"somebody else wrote {self._place.url} at the same time; run it again") from error
        except (DeltaError, OSError) as error:
            raise self._place.fault(error) or StoreUnavailable(
                f"the table at {self._place.url} did not answer: {error}; {self._place.advice}, then run it again"
            ) from error


def _to_row(row: WeeklyActivity) -> dict[str, object]:
    (year, week), batch_id = row.slice.week, row.slice.batch_id
    values = (batch_id, year, week, row.attempts, row.learners, row.mean_score)
    return dict(zip(WEEKLY_SCHEMA.names, values, strict=True))


def _from_row(row: dict[str, Any]) -> WeeklyActivity:
    batch_id, year, week, attempts, learners, mean_score = (row[name] for name in WEEKLY_SCHEMA.names)
    return WeeklyActivity(ArchiveSlice(IsoWeek(year, week), batch_id), attempts, learners, mean_score)
