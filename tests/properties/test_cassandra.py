"""Rule 1 on a real Cassandra. There are fewer examples, because clearing the keyspace before each one takes 0.1 s."""

from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.adapters.cassandra.hot_store import CassandraHot
from tests.keyspaces import Keyspace
from tests.properties.interruptions import NEVER, Fuse, Turns, until_crash, watched
from tests.properties.strategies import Facts, Line, crowded_logs, deliveries, examples, facts, logs, schedules, shared
from tests.properties.tables import expected, fold_all, rows, tables


@pytest.fixture(scope="module", autouse=True)
def _clear_at_the_end(keyspace_of_this_run: Keyspace) -> Iterator[None]:
    yield
    keyspace_of_this_run.clear()


def empty(keyspace: Keyspace) -> CassandraHot:
    keyspace.clear()
    return CassandraHot(keyspace.url)


@examples(6)
@given(data=st.data(), log=logs(), facts=facts)
def test_a_replay_completes_the_writes_after_several_crashes(
    keyspace_of_this_run: Keyspace, data: st.DataObject, log: list[Line], facts: Facts | None
) -> None:
    hot = empty(keyspace_of_this_run)
    for _ in range(data.draw(st.integers(0, 2))):
        dying = watched(hot, Fuse(data.draw(st.integers(0, 40))))
        until_crash(partial(fold_all, data.draw(deliveries(log)), dying, facts))
    fold_all(data.draw(deliveries(log)), hot, facts)

    assert tables(hot) == expected(log, facts)


@examples(10)
@given(data=st.data(), log=crowded_logs(), schedule=schedules)
def test_two_simultaneous_writers_give_the_tables_of_the_oracle(
    keyspace_of_this_run: Keyspace, data: st.DataObject, log: list[Line], schedule: list[tuple[int, int]]
) -> None:
    turns = Turns(schedule)
    empty(keyspace_of_this_run)
    both = [data.draw(deliveries(part, max_cuts=1)) for part in data.draw(shared(log))]

    raised = turns.run(
        *(
            partial(fold_all, batches, watched(CassandraHot(keyspace_of_this_run.url), turns.boundary))
            for batches in both
        )
    )

    assert raised == [None, None]
    assert tables(CassandraHot(keyspace_of_this_run.url)) == expected(log)


@examples(6)
@given(data=st.data(), log=crowded_logs(3))
def test_a_delayed_writer_that_continues_after_its_successor_changes_nothing(
    keyspace_of_this_run: Keyspace, data: st.DataObject, log: list[Line]
) -> None:
    theirs, ours = (data.draw(deliveries(part, max_cuts=0)) for part in data.draw(shared(log)))
    turns = Turns([(0, data.draw(st.integers(0, 24))), (1, NEVER)])
    hot = empty(keyspace_of_this_run)

    delayed, successor = (partial(fold_all, each, watched(hot, turns.boundary)) for each in (theirs, ours))

    assert turns.run(delayed, successor) == [None, None]
    assert tables(hot) == expected(log)


@examples(4)
@given(data=st.data(), log=logs(max_size=5))
def test_a_replay_does_not_rewrite_deleted_rows(
    keyspace_of_this_run: Keyspace, data: st.DataObject, log: list[Line]
) -> None:
    hot = empty(keyspace_of_this_run)
    fold_all([log], hot)

    hot.delete([row.row_key for row in rows(hot)])
    fold_all(data.draw(deliveries(log)), hot)

    assert rows(hot) == []
