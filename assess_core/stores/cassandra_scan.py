"""Reading slices from Cassandra: shard by shard as Arrow, a page in hand and the next one on its way."""

import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa

from assess_core.slices import ArchiveSlice
from assess_core.stores.cassandra_session import Connection, Page, Row
from assess_core.stores.rows import HOT_SCHEMA

LONG_QUESTION: Final = 16 * 1024  # bytes; longer ones are marked in `slices` before they are written
_PAGE_BYTES: Final = 16 * 1024 * 1024  # of the longest rows there may be; two pages of a shard are in memory
_PAGE_ROWS: Final = 1000
_AHEAD: Final = 16  # shards whose first page is asked for before anybody waits for it
_FRESH_SECONDS: Final = 1.0

_LARGEST = "SELECT largest FROM {ks}.slices WHERE year = ? AND week = ? AND batch_id = ?"
_SCAN = """SELECT user_id, course_id, content_id, attempt_id, to_unix_timestamp(last_attempted_on), content_hash,
    total_score, total_max_score, grand_total, to_unix_timestamp(updated_on), question
    FROM {ks}.assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ? AND shard = ?"""
_TIMES: Final = pa.timestamp("ms", "UTC")


class Scans:
    """Reads shards of slices; several may be read at once."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._ahead: weakref.WeakSet[Page] = weakref.WeakSet()
        self._largest: tuple[ArchiveSlice, float, int] | None = None

    def scan(self, slice_: ArchiveSlice, shard: int) -> Iterator[pa.RecordBatch]:
        """The rows of a shard in batches of `HOT_SCHEMA`; its first page is asked for when this returns."""
        rows = min(_PAGE_ROWS, max(1, _PAGE_BYTES // max(LONG_QUESTION, self._largest_of(slice_))))
        first = None
        if len(self._ahead) < _AHEAD:
            first = self._page(slice_, shard, rows, None)
            self._ahead.add(first)  # for as long as somebody may still read it
        return self._pages(slice_, shard, rows, first)

    def _pages(self, slice_: ArchiveSlice, shard: int, rows: int, first: Page | None) -> Iterator[pa.RecordBatch]:
        page: Page | None = first or self._page(slice_, shard, rows, None)
        first = None  # read ahead no more
        while page is not None:
            found, state = page.rows()
            page = self._page(slice_, shard, rows, state) if state else None
            if found:
                yield _batch(slice_, found)

    def _page(self, slice_: ArchiveSlice, shard: int, rows: int, state: bytes | None) -> Page:
        (year, week), batch_id = slice_
        statement = self._db.prepared(_SCAN).bind((batch_id, year, week, shard))
        statement.fetch_size = rows
        return self._db.page(statement, state)

    def _largest_of(self, slice_: ArchiveSlice) -> int:
        """Bytes of the longest `question` of a slice, where one is long; the shards of a slice ask once."""
        now = time.monotonic()
        known = self._largest
        if known is not None and known[0] == slice_ and now - known[1] < _FRESH_SECONDS:
            return known[2]
        rows = self._db.execute(_LARGEST, (*slice_.week, slice_.batch_id))
        largest = int(rows[0][0] or 0) if rows else 0
        self._largest = slice_, now, largest
        return largest


def _batch(slice_: ArchiveSlice, rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows of `_SCAN` as a batch of `HOT_SCHEMA`."""
    (year, week), batch_id = slice_
    users, courses, contents, attempts, clocks, hashes, scores, maxima, totals, receipts, questions = zip(
        *rows, strict=True
    )
    count = len(rows)
    columns = (
        [batch_id] * count, [year] * count, [week] * count, users, courses, contents, attempts, clocks,
        [question != "[]" for question in questions], hashes, scores, maxima, totals, receipts, questions,
    )  # fmt: skip
    arrays = [
        pa.array(column, _TIMES).cast(field.type) if pa.types.is_timestamp(field.type) else pa.array(column, field.type)
        for column, field in zip(columns, HOT_SCHEMA, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=HOT_SCHEMA)
