"""Rows of a union in an order, with their answers, within the memory of DuckDB.

DuckDB's sort cannot spill rows of many kilobytes reliably: 100,000 attempts of ten answers failed with 300 MB. So only
keys and places are sorted, and the answers are read for some thousand attempts at a time. Files are sorted by batch and
learner, so such a read skips most of them.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import duckdb

from assess_core.adapters.duckdb.connection import literal
from assess_core.adapters.duckdb.questions import BY_BATCH, ROW, rows_by_name

_AT_A_TIME: Final = 4096
"""Attempts whose answers are read at a time: about 32 MB."""
_PLACE: Final = "batch_id, user_id, file_index, file_row_number"
_BOUNDS: Final = "min(batch_id), max(batch_id), min(user_id), max(user_id)"
_ROWS: Final = f"""
{ROW} FROM (FROM placed WHERE batch_id BETWEEN {{}} AND {{}} AND user_id BETWEEN {{}} AND {{}})
    JOIN (SELECT rowid AS number, * FROM {{these}}) USING ({_PLACE})
ORDER BY number
"""
"""The bounds make DuckDB skip the row groups of other learners. It does not derive them from the join."""


class InOrder(NamedTuple):
    """Which rows of `placed` to read, and in which order."""

    source: str
    """SQL after FROM: rows with the columns of `order` and a place."""
    order: str = BY_BATCH

    @property
    def sql(self) -> str:
        """The statement that sorts the places."""
        return f"CREATE OR REPLACE TEMP TABLE in_order AS SELECT {_PLACE} FROM {self.source} ORDER BY {self.order}"

    def read(self, duck: duckdb.DuckDBPyConnection, parameters: Mapping[str, object]) -> Iterator[dict[str, object]]:
        """Run the query on a cursor of its own. The views that it reads exist."""
        duck.execute(self.sql, dict(parameters))
        [(count,)] = duck.execute("SELECT count(*) FROM in_order").fetchall()
        first, size = 0, _AT_A_TIME
        while first < count:
            try:
                rows = fetched(duck, f"in_order WHERE rowid >= {first} AND rowid < {first + size}")
            except duckdb.OutOfMemoryException:
                if size == 1:
                    raise
                size //= 2
            else:
                yield from rows
                first += size


def fetched(duck: duckdb.DuckDBPyConnection, these: str) -> list[dict[str, object]]:
    """Some rows with their answers; `these` is SQL after FROM. Raises `duckdb.OutOfMemoryException`."""
    [bounds] = duck.execute(f"SELECT {_BOUNDS} FROM {these}").fetchall()
    duck.execute(_ROWS.format(*map(literal, bounds), these=these))
    return list(rows_by_name(duck))


def selected(picked: str) -> InOrder:
    """The picked versions; `picked` is a query of `reports.picked`."""
    return InOrder(f"({picked})")


NEWEST: Final = InOrder("winners")
"""The newest version of each attempt."""
VERSIONS: Final = InOrder("versions", f"{BY_BATCH}, last_attempted_on, content_hash")
"""All distinct versions, each with its earliest receipt."""
COPIES: Final = InOrder("placed WHERE tier = $tier", f"{BY_BATCH}, last_attempted_on, content_hash, updated_on")
"""All rows of a tier."""
