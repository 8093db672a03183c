"""The batches of courses and their states, from Sunbird's table `course_batch` in Cassandra."""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.driver import column_types
from assess_core.adapters.cassandra.url import as_setting, parse_cassandra_url
from assess_core.errors import BadSettings, NotOurTable, StoreUnavailable
from assess_core.ports.facts import ONGOING, BatchState, batches_finding
from assess_core.ports.findings import Finding

_FRESH: Final = 10.0  # seconds that a state is cached: every request needs one, and it changes only at midnight
_DEADLINE: Final = 2.0  # seconds that a client's request waits for Cassandra, retries included
_PAUSE: Final = 5.0  # seconds without a query after a failed one
_MOST: Final = 100_000  # cached batches: 20 MB
_STATUS: Final = "SELECT status FROM {ks}.course_batch WHERE courseid = ? AND batchid = ?"
_OF_COURSE: Final = "SELECT batchid FROM {ks}.course_batch WHERE courseid = ? AND batchid > ? LIMIT ?"
_EVERY: Final = "SELECT status FROM {ks}.course_batch"
_TYPES: Final = {"courseid": "text", "batchid": "text", "status": "int"}


class _Known(NamedTuple):
    state: BatchState
    until: float


class CassandraFacts:
    """Facts at `cassandra://...` (see `parse_cassandra_url`): only batches; their states are cached for some seconds.

    It is thread-safe. While Cassandra is down or slow, the last known state of a batch is used; a batch without one
    raises `StoreUnavailable`. After a failure it sends no query for some seconds, so that requests do not queue up
    behind the deadline.
    """

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`, `StoreUnavailable`."""
        with as_setting("ASSESS_FACTS"):
            place = parse_cassandra_url(url)
            self._patient = Connection(place)
            try:
                statement = self._patient.prepared(_STATUS).statement
            except NotOurTable as error:
                raise BadSettings(
                    f"ASSESS_FACTS: keyspace {place.keyspace!r} has no table course_batch with the key courseid, "
                    "batchid and a status; name the keyspace of Sunbird's courses"
                ) from error
        types = column_types(statement)
        if types != _TYPES:  # a text status would never equal a number
            raise BadSettings(
                f"ASSESS_FACTS: course_batch of keyspace {place.keyspace!r} has {_columns_text(types)}, where "
                f"Sunbird's has {_columns_text(_TYPES)}; name the keyspace of Sunbird's courses"
            )
        self._connection = Connection(place, _DEADLINE)
        self._known: dict[tuple[str, str], _Known] = {}
        self._failure: StoreUnavailable | None = None
        self._next_query_at = 0.0

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        return None

    def question_count(self, assessment_id: str) -> int | None:
        return None

    def batch(self, course_id: str, batch_id: str) -> BatchState:
        before = self._known.get((course_id, batch_id))
        now = time.monotonic()
        if before is not None and now < before.until:
            return before.state
        failure = self._failure
        if failure is None or now >= self._next_query_at:
            # if Cassandra is still down, only this request waits for it
            self._next_query_at = now + _DEADLINE + _PAUSE
            try:
                state = self._ask(course_id, batch_id)
            except StoreUnavailable as error:
                self._failure = failure = error
                self._next_query_at = time.monotonic() + _PAUSE
            else:
                self._failure = None
                self._remember(course_id, batch_id, state)
                return state
        if before is None:
            raise StoreUnavailable(str(failure)) from failure
        return before.state

    def batches_of(self, course_id: str, after: str, limit: int) -> list[str]:
        with as_setting("ASSESS_FACTS"):
            return [batch_id for (batch_id,) in self._connection.execute(_OF_COURSE, (course_id, after, limit))]

    def examine(self) -> Iterator[Finding]:
        with as_setting("ASSESS_FACTS"):
            statuses = [status for (status,) in self._patient.pages(_EVERY)]
        action = "name the keyspace of Sunbird's courses, or leave ASSESS_FACTS out: every batch is accepted then"
        found = batches_finding(len(statuses), statuses.count(ONGOING), action)
        place = self._patient.place
        yield found._replace(message=f"course_batch in {place.keyspace} at {place.servers}: {found.message}")

    def _ask(self, course_id: str, batch_id: str) -> BatchState:
        with as_setting("ASSESS_FACTS"):
            rows = self._connection.execute(_STATUS, (course_id, batch_id))
        if not rows:
            return BatchState.UNKNOWN
        return BatchState.ONGOING if rows[0][0] == ONGOING else BatchState.NOT_ONGOING

    def _remember(self, course_id: str, batch_id: str, state: BatchState) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[course_id, batch_id] = _Known(state, time.monotonic() + _FRESH)


def _columns_text(types: dict[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in types.items())
