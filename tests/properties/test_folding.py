"""Rule 1: order, repetition, batching, crashes and second writers leave the same tables, and they are the oracle's."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from assess_core.ports import HotStore
from assess_core.stores.memory import MemoryHot
from tests.properties.interruptions import NEVER, Crash, Fuse, Turns, watched
from tests.properties.strategies import Facts, Line, deliveries, examples, facts, logs
from tests.properties.tables import expected, fold_all, tables

shards = st.integers(1, 4)
schedules = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), max_size=12)
"""Who goes next, and for how many boundaries."""


def until_crash(batches: list[list[Line]], hot: HotStore, facts: Facts | None = None) -> None:
    """Fold until the fuse blows."""
    with suppress(Crash):
        fold_all(batches, hot, facts)


@examples(120)
@given(st.data(), logs(), shards, facts)
def test_any_order_repetition_and_batching_gives_the_tables_of_the_oracle(
    data: st.DataObject, log: list[Line], shards: int, facts: Facts | None
) -> None:
    hot = MemoryHot(shards)
    batches = data.draw(deliveries(log))

    tally = fold_all(batches, hot, facts)

    wanted = expected(log, facts)
    assert tables(hot) == wanted
    stored = sum(map(len, wanted["attempts"].values()))
    assert (tally.events, tally.stored) == (sum(map(len, batches)), stored)
    assert tally.superseded == stored - len(wanted["attempts"])


@examples(120)
@given(st.data(), logs(max_size=5), shards, facts)
def test_a_crash_between_any_two_writes_is_mended_when_the_log_repeats(
    data: st.DataObject, log: list[Line], shards: int, facts: Facts | None
) -> None:
    fuse = Fuse()
    hot = MemoryHot(shards, on_write=fuse)

    for _ in range(data.draw(st.integers(1, 3))):
        fuse.left = data.draw(st.integers(0, 40))
        until_crash(data.draw(deliveries(log, everything=False)), hot, facts)
        assert_no_reader_sees_a_wrong_thing(hot, log, facts)
    fuse.left = NEVER
    fold_all(data.draw(deliveries(log)), hot, facts)

    assert tables(hot) == expected(log, facts)


def assert_no_reader_sees_a_wrong_thing(hot: HotStore, log: Sequence[Line], facts: Facts | None) -> None:
    """After a crash something may be missing, but nothing that is named may be missing or differ."""
    wanted = expected(log, facts)["attempts"]
    for _, learner in hot.all_learners():
        for entry in learner.entries:
            assert hot.get([entry.row_key]), "a map names a row that was not written"
            assert entry.version.content_hash.hex() in {v["content_hash"] for v in wanted[tuple(entry.row_key.key)]}


@examples(150)
@given(st.data(), logs(max_size=5), shards, schedules)
def test_two_writers_at_once_leave_the_tables_of_the_oracle(
    data: st.DataObject, log: list[Line], shards: int, schedule: list[tuple[int, int]]
) -> None:
    turns = Turns(schedule)
    hot = MemoryHot(shards, on_write=turns.boundary)
    both = data.draw(deliveries(log)), data.draw(deliveries(log, everything=False))

    raised = turns.run(*(partial(fold_all, batches, watched(hot, turns.boundary)) for batches in both))

    assert raised == [None, None]
    assert tables(hot) == expected(log)


@examples(100)
@given(st.data(), logs(max_size=5), shards, st.integers(0, 60))
def test_a_zombie_writer_that_goes_on_after_another_took_over_changes_nothing(
    data: st.DataObject, log: list[Line], shards: int, stops_after: int
) -> None:
    turns = Turns([(0, stops_after), (1, NEVER)])
    hot = MemoryHot(shards, on_write=turns.boundary)
    zombie, successor = data.draw(deliveries(log)), data.draw(deliveries(log))

    raised = turns.run(*(partial(fold_all, batches, watched(hot, turns.boundary)) for batches in (zombie, successor)))

    assert raised == [None, None]
    assert tables(hot) == expected(log)


@examples(100)
@given(st.data(), logs(max_size=5), schedules, st.integers(0, 60))
def test_of_two_writers_one_dies_and_the_replay_mends_what_it_left(
    data: st.DataObject, log: list[Line], schedule: list[tuple[int, int]], dies_after: int
) -> None:
    turns = Turns(schedule)
    hot = MemoryHot(2, on_write=turns.boundary)
    mortal = watched(watched(hot, turns.boundary), Fuse(dies_after))
    dying, living = data.draw(deliveries(log, everything=False)), data.draw(deliveries(log))

    raised = turns.run(partial(until_crash, dying, mortal), partial(fold_all, living, watched(hot, turns.boundary)))
    fold_all([log], hot)

    assert raised == [None, None]
    assert tables(hot) == expected(log)


@examples(80)
@given(st.data(), logs(max_size=5), facts)
def test_facts_that_come_and_go_fail_no_stored_event_and_what_they_refused_is_mended(
    data: st.DataObject, log: list[Line], facts: Facts | None
) -> None:
    hot = MemoryHot()

    fold_all(data.draw(deliveries(log)), hot, facts)
    fold_all(data.draw(deliveries(log)), hot)
    fold_all(data.draw(deliveries(log)), hot, facts)

    assert tables(hot) == expected(log)
