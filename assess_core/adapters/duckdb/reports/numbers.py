"""The number of each attempt in the order of the response report, found by the place of its row."""

from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import ARROW
from duckdb.sqltypes import BIGINT

from assess_core.adapters.duckdb.connection import batches_of, release_memory
from assess_core.adapters.duckdb.reports.response import ORDER_OF_ATTEMPTS
from assess_core.ports.cancelling import checkpoint

_PLACE: Final = "((file_index + 1) * 1099511627776 + file_row_number)::BIGINT"
_ORDERED: Final = f"SELECT {_PLACE} AS place, counts FROM ({{picked}}) ORDER BY {ORDER_OF_ATTEMPTS}"
# the function runs in Python, once for 2,048 rows
_FOUND: Final = f"""
(SELECT * EXCLUDE code, code >> 1 AS number, code & 1 = 1 AS counts
FROM (SELECT *, numbered_at({_PLACE}) AS code FROM {{rows}}) WHERE code >= 0)
"""
_ROWS: Final = 10_000
"""Rows that are read at a time."""


class _Numbers:
    """The sorted places of rows; the code of each is its number, doubled, plus one if its version counts.

    A row takes 12 bytes, and 20 while they are sorted. A hash table of DuckDB takes 60, and it cannot spill all of it.
    """

    def __init__(self, places: "array[int]", counts: bytearray) -> None:
        """`places` are in the order of the numbers; they are sorted where they are."""
        self._places = np.frombuffer(places, np.int64)
        order = np.argsort(self._places)
        self._codes = order.astype(np.uint32)
        self._codes <<= 1
        self._codes |= np.frombuffer(counts, np.uint8)[order]
        self._places.sort()

    def at(self, places: pa.ChunkedArray) -> pa.Array:
        """The code of each place; -1 if it has none."""
        wanted = places.to_numpy()
        codes = np.full(len(wanted), -1)
        if len(self._places):
            found = np.minimum(np.searchsorted(self._places, wanted), len(self._places) - 1)
            np.copyto(codes, self._codes[found], where=self._places[found] == wanted)
        return pa.array(codes)


@contextmanager
def numbered(duck: duckdb.DuckDBPyConnection, picked: str, parameters: Mapping[str, object]) -> Iterator[int]:
    """Number the picked versions in the order of the response report, for `numbered_rows`; yields their number."""
    reader = duck.execute(_ORDERED.format(picked=picked), dict(parameters)).to_arrow_reader(_ROWS)
    places, counts = array("q"), bytearray()
    for batch in batches_of(reader):
        checkpoint()
        places.frombytes(batch["place"].to_numpy().tobytes())
        counts += batch["counts"].to_numpy(zero_copy_only=False).tobytes()
    del reader
    release_memory(duck)
    numbers, total = _Numbers(places, counts), len(places)
    del places, counts
    # with side effects, so that DuckDB calls it once for each row
    duck.create_function("numbered_at", numbers.at, [BIGINT], BIGINT, type=ARROW, side_effects=True)
    try:
        yield total
    finally:
        duck.remove_function("numbered_at")


def numbered_rows(rows: str) -> str:
    """The SQL of the rows that are `numbered`, with their number, and whether their version counts.

    `rows` is a relation with the places of its rows.
    """
    return _FOUND.format(rows=rows)
