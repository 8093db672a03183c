"""Reads the maps of learners: by threads that may wait for a lock, and by one that may not."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.chunks import padded
from assess_core.domain.attempts import Version
from assess_core.domain.register import Kind
from assess_core.domain.scores import Entry, SummaryKey
from assess_core.errors import StoreUnavailable
from assess_core.ports.hot_store import MOST_AT_ONCE

ENTRY_KEY: Final = "user_id, assessment_id, course_id, batch_id, attempt_id, last_attempted_on, content_hash"
ENTRY: Final = f"{ENTRY_KEY}, has_answers, score, max_score, received_at"

_ENTRIES_OF: Final = f"SELECT {ENTRY} FROM assessment_aggregator_v2_attempts WHERE user_id IN "
# one statement, so entries and corrections are those of one moment
_AT_ONCE: Final = f"""SELECT {ENTRY},
    EXISTS (SELECT 1 FROM register WHERE kind = '{Kind.CORRECTION}' AND topic = assessment_id)
    FROM assessment_aggregator_v2_attempts WHERE user_id IN """


class SqliteMaps:
    """`at_once` has connections that never wait for a lock."""

    def __init__(self, connections: Connections, at_once: Connections) -> None:
        self._connections = connections
        self._at_once = at_once

    def entries(self, ids: Sequence[str]) -> dict[str, list[Entry]]:
        """The entries of these learners, who are not many."""
        asked = padded(ids)  # ten statements are prepared, not one for each length
        with self._connections.use() as connection:
            return _by_learner(connection.execute(f"{_ENTRIES_OF} ({_marks(asked)})", asked))

    def entries_at_once(self, ids: Sequence[str]) -> dict[str, list[Entry]] | None:
        """See `HotStore.entries_at_once`. In WAL mode a reader waits for no writer, only for repairs of the file."""
        asked = padded(ids)
        try:
            with self._at_once.use() as connection:
                rows = connection.execute(f"{_AT_ONCE} ({_marks(asked)}) LIMIT {MOST_AT_ONCE + 1}", asked).fetchall()
        except StoreUnavailable:  # a thread that waits asks again, and has the time to say what is wrong
            return None
        if len(rows) > MOST_AT_ONCE or any(row[-1] for row in rows):
            return None
        return _by_learner(rows)


def _marks(asked: Sequence[str]) -> str:
    return ", ".join("?" * len(asked))


def _by_learner(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    key, entries = SummaryKey("", "", "", ""), list[Entry]()
    for row in rows:
        _, _, _, _, attempt_id, attempted_on, hash_, has_answers, score, max_score, received_at, *_ = row
        if row[:4] != key:  # rows of a key are adjacent, so each key is made once
            key = SummaryKey(*row[:4])
            entries = found.setdefault(key.user_id, [])
        version = Version(attempted_on, has_answers == 1, hash_)
        entries.append(Entry(key, attempt_id, version, score, max_score, received_at))
    return found
