"""Failed events in Cassandra, partitioned by ranges of offsets, so that a query for some offsets reads few of them."""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from cassandra.query import UNSET_VALUE

from assess_core.adapters.cassandra.connection import Connection, Row
from assess_core.adapters.cassandra.requests import by_bytes
from assess_core.adapters.cassandra.write_times import first_write_time
from assess_core.chunks import chunks
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.reasons import Reason

_PART: Final = 10_000  # offsets in one partition, which is a few MB even if all of them fail
_PIECE: Final = 1024 * 1024  # bytes of an event in one row
_ROUND_BYTES: Final = 16 * _PIECE
_EVENTS: Final = 16  # events whose bytes are read at the same time, at most 8 MiB each

_KEY = "topic, partition, part, offset, raw_hash"
_ADD_PART = "INSERT INTO {ks}.failed_parts (topic, partition, part) VALUES (?, ?, ?)"
_PARTS = "SELECT part FROM {ks}.failed_parts WHERE topic = ? AND partition = ? AND part >= ? AND part <= ?"
_ADD_PIECE = """INSERT INTO {ks}.failed_events_raw (topic, partition, offset, raw_hash, piece, bytes)
    VALUES (?, ?, ?, ?, ?, ?)"""
_PIECES = "SELECT bytes FROM {ks}.failed_events_raw WHERE topic = ? AND partition = ? AND offset = ? AND raw_hash = ?"
# the first writer wins
_ADD = f"""INSERT INTO {{ks}}.failed_events ({_KEY}, received_at, reason, message)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"""
# this also marks an event that is not stored yet, so that a late worker cannot make it unresolved again
_RESOLVE = f"INSERT INTO {{ks}}.failed_events ({_KEY}, mended) VALUES (?, ?, ?, ?, ?, true)"
_OF_PART = """SELECT topic, partition, offset, raw_hash, to_unix_timestamp(received_at), reason, message, mended
    FROM {ks}.failed_events WHERE topic = ? AND partition = ? AND part = ?"""
_REMOVE_RAW = """DELETE FROM {ks}.failed_events_raw USING TIMESTAMP ?
    WHERE topic = ? AND partition = ? AND offset = ? AND raw_hash = ?"""
_REMOVE = """DELETE FROM {ks}.failed_events USING TIMESTAMP ?
    WHERE topic = ? AND partition = ? AND part = ? AND offset = ? AND raw_hash = ?"""
_BETWEEN = """SELECT topic, partition, offset, raw_hash, reason, mended FROM {ks}.failed_events
    WHERE topic = ? AND partition = ? AND part = ? AND offset >= ? AND offset <= ?"""


class FailedEvents:
    """The failed events of a keyspace."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, events: Sequence[FailedEvent]) -> None:
        """Store failed events: first their bytes and partitions, then the rows that list them."""
        db = self._db
        add_piece = db.prepared(_ADD_PIECE)
        pieces = (
            add_piece.bind((*event.key, number, event.raw[start : start + _PIECE]))
            for event in events
            for number, start in enumerate(range(0, len(event.raw), _PIECE))
        )
        for some in by_bytes(pieces, lambda piece: len(piece.values[-1]), _ROUND_BYTES):
            db.write(([piece] for piece in some), lambda piece: piece.values[:4])
        parts = {_part(event.key) for event in events}
        db.execute_all([db.prepared(_ADD_PART).bind(part) for part in parts])
        add = db.prepared(_ADD)
        bound = (
            add.bind(
                (
                    *(*_part(event.key), event.offset, event.key.raw_hash),
                    UNSET_VALUE if event.received_at is None else event.received_at,
                    *(event.reason.value, event.message, first_write_time()),
                )
            )
            for event in events
        )
        db.write(([row] for row in bound), lambda row: row.values[:3])

    def all(self, after: FailedKey | None) -> Iterator[FailedEvent]:
        """The unresolved failed events after a key (None: all), in the order of their keys."""
        parts = sorted(self._db.execute("SELECT topic, partition, part FROM {ks}.failed_parts"))
        for part in parts:
            if after is not None and tuple(part) < _part(after):
                continue
            rows = (row for row in self._db.execute(_OF_PART, part) if after is None or tuple(row[:4]) > after)
            yield from self._whole(row for row in rows if not row[7])

    def every(self) -> Iterator[FailedEvent]:
        """All failed events, also the resolved ones."""
        for part in self._db.execute("SELECT topic, partition, part FROM {ks}.failed_parts"):
            yield from self._whole(self._db.execute(_OF_PART, part))

    def _whole(self, rows: Iterable[Row]) -> Iterator[FailedEvent]:
        """The events of these rows with their bytes. A row without a reason marks an event that is not stored."""
        pieces = self._db.prepared(_PIECES)
        for some in chunks((row for row in rows if row[5] is not None), _EVENTS):
            found = self._db.execute_all([pieces.bind(row[:4]) for row in some])
            for (topic, partition, offset, _, received_at, reason, message, _), raw in zip(some, found, strict=True):
                whole = b"".join(piece for (piece,) in raw)
                yield FailedEvent(topic, partition, offset, received_at, Reason(reason), message, whole)

    def remove(self, keys: Collection[FailedKey]) -> None:
        """Delete failed events. The rows are last: without them, nothing says where the bytes are."""
        now = time.time_ns() // 1000
        raw, row = self._db.prepared(_REMOVE_RAW), self._db.prepared(_REMOVE)
        self._db.execute_all([raw.bind((now, *key)) for key in keys])
        self._db.execute_all([row.bind((now, *_part(key), key.offset, key.raw_hash)) for key in keys])

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        """The keys of unresolved failed events between two offsets."""
        parts = self._db.execute(_PARTS, (topic, partition, first // _PART, last // _PART))
        between = self._db.prepared(_BETWEEN)
        found = self._db.execute_all([between.bind((topic, partition, part, first, last)) for (part,) in parts])
        return [FailedKey(*row[:4]) for rows in found for row in rows if row[4] is not None and not row[5]]

    def resolve(self, keys: Collection[FailedKey]) -> None:
        """Mark failed events as resolved."""
        resolve = self._db.prepared(_RESOLVE)
        self._db.execute_all([resolve.bind((*_part(key), key.offset, key.raw_hash)) for key in keys])


def _part(key: FailedKey) -> tuple[str, int, int]:
    return key.topic, key.partition, key.offset // _PART
