"""The files of `archive_manifest`, with what Delta's log knows about each: a read opens only files that can matter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable

from assess_core.domain.moments import millis
from assess_core.domain.slices import IsoWeek

FIRST: Final = IsoWeek(0, 1)
LAST: Final = IsoWeek(9999, 53)


class ManifestFile(NamedTuple):
    """One file of the manifest. A missing statistic counts as if every value were possible."""

    name: str
    """Within the table's place."""
    entries: int
    first: IsoWeek
    """No entry is of an earlier week."""
    last: IsoWeek
    """No entry is of a later week."""
    newest: int | None
    """When the newest entry was recorded (epoch ms)."""
    can_have_problem: bool
    """Whether an entry can have a problem."""

    def overlaps(self, weeks: tuple[IsoWeek, IsoWeek]) -> bool:
        """Whether it can have entries between these weeks, inclusive."""
        return self.first <= weeks[1] and self.last >= weeks[0]

    def recorded_since(self, at: int) -> bool:
        """Whether it can have entries that were recorded at this moment or later."""
        return self.newest is None or self.newest >= at


def week_range(years: tuple[int, int], weeks: tuple[int, int]) -> tuple[IsoWeek, IsoWeek]:
    """The first and last week that the smallest and largest year and week allow."""
    # weeks are bounded by their column only within one year
    is_one_year = years[0] == years[1]
    return IsoWeek(years[0], weeks[0] if is_one_year else FIRST.week), IsoWeek(
        years[1], weeks[1] if is_one_year else LAST.week
    )


def manifest_files(table: DeltaTable) -> Sequence[ManifestFile]:
    """The files of the manifest's newest version."""
    actions = pa.table(table.get_add_actions(flatten=True))
    return tuple(map(_file, _rows(actions)))


_NAMES: Final = (
    *("path", "num_records", "min.year", "max.year", "min.week", "max.week", "max.at", "null_count.problem"),
)


def _rows(actions: pa.Table) -> Iterator[dict[str, Any]]:
    # a table without statistics has no such columns
    columns = [actions[name].to_pylist() if name in actions.column_names else None for name in _NAMES]
    for row in range(actions.num_rows):
        yield {name: column and column[row] for name, column in zip(_NAMES, columns, strict=True)}


def _file(row: Mapping[str, Any]) -> ManifestFile:
    bounds = [row[name] for name in ("min.year", "max.year", "min.week", "max.week")]
    known = None not in bounds
    first, last = week_range((bounds[0], bounds[1]), (bounds[2], bounds[3])) if known else (FIRST, LAST)
    nulls, entries = row["null_count.problem"], row["num_records"]
    newest = None if row["max.at"] is None else millis(row["max.at"])
    can_have_problem = nulls is None or entries is None or nulls < entries
    # the log URL-quotes paths
    return ManifestFile(unquote(row["path"]), entries or 0, first, last, newest, can_have_problem)
