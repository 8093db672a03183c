"""The slices that ever held rows: a table by week and a table by batch."""

from collections.abc import Collection
from itertools import chain
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.chunks import chunks
from assess_core.domain.slices import ArchiveSlice, IsoWeek

_ADD: Final = "INSERT INTO {ks}.slices (year, week, batch_id) VALUES (?, ?, ?)"
_ADD_BY_BATCH: Final = "INSERT INTO {ks}.slices_by_batch (year, week, batch_id) VALUES (?, ?, ?)"
# the write time is the size itself, so the largest size wins
_MARK_LARGEST: Final = (
    "UPDATE {ks}.slices USING TIMESTAMP ? SET largest = ? WHERE year = ? AND week = ? AND batch_id = ?"
)
_ALL: Final = "SELECT year, week, batch_id FROM {ks}.slices"
_WEEKS: Final = "SELECT DISTINCT year, week FROM {ks}.slices"
_OF_WEEK: Final = "SELECT year, week, batch_id FROM {ks}.slices WHERE year = ? AND week = ?"
_AFTER: Final = f"{_OF_WEEK} AND batch_id > ? LIMIT ?"
_OF_BATCH: Final = "SELECT year, week, batch_id FROM {ks}.slices_by_batch WHERE batch_id = ?"
_REMEMBER_LAKE: Final = "INSERT INTO {ks}.meta (name, value) VALUES ('lake', ?)"
_REMEMBERED_LAKE: Final = "SELECT value FROM {ks}.meta WHERE name = 'lake'"
_COPIED: Final = 1000  # slices per round


class SliceTables:
    """The slices of a keyspace, which are never deleted.

    `slices` is written before `slices_by_batch`, and both before the first row. So every slice of `slices_by_batch` is
    also in `slices`, and equal counts mean equal tables.
    """

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._known: set[ArchiveSlice] = set()
        self._largest: dict[ArchiveSlice, int] = {}

    def add(self, slices: Collection[ArchiveSlice]) -> None:
        new = [slice_ for slice_ in slices if slice_ not in self._known]
        for cql in (_ADD, _ADD_BY_BATCH):
            insert = self._db.prepared(cql)
            self._db.execute_all([insert.bind((*slice_.week, slice_.batch_id)) for slice_ in new])
        self._known.update(new)

    def mark_largest(self, sizes: dict[ArchiveSlice, int]) -> None:
        """Store the size of the longest `question` of slices, in bytes, so that scans request smaller pages."""
        new = {slice_: size for slice_, size in sizes.items() if size > self._largest.get(slice_, 0)}
        mark = self._db.prepared(_MARK_LARGEST)
        self._db.execute_all([mark.bind((size, size, *slice_.week, slice_.batch_id)) for slice_, size in new.items()])
        self._largest |= new

    def listed(self, batch_id: str | None, weeks: Collection[IsoWeek] | None) -> list[ArchiveSlice]:
        """See `HotStore.slices`."""
        if batch_id is not None:
            rows = self._db.execute(_OF_BATCH, (batch_id,))
        elif weeks is not None:
            of_week = self._db.prepared(_OF_WEEK)
            rows = list(chain(*self._db.execute_all([of_week.bind(week) for week in sorted(set(weeks))])))
        else:
            rows = list(self._db.pages(_ALL))
        found = sorted(map(_slice, rows))
        return found if weeks is None else [slice_ for slice_ in found if slice_.week in weeks]

    def after(self, slice_: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        """See `HotStore.slices_after`. Weeks are read one, two, four ... at a time until the page is full."""
        if limit < 1:
            return []
        first, batch_id = slice_ or ArchiveSlice(IsoWeek(0, 0), "")
        weeks = [week for week in self._weeks() if week >= first]
        after = self._db.prepared(_AFTER)
        found: list[ArchiveSlice] = []
        begin, size = 0, 1
        while begin < len(weeks) and len(found) < limit:
            some = weeks[begin : begin + size]
            asked = [after.bind((*week, batch_id if week == first else "", limit - len(found))) for week in some]
            found += sorted(_slice(row) for rows in self._db.execute_all(asked) for row in rows)
            begin, size = begin + size, size * 2
        return found[:limit]

    def remember_lake(self, identity: str | None) -> None:
        """See `HotStore.remember_lake`. An empty text is none, because a deletion hides writes of the same time."""
        if identity != self.remembered_lake():
            self._db.execute(_REMEMBER_LAKE, (identity or "",))

    def remembered_lake(self) -> str | None:
        """See `HotStore.remembered_lake`."""
        return next((value for (value,) in self._db.execute(_REMEMBERED_LAKE) if value), None)

    def count(self) -> tuple[int, int]:
        """The number of slices in `slices` and in `slices_by_batch`."""
        by_week, by_batch = (
            sum(1 for _ in self._db.pages(f"SELECT batch_id FROM {{ks}}.{table}"))
            for table in ("slices", "slices_by_batch")
        )
        return by_week, by_batch

    def fill_by_batch(self) -> None:
        """Copy every slice to the table by batch."""
        insert = self._db.prepared(_ADD_BY_BATCH)
        for rows in chunks(self._db.pages(_ALL), _COPIED):
            self._db.execute_all([insert.bind(row) for row in rows])

    def _weeks(self) -> list[IsoWeek]:
        return sorted(IsoWeek(*row) for row in self._db.pages(_WEEKS))


def _slice(row: tuple[int, int, str]) -> ArchiveSlice:
    year, week, batch_id = row
    return ArchiveSlice(IsoWeek(year, week), batch_id)
