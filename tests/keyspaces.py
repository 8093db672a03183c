"""Empty keyspaces on a real Cassandra."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.schema import CassandraSchema
from assess_core.adapters.cassandra.session import session
from assess_core.adapters.cassandra.tables import declared
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.ports.hot_store import Schema

SHARDS: Final = 4
_WITH_TOMBSTONES: Final = {"assessment_aggregator", "report_queue", "report_files"}
_ERASED: Final = {"assessment_aggregator_v2", "user_activity_agg", "failed_events", "failed_events_raw", "register"}
"""Tables from which an erasure deletes."""


class Keyspace(NamedTuple):
    """A keyspace with our tables."""

    url: str

    @property
    def name(self) -> str:
        return parse_cassandra_url(self.url).keyspace

    @property
    def schema(self) -> Schema:
        return CassandraSchema(self.url)

    def cql(self, text: str) -> list[tuple[object, ...]]:
        """Run a CQL statement in which `{ks}` is the keyspace."""
        place = parse_cassandra_url(self.url)
        return list(session(place.servers).execute(text.replace("{ks}", place.keyspace), timeout=60))

    def clear(self, *, erased: bool = False) -> None:
        """Remove all rows and tombstones. `erased`: learners were erased, and these deletions would hide later rows."""
        tombstones = _WITH_TOMBSTONES | (_ERASED if erased else set())
        for table in declared():
            # TRUNCATE takes 25 ms, so empty tables are skipped, except those that can still hold tombstones
            if table != "meta" and (table in tombstones or self.cql(f"SELECT * FROM {{ks}}.{table} LIMIT 1")):
                self.cql(f"TRUNCATE {{ks}}.{table}")
        self.cql("DELETE FROM {ks}.meta WHERE name = 'lake'")


@pytest.fixture(scope="session")
def keyspace_of_this_run(cassandra_url: str, worker_id: str) -> Keyspace:
    """One keyspace per test worker, because creating one takes seconds."""
    made = Keyspace(f"{cassandra_url}/test_{worker_id}")
    made.schema.apply(None, SHARDS)
    # without a commit log, TRUNCATE does not flush the table to disk first; no test kills the shared node
    made.cql("ALTER KEYSPACE {ks} WITH durable_writes = false")
    return made


@pytest.fixture
def keyspace(keyspace_of_this_run: Keyspace) -> Iterator[Keyspace]:
    """A keyspace with 4 shards and without rows."""
    yield keyspace_of_this_run
    keyspace_of_this_run.clear()


@pytest.fixture
def cassandra_hot(keyspace: Keyspace) -> CassandraHot:
    """An empty hot store on a real server."""
    return CassandraHot(keyspace.url)


@pytest.fixture
def erases(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests that erase learners: they leave deletions in Cassandra that would hide the rows of other tests."""
    if "cassandra" not in request.node.name:
        yield
        return
    keyspace: Keyspace = request.getfixturevalue("keyspace")
    yield
    keyspace.clear(erased=True)
