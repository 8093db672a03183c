"""Scans of slices as Arrow, shard by shard. Each page is requested before the previous one is used."""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa

from assess_core.adapters.arrow.rows import HOT_SCHEMA, KEY_SCHEMA
from assess_core.adapters.cassandra.connection import Connection, Page, Row
from assess_core.adapters.cassandra.requests import grouped
from assess_core.chunks import chunks
from assess_core.domain.slices import ArchiveSlice, IsoWeek

LONG_QUESTION: Final = 16 * 1024  # bytes; a longer question is marked in `slices` before it is written
_PAGE_BYTES: Final = 16 * 1024 * 1024  # of a page of the longest rows; two pages of a shard are in memory
_PAGE_ROWS: Final = 1000
_PAGE_KEYS: Final = 2000  # a key has 200 bytes
_AHEAD: Final = 16  # shards whose first page is requested before it is needed
_SOME_ROWS: Final = 200  # a slice with fewer rows is counted by reading them, a larger one shard by shard
_COUNTED: Final = 256  # slices counted at the same time; their rows are in memory

_LARGEST = "SELECT largest FROM {ks}.slices WHERE year = ? AND week = ? AND batch_id = ?"
_KEY = "user_id, course_id, content_id, attempt_id, to_unix_timestamp(last_attempted_on), content_hash"
_RECEIPT = "to_unix_timestamp(updated_on)"
_COLUMNS = f"{_KEY}, total_score, total_max_score, grand_total, {_RECEIPT}, question"
_OF_SLICE = "FROM {ks}.assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ? AND"
_SLICE = f"SELECT {_COLUMNS}, shard {_OF_SLICE} shard IN ?"
_SHARD = f"SELECT {_COLUMNS} {_OF_SLICE} shard = ?"
_KEYS = f"SELECT {_KEY}, {_RECEIPT} {_OF_SLICE} shard IN ?"
_SOME = f"SELECT shard {_OF_SLICE} shard IN ? LIMIT {_SOME_ROWS}"
_HELD = "SELECT DISTINCT batch_id, year, week, shard FROM {ks}.assessment_aggregator"
_COUNT = f"SELECT count(*) {_OF_SLICE} shard = ?"
_TIMES: Final = pa.timestamp("ms", "UTC")


class Scans:
    """Reads slices; several scans may run concurrently.

    Most slices are small, e.g. 20 rows in 16 shards, so the first request reads the whole slice. Only a slice that does
    not fit into a page is read shard by shard. One request and one conversion to Arrow take 2 ms of CPU time; sixteen
    take 12 ms.
    """

    def __init__(self, db: Connection, shards: int) -> None:
        self._db = db
        self._shards = list(range(shards))
        self._ahead: weakref.WeakSet[Page] = weakref.WeakSet()

    def scan(self, slice_: ArchiveSlice, answers: bool) -> list[Iterator[pa.RecordBatch]]:
        """The rows of each shard in batches of `HOT_SCHEMA`. When this returns, the first pages are requested.

        Without `answers` they are requested too, because they tell whether a version has any.
        """
        rows = min(_PAGE_ROWS, max(1, _PAGE_BYTES // max(LONG_QUESTION, self._largest_of(slice_))))
        found, state = self._page(_SLICE, slice_, self._shards, rows, None).rows()
        if state is None:
            shards = [iter(batches) for batches in self._of_each(slice_, found)]
        else:
            shards = [self._scan(slice_, shard, rows) for shard in self._shards]
        return shards if answers else [map(_without_answers, shard) for shard in shards]

    def keys(self, slice_: ArchiveSlice) -> Iterator[pa.RecordBatch]:
        """The keys of all shards in batches of `KEY_SCHEMA`."""
        page: Page | None = self._page(_KEYS, slice_, self._shards, _PAGE_KEYS, None)
        while page is not None:
            found, state = page.rows()
            page = self._page(_KEYS, slice_, self._shards, _PAGE_KEYS, state) if state else None
            if found:
                yield _keys_batch(slice_, found)

    def held(self) -> list[ArchiveSlice]:
        """The slices with rows, sorted: one request for each thousand partitions of the table."""
        partitions = self._db.pages(_HELD)
        return sorted({ArchiveSlice(IsoWeek(year, week), batch_id) for batch_id, year, week, _ in partitions})

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        """The number of rows of each slice. Counting a large slice reads all its rows."""
        some = self._db.prepared(_SOME)
        found: dict[ArchiveSlice, int] = {}
        for asked in chunks(slices, _COUNTED):
            whole = [some.bind((slice_.batch_id, *slice_.week, self._shards)) for slice_ in asked]
            rows = dict(zip(asked, map(len, self._db.execute_all(whole)), strict=True))
            found |= {slice_: self._count(slice_) if held == _SOME_ROWS else held for slice_, held in rows.items()}
        return found

    def _count(self, slice_: ArchiveSlice) -> int:
        count = self._db.prepared(_COUNT)
        of_shard = [count.bind((slice_.batch_id, *slice_.week, shard)) for shard in self._shards]
        return sum(int(rows) for ((rows,),) in self._db.execute_all(of_shard))

    def _of_each(self, slice_: ArchiveSlice, rows: Sequence[Row]) -> list[list[pa.RecordBatch]]:
        """Rows of `_SLICE` by shard, in their order. All shards are converted to Arrow together."""
        if not rows:
            return [[] for _ in self._shards]
        shards = grouped(rows, lambda row: int(row[-1]))
        whole, begin = _batch(slice_, [row[:-1] for of_shard in shards.values() for row in of_shard]), 0
        found: list[list[pa.RecordBatch]] = [[] for _ in self._shards]
        for shard, of_shard in shards.items():
            found[shard] = [whole.slice(begin, len(of_shard))]
            begin += len(of_shard)
        return found

    def _scan(self, slice_: ArchiveSlice, shard: int, rows: int) -> Iterator[pa.RecordBatch]:
        first = None
        if len(self._ahead) < _AHEAD:
            first = self._page(_SHARD, slice_, shard, rows, None)
            self._ahead.add(first)  # a weak set: the page leaves it when the iterator drops the page
        return self._pages(slice_, shard, rows, first)

    def _pages(self, slice_: ArchiveSlice, shard: int, rows: int, first: Page | None) -> Iterator[pa.RecordBatch]:
        page: Page | None = first or self._page(_SHARD, slice_, shard, rows, None)
        first = None  # drops the page from `_ahead`
        while page is not None:
            found, state = page.rows()
            page = self._page(_SHARD, slice_, shard, rows, state) if state else None
            if found:
                yield _batch(slice_, found)

    def _page(self, cql: str, slice_: ArchiveSlice, shard: int | list[int], rows: int, state: bytes | None) -> Page:
        (year, week), batch_id = slice_
        statement = self._db.prepared(cql).bind((batch_id, year, week, shard))
        statement.fetch_size = rows
        return self._db.page(statement, state)

    def _largest_of(self, slice_: ArchiveSlice) -> int:
        """Bytes of the longest `question` of a slice; 0 if none is long."""
        rows = self._db.execute(_LARGEST, (*slice_.week, slice_.batch_id))
        return int(rows[0][0] or 0) if rows else 0


def _without_answers(rows: pa.RecordBatch) -> pa.RecordBatch:
    return rows.set_column(rows.num_columns - 1, "question", pa.repeat("[]", rows.num_rows))


def _batch(slice_: ArchiveSlice, rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows of `_SHARD` as a batch of `HOT_SCHEMA`."""
    (year, week), batch_id = slice_
    users, courses, contents, attempts, clocks, hashes, scores, maxima, totals, receipts, questions = zip(
        *rows, strict=True
    )
    count = len(rows)
    columns = (
        [batch_id] * count, [year] * count, [week] * count, users, courses, contents, attempts, clocks,
        [question != "[]" for question in questions], hashes, scores, maxima, totals, receipts, questions,
    )  # fmt: skip
    return _of_columns(columns, HOT_SCHEMA)


def _keys_batch(slice_: ArchiveSlice, rows: Sequence[Row]) -> pa.RecordBatch:
    """Rows of `_KEYS` as a batch of `KEY_SCHEMA`."""
    return _of_columns(([slice_.batch_id] * len(rows), *zip(*rows, strict=True)), KEY_SCHEMA)


def _of_columns(columns: Sequence[Sequence[object]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        pa.array(column, _TIMES).cast(field.type) if pa.types.is_timestamp(field.type) else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
