"""Corrected totals in the embedded hot store."""

from collections.abc import Collection, Sequence
from typing import Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.chunks import chunks, padded
from assess_core.domain.corrected_scores import CorrectedTotals
from assess_core.domain.corrections import Totals

_CHUNK: Final = 512
_COLUMNS: Final = "user_id, content_hash, corrections, score, max_score"


class SqliteCorrectedTotals:
    """A `ports.CorrectedTotalsTable`. Within a transaction of this thread, its calls are a part of that one."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def of(self, user_ids: Collection[str]) -> dict[bytes, CorrectedTotals]:
        found: dict[bytes, CorrectedTotals] = {}
        for some in chunks(user_ids, _CHUNK):
            asked = padded(some)
            select = f"SELECT {_COLUMNS} FROM corrected_totals WHERE user_id IN ({', '.join('?' * len(asked))})"
            with self._connections.use() as connection:
                for user_id, hash_, corrections, score, max_score in connection.execute(select, asked):
                    found[hash_] = CorrectedTotals(user_id, hash_, corrections, Totals(score, max_score))
        return found

    def put(self, rows: Sequence[CorrectedTotals]) -> None:
        values = [(*row[:3], *row.totals) for row in rows]
        with self._connections.transaction() as connection:
            put = f"INSERT OR REPLACE INTO corrected_totals ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)"
            connection.executemany(put, sorted(values))
