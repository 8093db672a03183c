"""Corrected totals in Cassandra. A value is one cell, so two writers cannot mix their values."""

from collections.abc import Collection, Sequence
from typing import Final

from cassandra.query import BoundStatement

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.driver import set_routing_columns
from assess_core.chunks import chunks, padded
from assess_core.domain.corrected_scores import CorrectedTotals
from assess_core.domain.corrections import Totals

_IDS: Final = 64  # in one IN
_PUT = "INSERT INTO {ks}.corrected_totals (user_id, content_hash, totals) VALUES (?, ?, ?)"
_OF = "SELECT user_id, content_hash, totals FROM {ks}.corrected_totals WHERE user_id IN ("


class CassandraCorrectedTotals:
    """A `ports.CorrectedTotalsTable` in a keyspace."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def of(self, user_ids: Collection[str]) -> dict[bytes, CorrectedTotals]:
        groups = self._db.by_owner(user_ids, lambda user_id: (user_id,))
        found = self._db.execute_all([self._of(padded(ids)) for owned in groups for ids in chunks(owned, _IDS)])
        return {
            hash_: CorrectedTotals(user_id, hash_, corrections, Totals(score, max_score))
            for rows in found
            for user_id, hash_, (corrections, score, max_score) in rows
        }

    def _of(self, user_ids: Sequence[str]) -> BoundStatement:
        prepared = self._db.prepared(f"{_OF}{', '.join('?' * len(user_ids))})")
        set_routing_columns(prepared.statement, 1)
        return prepared.bind(user_ids)

    def put(self, rows: Sequence[CorrectedTotals]) -> None:
        put = self._db.prepared(_PUT)
        bound = (put.bind((row.user_id, row.content_hash, (row.corrections, *row.totals))) for row in rows)
        self._db.write(([statement] for statement in bound), lambda statement: statement.values[:1])
