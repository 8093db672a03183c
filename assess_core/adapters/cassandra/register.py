"""The register in Cassandra: one partition for each kind, because decisions are few."""

import time
from collections.abc import Collection, Sequence
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.write_times import first_write_time
from assess_core.chunks import chunks, padded
from assess_core.domain.register import Kind, Record

_TOPICS: Final = 64  # in one IN
_ADD = "INSERT INTO {ks}.register (kind, topic, id, content) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
_ALL = "SELECT topic, id, content FROM {ks}.register WHERE kind = ?"
_REMOVE = "DELETE FROM {ks}.register WHERE kind = ? AND topic = ? AND id = ?"


class CassandraRegister:
    """A `ports.Register` in a keyspace."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, records: Sequence[Record]) -> None:
        self._write(records, first_write_time())  # the first writer wins
        stored = self._stored(records)
        # a deletion is newer than any first write, and would hide a record that is added again
        self._write([record for record in records if record[:3] not in stored], _now())

    def of(self, kind: Kind, topics: Collection[str]) -> list[Record]:
        asked = [padded(some) for some in chunks(sorted(set(topics)), _TOPICS)]
        statements = [
            self._db.prepared(f"{_ALL} AND topic IN ({', '.join('?' * len(some))})").bind((kind, *some))
            for some in asked
        ]
        return sorted(Record(kind, *row) for rows in self._db.execute_all(statements) for row in rows)

    def all(self, kind: Kind) -> list[Record]:
        return [Record(kind, *row) for row in self._db.execute(_ALL, (kind,))]

    def rewrite(self, records: Sequence[Record]) -> None:
        stored = self._stored(records)
        self._write([record for record in records if record[:3] in stored], _now())

    def remove(self, records: Sequence[Record]) -> None:
        remove = self._db.prepared(_REMOVE)
        self._db.execute_all([remove.bind(record[:3]) for record in records])

    def _write(self, records: Sequence[Record], write_time: int) -> None:
        add = self._db.prepared(_ADD)
        self._db.execute_all([add.bind((*record, write_time)) for record in records])

    def _stored(self, records: Sequence[Record]) -> set[tuple[Kind, str, str]]:
        """The keys of those records that are stored, with whatever content."""
        topics: dict[Kind, set[str]] = {}
        for record in records:
            topics.setdefault(record.kind, set()).add(record.topic)
        return {found[:3] for kind, of_kind in topics.items() for found in self.of(kind, of_kind)}


def _now() -> int:
    return time.time_ns() // 1000
