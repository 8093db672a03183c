"""Reads the slices of the embedded hot store a page at a time.

Each page is a separate statement that starts after the last key of the previous page. An open cursor would prevent
checkpoints of the WAL while the caller works with its rows.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.domain.slices import ArchiveSlice

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS: Final = 500  # 2 MB of text stay in the processor's cache; with 2,000 rows a sorted scan takes 40 % longer
_BYTES: Final = 32 * 1024 * 1024  # one event can have 8 MiB, so a limit on rows alone is not enough
_KEYS: Final = 2000

_KEY = "user_id, course_id, content_id, attempt_id, last_attempted_on, content_hash"
_OF_SLICE = "FROM assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ?"
# as bytes: Python would decode the text, and Arrow would encode it again
_SCAN = f"""
    SELECT {_KEY}, total_score, total_max_score, grand_total, updated_on, NULL, CAST(question AS BLOB)
    {_OF_SLICE} AND shard = ? AND ({_KEY}) > (?, ?, ?, ?, ?, ?) ORDER BY {_KEY} LIMIT {_ROWS}"""
_SCAN_WITHOUT_ANSWERS = _SCAN.replace("NULL, CAST(question AS BLOB)", "question <> '[]', x'5b5d'")
_SCAN_KEYS = f"""
    SELECT {_KEY}, updated_on, shard
    {_OF_SLICE} AND (shard, {_KEY}) > (?, ?, ?, ?, ?, ?, ?) ORDER BY shard, {_KEY} LIMIT {_KEYS}"""
_BEFORE_ALL: Final = ("", "", "", "", -1, b"")


class Scans:
    """See `HotStore.scan` and `keys`. pyarrow is imported at the first scan, because that takes 0.2 s."""

    def __init__(self, connections: Connections, shards: int) -> None:
        self._connections = connections
        self._shards = range(shards)

    def scan(self, slice_: ArchiveSlice, answers: bool) -> "list[Iterator[pa.RecordBatch]]":
        """The rows of each shard in batches of `HOT_SCHEMA`."""
        statement = _SCAN if answers else _SCAN_WITHOUT_ANSWERS
        return [self._shard(slice_, shard, statement) for shard in self._shards]

    def _shard(self, slice_: ArchiveSlice, shard: int, statement: str) -> "Iterator[pa.RecordBatch]":
        from assess_core.adapters.sqlite.batches import to_batch

        (year, week), batch_id = slice_
        last: tuple[object, ...] = _BEFORE_ALL
        while rows := self._some_rows(statement, (batch_id, year, week, shard, *last)):
            with self._connections.use():  # a text that is not UTF-8 is an error of the store
                batch = to_batch(slice_, rows)
            last = rows[-1][:6]
            yield batch

    def _some_rows(self, statement: str, after: Sequence[object]) -> list[tuple[Any, ...]]:
        """The next rows, up to a number of rows or of bytes."""
        rows, size = [], 0
        with self._connections.use() as connection:
            cursor = connection.execute(statement, after)
            for row in cursor:
                rows.append(row)
                size += len(row[-1])
                if size > _BYTES:
                    break
            cursor.close()
        return rows

    def keys(self, slice_: ArchiveSlice) -> "Iterator[pa.RecordBatch]":
        """The keys of all shards in batches of `KEY_SCHEMA`."""
        from assess_core.adapters.sqlite.batches import keys_batch

        (year, week), batch_id = slice_
        last: tuple[object, ...] = (-1, *_BEFORE_ALL)
        while True:
            with self._connections.use() as connection:
                rows = connection.execute(_SCAN_KEYS, (batch_id, year, week, *last)).fetchall()
            if not rows:
                return
            last = (rows[-1][-1], *rows[-1][:6])
            yield keys_batch(slice_, rows)
