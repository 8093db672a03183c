"""Which batches are on-going, from Sunbird's own table `course_batch` in a keyspace of Cassandra."""

import time
from typing import Final, NamedTuple

from assess_core.errors import BadSettings, NotOurTable, StoreUnavailable
from assess_core.facts import ONGOING, BatchState
from assess_core.stores.cassandra_session import Connection
from assess_core.stores.cassandra_url import parse_url

_FRESH: Final = 10.0  # seconds: a batch begins or ends at midnight, and is asked for with every request
_MOST: Final = 100_000  # batches that are remembered: 20 MB
_STATUS: Final = "SELECT status FROM {ks}.course_batch WHERE courseid = ? AND batchid = ?"


class _Known(NamedTuple):
    state: BatchState
    until: float


class CassandraFacts:
    """Facts at `cassandra://...` (see `cassandra_url.parse_url`): of batches alone, and each for some seconds.

    Any thread may ask. While Cassandra is away, what it said before counts; of another batch nothing can be said.
    """

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`, `StoreUnavailable`."""
        try:
            self._connection = Connection(parse_url(url))
            self._connection.prepared(_STATUS)
        except BadSettings as error:
            raise BadSettings(str(error).replace("ASSESS_HOT_STORE", "ASSESS_FACTS")) from error
        except NotOurTable as error:
            keyspace = self._connection.place.keyspace
            raise BadSettings(
                f"ASSESS_FACTS: keyspace {keyspace!r} has no table course_batch with courseid, batchid and status; "
                "name the one of Sunbird's courses"
            ) from error
        self._known: dict[tuple[str, str], _Known] = {}

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return None

    def question_count(self, assessment_id: str) -> int | None:
        return None

    def batch(self, course_id: str, batch_id: str) -> BatchState:
        before = self._known.get((course_id, batch_id))
        now = time.monotonic()
        if before is not None and now < before.until:
            return before.state
        try:
            state = self._asked(course_id, batch_id)
        except StoreUnavailable:
            if before is None:
                raise
            state = before.state
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[course_id, batch_id] = _Known(state, time.monotonic() + _FRESH)
        return state

    def _asked(self, course_id: str, batch_id: str) -> BatchState:
        rows = self._connection.execute(_STATUS, (course_id, batch_id))
        if not rows:
            return BatchState.UNKNOWN
        return BatchState.ONGOING if rows[0][0] == ONGOING else BatchState.NOT_ONGOING
