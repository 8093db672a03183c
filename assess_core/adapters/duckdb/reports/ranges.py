"""The rows of a response report in order, without sorting all of them: each range of attempts is sorted alone.

DuckDB would need memory for all rows to sort them. Here it sorts only the places of the attempts, which gives each
attempt its number in the report, and reads the rows in any order. Arrow distributes them to files by ranges of
numbers. The rows of a range fit into memory.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from assess_core.adapters.arrow.hot_rows import gathered
from assess_core.adapters.duckdb.connection import batches_of
from assess_core.adapters.duckdb.reports.numbers import numbered_rows
from assess_core.adapters.duckdb.reports.spilling import spill
from assess_core.ports.cancelling import checkpoint

_MOST_BYTES: Final = 8 * 1024 * 1024
"""The size of a file whose rows are sorted at once."""
_MOST_RANGES: Final = 100
"""The ranges that rows are distributed to at a time; each has an open file."""
_LEAST_ATTEMPTS: Final = 1024
"""The attempts of the smallest range, if they have no more bytes than are sorted at once."""
_GATHERED_BYTES: Final = 8 * 1024 * 1024
"""The size of the rows that are distributed at once: some hundred attempts, so that a file gets several of them."""
_ROWS: Final = 2048
"""Rows that are read at a time."""

_NUMBER: Final = "number"
"""The column with the number of an attempt."""

_REPORTED: Final = f"CREATE OR REPLACE TEMP VIEW reported AS FROM {numbered_rows('placed')}"


class _Range(NamedTuple):
    """Attempts with consecutive numbers, and the file with their rows in any order."""

    first: int
    attempts: int
    file: Path


def rows_in_order(duck: duckdb.DuckDBPyConnection, sql: str, attempts: int, folder: Path) -> Iterator[pa.Table]:
    """The rows of a query over the view `reported`, ordered by its column `number`, which is left out.

    `attempts` are `numbered`. The rows of an attempt keep their order. The first table is empty. The folder gets
    temporary files.
    """
    duck.execute(_REPORTED)
    ranges = min(_MOST_RANGES, 1 + attempts // _LEAST_ATTEMPTS)
    query = f"SELECT * FROM ({sql}) WHERE number % $parts = $part"

    def read(new: Path, parts: int) -> tuple[pa.Schema, list[_Range]]:
        readers = (duck.execute(query, {"parts": parts, "part": part}).to_arrow_reader(_ROWS) for part in range(parts))
        first = next(readers)
        batches = (batch for reader in chain((first,), readers) for batch in batches_of(reader))
        return first.schema, _distribute(batches, 0, attempts, ranges, new)

    schema, found = spill(duck, read, folder)
    yield schema.empty_table().drop_columns(_NUMBER)
    for range_ in found:
        yield from _in_order(range_)


def _in_order(range_: _Range) -> Iterator[pa.Table]:
    """The rows of a range in order. If they are too large, they are distributed again."""
    checkpoint()
    size = range_.file.stat().st_size
    ranges = min(range_.attempts, _MOST_RANGES, 1 + size // _MOST_BYTES)
    if ranges == 1:
        with _opened(range_.file) as batches:
            rows = _by_number(batches.read_all())
        range_.file.unlink()
        yield rows.drop_columns(_NUMBER)
        return
    folder = range_.file.with_suffix(".divided")
    folder.mkdir()
    with _opened(range_.file) as batches:
        divided = _distribute(batches, range_.first, range_.attempts, ranges, folder)
    range_.file.unlink()
    for part in divided:
        yield from _in_order(part)


@contextmanager
def _opened(file: Path) -> Iterator[pa.ipc.RecordBatchStreamReader]:
    with pa.OSFile(str(file)) as opened, pa.ipc.open_stream(opened) as batches:
        yield batches


def _distribute(
    batches: Iterable[pa.RecordBatch], first: int, attempts: int, ranges: int, folder: Path
) -> list[_Range]:
    """Write rows to a file for each range of numbers; returns the ranges with rows, in order."""
    size = -(-attempts // ranges)
    found: dict[int, _Range] = {}
    with ExitStack() as opened:
        writers: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        for rows in gathered(batches, size=_GATHERED_BYTES):
            checkpoint()
            for start, part in _parts(rows, first, size):
                if start not in found:
                    found[start] = _Range(start, min(size, first + attempts - start), folder / f"{start}.arrow")
                    file = opened.enter_context(pa.OSFile(str(found[start].file), "wb"))
                    writers[start] = opened.enter_context(pa.ipc.new_stream(file, part.schema))
                writers[start].write_table(part)
    return [range_ for _, range_ in sorted(found.items())]


def _parts(rows: pa.Table, first: int, size: int) -> Iterator[tuple[int, pa.Table]]:
    """The rows of each range in the order of their numbers, with the first number of the range."""
    rows = _by_number(rows)
    ranges = pc.run_end_encode(pc.divide(pc.subtract(rows[_NUMBER].chunk(0), first), size))
    begin = 0
    for range_, end in zip(ranges.values.to_pylist(), ranges.run_ends.to_pylist(), strict=True):
        yield first + range_ * size, rows.slice(begin, end - begin)
        begin = end


def _by_number(rows: pa.Table) -> pa.Table:
    """The rows of each attempt stay in their order, because the sort is stable."""
    rows = rows.combine_chunks()
    numbers = rows[_NUMBER].to_numpy()
    if (numbers[1:] >= numbers[:-1]).all():  # as in a slice, which is sorted by learner: rows need not be copied
        return rows
    return rows.take(pc.sort_indices(rows[_NUMBER]))
