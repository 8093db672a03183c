"""The rows of a response report in order, without sorting all of them: each range of attempts is sorted alone.

DuckDB would need memory for all rows to sort them. Here it sorts only the places of the attempts, which gives each
attempt its number in the report, and distributes the attempts to files by ranges of numbers. A range fits into memory.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from assess_core.adapters.duckdb.connection import batches_of, url_list
from assess_core.adapters.duckdb.reports.response import ORDER_OF_ATTEMPTS
from assess_core.adapters.duckdb.reports.spilling import spill
from assess_core.ports.cancelling import checkpoint

MOST_ATTEMPTS: Final = 4096
"""The attempts that are sorted at once, if they fit into memory."""
_RANGES: Final = 100
"""The ranges that attempts are distributed to at a time. DuckDB holds as many files open."""
_HELD_ATTEMPTS: Final = 2048
"""The attempts that a thread of DuckDB collects before it writes them to the files of their ranges."""
_ROWS: Final = 2048
"""Rows that are fetched at a time."""
_OPTIONS: Final = "FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE 2048, PARTITION_BY (range)"

_NUMBERED: Final = f"""
CREATE TEMP TABLE numbered AS
SELECT user_id, file_index, file_row_number, versions, counts,
    row_number() OVER (ORDER BY {ORDER_OF_ATTEMPTS}) - 1 AS number
FROM picked
"""
_REPORTED: Final = """
CREATE OR REPLACE TEMP VIEW reported AS
SELECT placed.* EXCLUDE (file_index, file_row_number), numbered.versions, numbered.counts, numbered.number
FROM placed JOIN numbered USING (user_id, file_index, file_row_number)
"""
_SPILLED: Final = """
CREATE OR REPLACE TEMP VIEW reported AS SELECT * FROM read_parquet({files}, hive_partitioning = false)
"""
_OF_RANGES: Final = "SELECT *, (number - {first}) // {size} AS range FROM reported WHERE number % $parts = $part"


def rows_in_order(duck: duckdb.DuckDBPyConnection, sql: str, folder: Path) -> Iterator[pa.Table]:
    """The rows of a query over the view `reported` that sorts them, in tables of which the first one may be empty.

    It must be the query of a report with rows for each attempt. The folder gets temporary files. Raises DuckDB's
    `OutOfMemoryException` if a single attempt does not fit into memory.
    """
    duck.execute(_NUMBERED)
    duck.execute(_REPORTED)
    duck.execute(f"SET partitioned_write_flush_threshold = {_HELD_ATTEMPTS}")
    [(attempts,)] = duck.execute("SELECT count(*) FROM numbered").fetchall()
    return _sorted(duck, sql, 0, attempts, MOST_ATTEMPTS, folder)


def _sorted(
    duck: duckdb.DuckDBPyConnection, sql: str, first: int, attempts: int, most: int, folder: Path
) -> Iterator[pa.Table]:
    """The rows of the attempts in `reported`, whose numbers begin at `first`; up to `most` are sorted at once."""
    checkpoint()
    if attempts <= most:
        try:
            # one table would be simpler, but its memory is not returned to the system: 350 MB after 100,000 attempts
            reader = duck.execute(sql).to_arrow_reader(_ROWS)
        except duckdb.OutOfMemoryException:
            if attempts <= 1:
                raise
            most = -(-attempts // _RANGES)
        else:
            yield reader.schema.empty_table()
            yield from (pa.Table.from_batches([batch]) for batch in batches_of(reader))
            return
    size = max(most, -(-attempts // _RANGES))
    folders = spill(duck, _OF_RANGES.format(first=first, size=size), _OPTIONS, folder)
    for number, start in enumerate(range(0, attempts, size)):
        ranges = [parts / f"range={number}" for parts in folders]
        files = [str(file) for range_ in ranges if range_.exists() for file in sorted(range_.iterdir())]
        duck.execute(_SPILLED.format(files=url_list(files)))
        yield from _sorted(duck, sql, first + start, min(size, attempts - start), most, folder / str(number))
        for range_ in ranges:
            shutil.rmtree(range_, ignore_errors=True)
