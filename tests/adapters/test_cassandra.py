"""Properties that only the Cassandra store has: write times, tombstones, refused statements, pages of large rows."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from assess_core.adapters.arrow.rows import from_batch
from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.tables import SCHEMA_VERSION
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Decoded
from assess_core.domain.reasons import Reason
from assess_core.domain.scores import Entry, derive
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadSettings, NotOurTable
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Level
from assess_core.ports.hot_store import HotStore
from assess_core.usecases.folding import Checks, Folded, fold
from benchmarks.cassandra_limits import recorded
from tests.factories import ATTEMPTED, RECEIVED, WEEK, accepted, answer, event, version, wire_answer
from tests.keyspaces import Keyspace
from tests.servers import Run

SLICE = ArchiveSlice.of("b1", RECEIVED)


def folded(hot: HotStore, *events: Decoded) -> Folded:
    return fold(events, hot, Checks(NoFacts()))


def rows_of(hot: HotStore, slice_: ArchiveSlice = SLICE) -> list[AttemptVersion]:
    return [row for shard in hot.scan(slice_) for batch in shard for row in from_batch(batch)]


def cleared(hot: HotStore) -> None:
    """Delete every row of the slice, as a clear does."""
    hot.delete([row.row_key for row in rows_of(hot)])


def derived_is_right(hot: HotStore, user_id: str = "u1") -> bool:
    learner = hot.learners([user_id])[user_id]
    derived = derive(learner.entries)
    return learner.summaries == derived.summaries and hot.activities(derived.activities.keys()) == derived.activities


# --- versions and receipts, in every order ---


def test_an_older_version_that_arrives_after_a_newer_one_is_stored_but_changes_no_score(
    cassandra_hot: CassandraHot,
) -> None:
    newer = accepted(event(attempted=ATTEMPTED + 1, answers=[wire_answer(score=2.0)]), offset=1)
    older = accepted(event(answers=[wire_answer(score=0.5)]), offset=2)
    folded(cassandra_hot, newer)
    folded(cassandra_hot, older)

    [summary] = cassandra_hot.learners(["u1"])["u1"].summaries.values()
    assert (summary.best_score, summary.last_attempted_score, summary.versions) == (2.0, 2.0, 2)
    assert len(rows_of(cassandra_hot)) == 2


def test_a_batch_of_many_learners_takes_a_few_requests(cassandra_hot: CassandraHot, cassandra_url: str) -> None:
    events = [accepted(event(user=f"u{number}"), offset=number) for number in range(30)]

    with recorded(f"{cassandra_url}/any") as requests:
        folded(cassandra_hot, *events)

    # learners, slice, slice by batch, rows, entries with summaries, sizes, activities, failed events to resolve;
    # keys of erasures and corrections, each before and after the writes
    assert len(requests) == 12
    assert all(derived_is_right(cassandra_hot, f"u{number}") for number in range(30))


def test_an_earlier_receipt_of_a_cleared_version_is_stored_in_the_slice_again(cassandra_hot: CassandraHot) -> None:
    folded(cassandra_hot, accepted(received=RECEIVED + 5000))
    cleared(cassandra_hot)

    folded(cassandra_hot, accepted(received=RECEIVED))

    assert [row.received_at for row in rows_of(cassandra_hot)] == [RECEIVED]
    assert [entry.received_at for entry in cassandra_hot.learners(["u1"])["u1"].entries] == [RECEIVED]


def test_a_later_receipt_of_a_cleared_version_is_not_stored(cassandra_hot: CassandraHot) -> None:
    folded(cassandra_hot, accepted(received=RECEIVED))
    cleared(cassandra_hot)

    folded(cassandra_hot, accepted(received=RECEIVED + 5000))
    cassandra_hot.add_rows([version(received=RECEIVED + 5000)])  # the same for a writer that checked before the clear

    assert rows_of(cassandra_hot) == []


def test_a_copy_in_a_later_slice_survives_the_clear_of_the_earlier_slice(cassandra_hot: CassandraHot) -> None:
    folded(cassandra_hot, accepted(received=RECEIVED + WEEK))
    folded(cassandra_hot, accepted(received=RECEIVED))

    cleared(cassandra_hot)

    assert rows_of(cassandra_hot) == []
    assert len(rows_of(cassandra_hot, ArchiveSlice.of("b1", RECEIVED + WEEK))) == 1


def test_a_replay_from_the_start_after_a_clear_restores_no_row(cassandra_hot: CassandraHot) -> None:
    events = [accepted(event(user=f"u{number}", attempt=f"t{number}"), offset=number) for number in range(1, 30)]
    folded(cassandra_hot, *events)
    cleared(cassandra_hot)

    assert folded(cassandra_hot, *events).repeated == len(events)

    assert rows_of(cassandra_hot) == []


# --- late writers and tombstones ---


def test_a_worker_that_decided_before_the_clear_and_writes_after_it_restores_no_row(
    cassandra_hot: CassandraHot,
) -> None:
    late = version()
    folded(cassandra_hot, accepted())
    cleared(cassandra_hot)

    cassandra_hot.add_rows([late])
    cassandra_hot.add_entries([Entry.of(late)])

    assert rows_of(cassandra_hot) == []
    assert derived_is_right(cassandra_hot)


@pytest.fixture
def purged(keyspace: Keyspace, servers_of_this_run: Run) -> Iterator[Keyspace]:
    """A keyspace that can purge tombstones immediately. Other keyspaces wait a day."""
    keyspace.cql("ALTER TABLE {ks}.assessment_aggregator WITH gc_grace_seconds = 0")
    yield keyspace
    keyspace.cql("ALTER TABLE {ks}.assessment_aggregator WITH gc_grace_seconds = 86400")


def purge(keyspace: Keyspace, run: Run) -> None:
    time.sleep(1.1)  # gc_grace counts whole seconds
    run.instance.nodetool("flush", keyspace.name, "assessment_aggregator")
    run.instance.nodetool("compact", keyspace.name, "assessment_aggregator")


def test_a_replay_restores_no_row_even_after_tombstones_were_purged(purged: Keyspace, servers_of_this_run: Run) -> None:
    hot = CassandraHot(purged.url)
    first, later = accepted(received=RECEIVED), accepted(received=RECEIVED + 5000, offset=2)
    folded(hot, first)
    cleared(hot)
    purge(purged, servers_of_this_run)

    assert folded(hot, first, later).repeated == 2
    assert rows_of(hot) == []

    hot.add_rows([version()])  # a late writer's row is stored, which shows that the tombstone was purged
    assert rows_of(hot) == [version()]
    assert hot.delete([version().row_key]) == 1  # the next clear deletes it, because the lake has this version
    assert derived_is_right(hot)


def test_derived_data_that_two_writers_mixed_is_corrected_by_the_next_repeated_event(
    cassandra_hot: CassandraHot, keyspace: Keyspace
) -> None:
    folded(cassandra_hot, accepted())
    [[written]] = keyspace.cql("SELECT WRITETIME(best_score) FROM {ks}.assessment_aggregator_v2")
    assert isinstance(written, int)
    keyspace.cql(
        f"UPDATE {{ks}}.assessment_aggregator_v2 USING TIMESTAMP {written} SET best_score = 1e300, min_score = 1e300 "
        "WHERE user_id = 'u1' AND assessment_id = 'a1' AND course_id = 'c1' AND batch_id = 'b1'"
    )
    keyspace.cql(
        f"UPDATE {{ks}}.user_activity_agg USING TIMESTAMP {written + 60_000} SET aggregates = {{'score:a1': 1e300}} "
        "WHERE activity_type = 'Course' AND activity_id = 'c1' AND user_id = 'u1' AND context_id = 'cb:b1'"
    )
    assert not derived_is_right(cassandra_hot)

    time.sleep(0.002)  # a summary of equally many versions wins only if it is at least 1 ms later
    folded(cassandra_hot, accepted())

    [summary] = cassandra_hot.learners(["u1"])["u1"].summaries.values()
    assert summary.best_score == 1.0


def test_a_learner_that_an_operator_deletes_is_no_longer_listed(
    cassandra_hot: CassandraHot, keyspace: Keyspace
) -> None:
    folded(cassandra_hot, accepted())

    keyspace.cql("DELETE FROM {ks}.assessment_aggregator_v2 WHERE user_id = 'u1'")
    keyspace.cql(
        "DELETE FROM {ks}.user_activity_agg WHERE activity_type = 'Course' AND activity_id = 'c1' AND user_id = 'u1'"
    )

    assert cassandra_hot.learners(["u1"]) == {}
    assert list(cassandra_hot.all_activities()) == []
    for table in ("assessment_aggregator_v2", "user_activity_agg"):
        keyspace.cql(f"TRUNCATE {{ks}}.{table}")  # the tombstones would hide rows of the next test


# --- statements that the server refuses ---


def too_large(offset: int) -> Decoded:
    """An event of 8 MB whose answers, stored with all member names, exceed what a server accepts."""
    short = {"edata": {"item": {"params": []}, "resvalues": []}, "ets": ATTEMPTED}
    answers = [msgspec.json.decode(msgspec.json.encode(short)) for _ in range(100_000)]
    for number, one in enumerate(answers):
        one["edata"]["item"]["id"] = str(number)
    return accepted(event(attempt="large", answers=answers), offset=offset)


def test_a_row_that_the_server_refuses_becomes_a_failed_event_and_the_others_are_stored(
    cassandra_hot: CassandraHot,
) -> None:
    small = [accepted(event(attempt=f"t{number}"), offset=number) for number in (1, 2, 3)]
    large = too_large(4)

    done = folded(cassandra_hot, *small, large)

    assert (done.stored, done.failed) == (3, 1)
    [failed] = cassandra_hot.failed()
    assert failed.reason is Reason.REFUSED_BY_STORE
    assert "exceeds allowed maximum" in failed.message
    assert failed.key.offset == 4
    assert len(rows_of(cassandra_hot)) == len(cassandra_hot.learners(["u1"])["u1"].entries) == 3
    assert folded(cassandra_hot, *small, large).failed == 1
    assert len(list(cassandra_hot.failed())) == 1


def test_a_missing_table_is_named_in_the_error_and_no_event_fails(cassandra_url: str, worker_id: str) -> None:
    own = Keyspace(f"{cassandra_url}/dropped_{worker_id}")
    own.schema.apply(None, 4)
    hot = CassandraHot(own.url)
    folded(hot, accepted())
    own.cql("DROP TABLE {ks}.assessment_aggregator")

    with pytest.raises((BadSettings, NotOurTable), match="assess schema"):
        folded(hot, accepted(event(attempt="t2"), offset=2))

    assert list(hot.failed()) == []
    own.cql("DROP KEYSPACE {ks}")


# --- slices in pages ---


def test_a_page_of_large_rows_is_bounded_by_bytes(cassandra_hot: CassandraHot) -> None:
    answers = [msgspec.structs.replace(answer(), title="x" * 5_000_000)]
    rows = [version(user_id="u1", attempt_id=f"t{number}", answers=answers) for number in range(10)]
    cassandra_hot.add_slices({SLICE})
    cassandra_hot.add_rows(rows)

    batches = list(cassandra_hot.scan(SLICE)[shard_of("u1", 4)])

    assert [batch.num_rows for batch in batches] == [2, 2, 2, 2, 2]
    assert [row for batch in batches for row in from_batch(batch)] == rows


def test_a_slice_is_read_in_pages_of_a_thousand_rows_while_others_are_read(cassandra_hot: CassandraHot) -> None:
    rows = [version(user_id="u1", attempt_id=f"{number:05d}") for number in range(2500)]
    cassandra_hot.add_slices({SLICE})
    cassandra_hot.add_rows(rows)

    readings = [cassandra_hot.scan(SLICE)[shard_of("u1", 4)] for _ in range(40)]

    assert [batch.num_rows for batch in readings[0]] == [1000, 1000, 500]
    assert [batch.num_rows for batch in readings[-1]] == [1000, 1000, 500]


@pytest.mark.parametrize("rows", [199, 200, 1000, 1001])
def test_a_slice_is_read_whole_whether_or_not_it_fits_on_a_page(cassandra_hot: CassandraHot, rows: int) -> None:
    stored = [version(user_id=f"u{number % 50}", attempt_id=f"{number:05d}") for number in range(rows)]
    cassandra_hot.add_slices({SLICE})
    cassandra_hot.add_rows(stored)

    assert sorted(row.key for row in rows_of(cassandra_hot)) == sorted(row.key for row in stored)
    assert cassandra_hot.counts([SLICE]) == {SLICE: rows}


def test_a_small_slice_is_read_with_one_request(cassandra_hot: CassandraHot, cassandra_url: str) -> None:
    folded(cassandra_hot, *(accepted(event(user=f"u{number}"), offset=number) for number in range(20)))

    with recorded(f"{cassandra_url}/any") as requests:
        assert (len(rows_of(cassandra_hot)), cassandra_hot.counts([SLICE])) == (20, {SLICE: 20})

    assert len(requests) == 3  # the sizes of the rows, the rows, and their number


def test_many_slices_are_counted_together_including_a_large_one(cassandra_hot: CassandraHot) -> None:
    small = [version(batch_id=f"b{number}") for number in range(2, 300)]
    large = [version(user_id=f"u{number}") for number in range(250)]
    none = ArchiveSlice.of("b300", RECEIVED)
    cassandra_hot.add_rows([*small, *large])

    asked = [none, *(row.slice for row in small), SLICE]

    assert cassandra_hot.counts(asked) == {none: 0} | dict.fromkeys((row.slice for row in small), 1) | {SLICE: 250}


def test_ids_of_a_thousand_bytes_are_stored(cassandra_hot: CassandraHot) -> None:
    long = "é" * 512
    stored = accepted(event(user=long, course=long, batch=long, content=long, attempt=long))
    folded(cassandra_hot, stored)

    assert rows_of(cassandra_hot, stored.version.slice) == [stored.version]
    assert derived_is_right(cassandra_hot, long)


# --- threads and forks ---


def test_threads_can_share_a_store(cassandra_hot: CassandraHot) -> None:
    def write(number: int) -> None:
        folded(cassandra_hot, *(accepted(event(user=f"u{number}", attempt=f"t{n}"), offset=n) for n in range(50)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))

    assert cassandra_hot.counts([SLICE]) == {SLICE: 400}
    assert all(derived_is_right(cassandra_hot, f"u{number}") for number in range(8))


def test_a_forked_child_opens_its_own_connections(cassandra_hot: CassandraHot) -> None:
    folded(cassandra_hot, accepted())
    child = os.fork()
    if not child:
        signal.alarm(60)  # a child that used its parent's connections would hang
        try:
            folded(cassandra_hot, accepted(event(attempt="of the child"), offset=2))
            os._exit(0)
        finally:
            os._exit(1)

    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert cassandra_hot.counts([SLICE]) == {SLICE: 2}


# --- the doctor ---


def test_the_doctor_reports_servers_and_whether_acknowledged_writes_survive(cassandra_hot: CassandraHot) -> None:
    found = {finding.what: finding for finding in cassandra_hot.examine()}

    assert found["hot store"].message.startswith("Cassandra 5.")
    assert "1 node in" in found["hot store"].message
    assert "ms" in found["hot store"].message
    assert f"version {SCHEMA_VERSION} applied at" in found["schema"].message
    assert found["replication"].level is Level.OK
    assert found["durability"].level in (Level.OK, Level.WARN)
    assert (found["durability"].level is Level.WARN) == (found["durability"].action is not None)
