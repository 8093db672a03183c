"""Weekly activity in a Delta table beside the lake's `attempts`."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.tables import compact, translated, vacuum
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import NotOurTable
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
    """The port `WeeklyTable` in a folder or bucket. The first write creates the table."""

    def __init__(self, place: Location) -> None:
        self._place = place

    def replace(self, weeks: Collection[IsoWeek], rows: Sequence[WeeklyActivity]) -> int:
        if not weeks:
            return 0  # an empty predicate would replace all rows
        with translated(self._place):
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
        with translated(self._place):
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
                f"the table at {self._place.url} was not written by this project: its columns are {sorted(names)}; "
                "move it away, or set ASSESS_LAKE to another folder"
            )
        return table

    def compact(self) -> int:
        """Rewrite small files into few; returns how many files the table has fewer."""
        with translated(self._place):
            table = self._table(self._place.options())
            return compact(table) if table else 0

    def vacuum(self, retain_hours: int, dry_run: bool) -> list[str]:
        """Delete files that left the table more than `retain_hours` ago; returns `TABLE/FILE` names."""
        with translated(self._place):
            table = self._table(self._place.options())
            return vacuum(table, self._place, retain_hours, dry_run) if table else []


def _to_row(row: WeeklyActivity) -> dict[str, object]:
    (year, week), batch_id = row.slice.week, row.slice.batch_id
    values = (batch_id, year, week, row.attempts, row.learners, row.mean_score)
    return dict(zip(WEEKLY_SCHEMA.names, values, strict=True))


def _from_row(row: dict[str, Any]) -> WeeklyActivity:
    batch_id, year, week, attempts, learners, mean_score = (row[name] for name in WEEKLY_SCHEMA.names)
    return WeeklyActivity(ArchiveSlice(IsoWeek(year, week), batch_id), attempts, learners, mean_score)
