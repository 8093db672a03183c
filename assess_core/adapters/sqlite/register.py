"""The register of the embedded hot store."""

from collections.abc import Collection, Sequence
from typing import Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.chunks import chunks, padded
from assess_core.domain.register import Kind, Record

_CHUNK: Final = 512
_COLUMNS: Final = "kind, topic, id, content"
_KEY: Final = "WHERE kind = ? AND topic = ? AND id = ?"


class SqliteRegister:
    """A `ports.Register`. Within a transaction of this thread, its calls are a part of that one."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(self, records: Sequence[Record]) -> None:
        with self._connections.transaction() as connection:
            connection.executemany(f"INSERT OR IGNORE INTO register ({_COLUMNS}) VALUES (?, ?, ?, ?)", records)

    def of(self, kind: Kind, topics: Collection[str]) -> list[Record]:
        found: list[Record] = []
        for some in chunks(sorted(set(topics)), _CHUNK):
            asked = padded(some)
            marks = ", ".join("?" * len(asked))
            found += self._read(f"WHERE kind = ? AND topic IN ({marks})", kind, *asked)
        return found

    def all(self, kind: Kind) -> list[Record]:
        return self._read("WHERE kind = ?", kind)

    def rewrite(self, records: Sequence[Record]) -> None:
        with self._connections.transaction() as connection:
            changes = [(record.content, *record[:3]) for record in records]
            connection.executemany(f"UPDATE register SET content = ? {_KEY}", changes)

    def remove(self, records: Sequence[Record]) -> None:
        with self._connections.transaction() as connection:
            keys = [record[:3] for record in records]
            connection.executemany(f"DELETE FROM register {_KEY}", keys)

    def _read(self, where: str, kind: Kind, *topics: str) -> list[Record]:
        with self._connections.use() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM register {where} ORDER BY topic, id", (kind, *topics))
            return [Record(kind, *row[1:]) for row in rows]
