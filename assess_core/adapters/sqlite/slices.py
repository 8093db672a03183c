"""The slices that ever held rows: a table sorted by week and batch, with an index by batch."""

from collections.abc import Collection, Iterable
from typing import Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.domain.slices import ArchiveSlice, IsoWeek

_ADD: Final = "INSERT INTO slices (year, week, batch_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_REMEMBER_LAKE: Final = "REPLACE INTO meta (name, value) VALUES ('lake', ?)"
_FORGET_LAKE: Final = "DELETE FROM meta WHERE name = 'lake'"
_REMEMBERED_LAKE: Final = "SELECT value FROM meta WHERE name = 'lake'"
_SELECT: Final = "SELECT year, week, batch_id FROM slices"
_ORDER: Final = "ORDER BY year, week, batch_id"
# INDEXED BY: if the index is missing, SQLite raises an error instead of scanning the whole table
_OF_BATCH: Final = f"{_SELECT} INDEXED BY slices_by_batch WHERE batch_id = ? {_ORDER}"
_OF_WEEK: Final = f"{_SELECT} WHERE year = ? AND week = ? {_ORDER}"
_ALL: Final = f"{_SELECT} {_ORDER}"
_AFTER: Final = f"{_SELECT} WHERE (year, week, batch_id) > (?, ?, ?) {_ORDER} LIMIT ?"

# the next slice in the index of rows: one step for each slice, however many rows it has
_HELD_AFTER: Final = """
SELECT year, week, batch_id FROM assessment_aggregator WHERE (batch_id, year, week) > (?, ?, ?)
ORDER BY batch_id, year, week LIMIT 1
"""


class SliceTable:
    """The slices of a store, which are never deleted."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, slices: Collection[ArchiveSlice]) -> None:
        with self._connections.transaction() as connection:
            connection.executemany(_ADD, [(*week, batch_id) for week, batch_id in slices])

    def listed(self, batch_id: str | None, weeks: Collection[IsoWeek] | None) -> list[ArchiveSlice]:
        if batch_id is not None:
            found = self._select(_OF_BATCH, (batch_id,))
            return found if weeks is None else [slice_ for slice_ in found if slice_.week in weeks]
        if weeks is not None:
            return [slice_ for week in sorted(set(weeks)) for slice_ in self._select(_OF_WEEK, week)]
        return self._select(_ALL, ())

    def after(self, slice_: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        (year, week), batch_id = slice_ or ArchiveSlice(IsoWeek(0, 0), "")
        return self._select(_AFTER, (year, week, batch_id, limit))

    def held(self) -> list[ArchiveSlice]:
        """The slices with rows in the table of attempts, sorted."""
        held: list[ArchiveSlice] = []
        (year, week), batch_id = IsoWeek(0, 0), ""
        while found := self._select(_HELD_AFTER, (batch_id, year, week)):
            held += found
            (year, week), batch_id = found[0]
        return sorted(held)

    def remember_lake(self, identity: str | None) -> None:
        """See `HotStore.remember_lake`."""
        if identity == self.remembered_lake():
            return
        with self._connections.transaction() as connection:
            if identity is None:
                connection.execute(_FORGET_LAKE)
            else:
                connection.execute(_REMEMBER_LAKE, (identity,))

    def remembered_lake(self) -> str | None:
        """See `HotStore.remembered_lake`."""
        with self._connections.use() as connection:
            found = connection.execute(_REMEMBERED_LAKE).fetchone()
        return None if found is None else str(found[0])

    def count(self) -> int:
        with self._connections.use() as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM slices").fetchall()
        return int(count)

    def _select(self, sql: str, values: Iterable[object]) -> list[ArchiveSlice]:
        with self._connections.use() as connection:
            rows = connection.execute(sql, tuple(values)).fetchall()
        return [ArchiveSlice(IsoWeek(year, week), batch_id) for year, week, batch_id in rows]
