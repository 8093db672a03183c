"""Delete everything of learners from the embedded hot store, so that no byte of it stays in the file."""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from assess_core.adapters.sqlite.connections import BUSY_SECONDS, Connections
from assess_core.chunks import chunks
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.reasons import Reason
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.erasures import HotErased, Text

_LEARNERS: Final = 100  # in one transaction: other writers wait for milliseconds
_PAGE: Final = 100
_KEY: Final = 'topic, partition, "offset", raw_hash'
_ONE: Final = 'WHERE topic = ? AND partition = ? AND "offset" = ? AND raw_hash = ?'
_ROWS: Final = """DELETE FROM assessment_aggregator
    WHERE batch_id = ? AND year = ? AND week = ? AND shard = ? AND user_id = ?"""
_EVERY: Final = f"""SELECT {_KEY}, received_at, reason, message FROM failed_events
    WHERE ({_KEY}) > (?, ?, ?, ?) AND reason IS NOT NULL ORDER BY {_KEY} LIMIT {_PAGE}"""
_PARTS: Final = f"SELECT bytes FROM failed_events_raw {_ONE} ORDER BY part"


@contextmanager
def _overwriting(connection: sqlite3.Connection) -> Iterator[None]:
    """Deletions write zeros over what they delete. Not each of them is followed by `scrub`."""
    connection.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = FAST")


class SqliteErasing:
    """The methods of `HotStore` that erase learners."""

    shards: int
    _connections: Connections
    _path: Path
    _select: Callable[..., list[tuple[Any, ...]]]

    def erase(self, user_ids: Collection[str], slices: Collection[ArchiveSlice]) -> HotErased:
        found = [0, 0, 0, 0]
        for some in chunks(sorted(set(user_ids)), _LEARNERS):
            with self._connections.transaction() as connection, _overwriting(connection):
                places = [
                    (slice_.batch_id, *slice_.week, shard_of(user_id, self.shards), user_id)
                    for slice_ in sorted(slices)
                    for user_id in some
                ]
                found[0] += max(connection.executemany(_ROWS, places).rowcount, 0)
                ids = [(user_id,) for user_id in some]
                connection.executemany("DELETE FROM corrected_totals WHERE user_id = ?", ids)
                for number, table in (
                    (3, "user_activity_agg"),
                    (1, "assessment_aggregator_v2_attempts"),
                    (2, "assessment_aggregator_v2"),
                ):
                    found[number] += connection.executemany(f"DELETE FROM {table} WHERE user_id = ?", ids).rowcount
        return HotErased(*found)

    def every_failed(self) -> Iterator[FailedEvent]:
        last: Sequence[object] = ("", -1, -1, b"")
        while page := self._select(_EVERY, last):
            for topic, partition, offset, raw_hash, received_at, reason, message in page:
                last = (topic, partition, offset, raw_hash)
                raw = b"".join(part for (part,) in self._select(_PARTS, last))
                yield FailedEvent(topic, partition, offset, received_at, Reason(reason), message, raw)

    def remove_failed(self, keys: Collection[FailedKey]) -> None:
        with self._connections.transaction() as connection, _overwriting(connection):
            for table in ("failed_events", "failed_events_raw"):
                connection.executemany(f"DELETE FROM {table} {_ONE}", list(keys))

    def files(self) -> Iterator[tuple[str, Iterator[Text]]]:
        from assess_core.adapters.files.decoding import decoded

        for path in sorted(self._path.parent.glob(f"{self._path.name}*")):
            yield path.name, decoded(path, "hot.sqlite" if path == self._path else path.name)

    def scrub(self) -> str:
        """Rewrite the file without its free pages, and empty the write-ahead log."""
        deadline = time.monotonic() + BUSY_SECONDS
        with self._connections.use() as connection:
            connection.execute("PRAGMA secure_delete = ON")  # the new pages hold zeros, not what memory held before
            connection.execute("VACUUM")
            # a log is emptied only while nobody reads from it
            while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"the hot store {str(self._path)!r} was read for {BUSY_SECONDS} s without a pause, so its "
                        "write-ahead log still holds what was deleted; stop long reports, then erase again"
                    )
                time.sleep(0.05)
        return ""
