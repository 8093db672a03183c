"""The register in Cassandra: one partition for each kind, because decisions are few."""

from collections.abc import Collection, Sequence
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.write_times import first_write_time
from assess_core.chunks import chunks, padded
from assess_core.domain.register import Kind, Record

_TOPICS: Final = 64  # in one IN
# the first writer wins
_ADD = "INSERT INTO {ks}.register (kind, topic, id, content) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
_ALL = "SELECT topic, id, content FROM {ks}.register WHERE kind = ?"
_REMOVE = "DELETE FROM {ks}.register WHERE kind = ? AND topic = ? AND id = ?"


class CassandraRegister:
    """A `ports.Register` in a keyspace."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def add(self, records: Sequence[Record]) -> None:
        add = self._db.prepared(_ADD)
        self._db.execute_all([add.bind((*record, first_write_time())) for record in records])

    def of(self, kind: Kind, topics: Collection[str]) -> list[Record]:
        asked = [padded(some) for some in chunks(sorted(set(topics)), _TOPICS)]
        statements = [
            self._db.prepared(f"{_ALL} AND topic IN ({', '.join('?' * len(some))})").bind((kind, *some))
            for some in asked
        ]
        return sorted(Record(kind, *row) for rows in self._db.execute_all(statements) for row in rows)

    def all(self, kind: Kind) -> list[Record]:
        return [Record(kind, *row) for row in self._db.execute(_ALL, (kind,))]

    def remove(self, records: Sequence[Record]) -> None:
        remove = self._db.prepared(_REMOVE)
        self._db.execute_all([remove.bind(record[:3]) for record in records])
