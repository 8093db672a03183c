"""A Cassandra that hangs, is killed or restarts. No other test uses it at the same time."""

import time

import pytest

from assess_core.adapters.cassandra import connection
from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.schema import CassandraSchema
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadSettings, StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, fold
from tests.factories import RECEIVED, accepted, event, version
from tests.servers import Instance

SLICE = ArchiveSlice.of("b1", RECEIVED)


@pytest.fixture
def own(killed_cassandra: Instance) -> Instance:
    return killed_cassandra


@pytest.fixture
def url(own: Instance, monkeypatch: pytest.MonkeyPatch) -> str:
    """A keyspace on this server, for a store with a deadline of two seconds."""
    monkeypatch.setattr(connection, "DEADLINE_SECONDS", 2.0)
    hot_store = own.env["ASSESS_HOT_STORE"].partition("?")[0]
    keyspace = f"{hot_store.rpartition('/')[0]}/away"
    CassandraSchema(keyspace).apply(None, 2)
    return keyspace


def test_if_a_server_hangs_the_error_names_it_no_event_fails_and_the_store_works_after_it_resumes(
    own: Instance, url: str
) -> None:
    hot = CassandraHot(url)
    fold([accepted(event(attempt="before"))], hot, Checks(NoFacts()))
    own.pause("cassandra-1")
    try:
        with pytest.raises(
            StoreUnavailable, match=r"Cassandra at 127\..* did not answer .*; look at its log, or start"
        ):
            fold([accepted(event(attempt="meanwhile"), offset=2)], hot, Checks(NoFacts()))
    finally:
        own.resume("cassandra-1")

    fold_until_accepted(hot, "meanwhile")
    assert hot.counts([SLICE]) == {SLICE: 2}
    assert list(hot.failed()) == []


def test_a_deadline_bounds_how_long_a_statement_waits_for_a_server_that_hangs(own: Instance, url: str) -> None:
    short = connection.Connection(parse_cassandra_url(url), 0.5)
    short.execute("SELECT name, value FROM {ks}.meta")
    own.pause("cassandra-1")
    try:
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            short.execute("SELECT name, value FROM {ks}.meta")
        # without this deadline it would wait for DEADLINE_SECONDS; a busy machine takes seconds too
        assert time.monotonic() - started < connection.DEADLINE_SECONDS / 2
    finally:
        own.resume("cassandra-1")


def test_a_killed_server_that_syncs_loses_no_acknowledged_write_and_is_used_again_after_its_restart(
    own: Instance, url: str
) -> None:
    hot = CassandraHot(url)
    hot.add_rows([version(attempt_id="kept")])
    before = hot.counts([SLICE])[SLICE]
    own.nodetool("flush")
    own.kill("cassandra-1")
    with pytest.raises(StoreUnavailable, match="nothing acknowledged is lost"):
        hot.add_rows([version(attempt_id="lost")])
    with pytest.raises(StoreUnavailable):
        hot.scan(SLICE)
    own.up()

    fold_until_accepted(hot, "after")
    assert hot.counts([SLICE]) == {SLICE: before + 1}


def test_the_error_for_a_server_that_is_down_names_its_address() -> None:
    with pytest.raises(StoreUnavailable, match=r"Cassandra at 127.255.255.254:9 did not answer as it should"):
        CassandraHot("cassandra://127.255.255.254:9/k")


def test_a_host_name_without_an_address_is_a_settings_error() -> None:
    with pytest.raises(BadSettings, match=r"no host of nowhere\.invalid:9042 has an address"):
        CassandraHot("cassandra://nowhere.invalid/k")


def fold_until_accepted(hot: CassandraHot, attempt: str) -> None:
    """Like the stream: repeat the same batch until the store accepts it."""
    until = time.monotonic() + 60
    while True:
        try:
            fold([accepted(event(attempt=attempt), offset=2)], hot, Checks(NoFacts()))
            return
        except StoreUnavailable:
            assert time.monotonic() < until, "the store is still unavailable after its server restarted"
