"""Which batches are on-going, from Sunbird's own table `course_batch` in a keyspace of Cassandra."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from assess_core.adapters.cassandra.session import Connection
from assess_core.adapters.cassandra.url import parse_url
from assess_core.adapters.files.facts import ONGOING, of_batches
from assess_core.errors import BadSettings, NotOurTable, StoreUnavailable
from assess_core.ports.facts import BatchState
from assess_core.ports.findings import Finding

_FRESH: Final = 10.0  # seconds: a batch begins or ends at midnight, and is asked for with every request
_MOST: Final = 100_000  # batches that are remembered: 20 MB
_STATUS: Final = "SELECT status FROM {ks}.course_batch WHERE courseid = ? AND batchid = ?"
_EVERY: Final = "SELECT status FROM {ks}.course_batch"
_TYPES: Final = {"courseid": "text", "batchid": "text", "status": "int"}


class _Known(NamedTuple):
    state: BatchState
    until: float


class CassandraFacts:
    """Facts at `cassandra://...` (see `cassandra_url.parse_url`): of batches alone, and each for some seconds.

    Any thread may ask. While Cassandra is away, what it said before counts; of another batch nothing can be said.
    """

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`, `StoreUnavailable`."""
        with _as_facts():
            self._connection = Connection(parse_url(url))
            keyspace = self._connection.place.keyspace
            try:
                statement = self._connection.prepared(_STATUS).statement
            except NotOurTable as error:
                raise BadSettings(
                    f"ASSESS_FACTS: keyspace {keyspace!r} has no table course_batch with the key courseid, batchid and "
                    "a status; name the one of Sunbird's courses"
                ) from error
        columns = [*statement.column_metadata, *statement.result_metadata]
        types = {name: type_.cql_parameterized_type().replace("varchar", "text") for *_, name, type_ in columns}
        if types != _TYPES:  # a status in text would be that of no batch
            raise BadSettings(
                f"ASSESS_FACTS: course_batch of keyspace {keyspace!r} has {_named(types)}, where Sunbird's has "
                f"{_named(_TYPES)}; name the keyspace of Sunbird's courses"
            )
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

    def examine(self) -> Iterator[Finding]:
        with _as_facts():
            statuses = [status for (status,) in self._connection.pages(_EVERY)]
        action = "name the keyspace of Sunbird's courses, or leave ASSESS_FACTS out: every batch is accepted then"
        found = of_batches(len(statuses), statuses.count(ONGOING), action)
        place = self._connection.place
        yield found._replace(message=f"course_batch in {place.keyspace} at {place.servers}: {found.message}")

    def _asked(self, course_id: str, batch_id: str) -> BatchState:
        with _as_facts():
            rows = self._connection.execute(_STATUS, (course_id, batch_id))
        if not rows:
            return BatchState.UNKNOWN
        return BatchState.ONGOING if rows[0][0] == ONGOING else BatchState.NOT_ONGOING


def _named(types: dict[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in types.items())


@contextmanager
def _as_facts() -> Iterator[None]:
    """What is wrong with the connection is wrong with this setting, not with the hot store's."""
    try:
        yield
    except BadSettings as error:
        raise BadSettings(str(error).replace("ASSESS_HOT_STORE", "ASSESS_FACTS")) from error
