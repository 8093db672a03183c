"""Rule 1: with any order, repetition, batching, crash or second writer, the tables equal the oracle's."""

from collections.abc import Sequence
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.hot_store import HotStore
from tests.properties.interruptions import NEVER, Fuse, Turns, until_crash, watched
from tests.properties.strategies import (
    BATCHES,
    RECEIPTS,
    Facts,
    Line,
    crowded_logs,
    deliveries,
    examples,
    facts,
    logs,
    schedules,
    shared,
)
from tests.properties.tables import expected, fold_all, rows, tables

shards = st.integers(1, 4)


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


@examples(80)
@given(st.data(), crowded_logs(3), shards, facts)
def test_a_replay_completes_the_writes_after_a_crash_before_any_write(
    data: st.DataObject, log: list[Line], shards: int, facts: Facts | None
) -> None:
    first, repeat = data.draw(deliveries(log, everything=False, max_cuts=1)), data.draw(deliveries(log))
    writes = Fuse()
    fold_all(first, MemoryHot(shards, on_write=writes), facts)

    for number in range(writes.calls):
        fuse = Fuse(number)
        hot = MemoryHot(shards, on_write=fuse)
        until_crash(partial(fold_all, first, hot, facts))
        assert_readers_see_only_correct_rows(hot, log, facts)
        fuse.left = NEVER
        fold_all(repeat, hot, facts)
        assert tables(hot) == expected(log, facts)


@pytest.mark.long
@examples(80)
@given(st.data(), logs(max_size=5), shards, facts)
def test_a_replay_completes_the_writes_after_several_crashes(
    data: st.DataObject, log: list[Line], shards: int, facts: Facts | None
) -> None:
    fuse = Fuse()
    hot = MemoryHot(shards, on_write=fuse)

    for _ in range(data.draw(st.integers(1, 3))):
        fuse.left = data.draw(st.integers(0, 40))
        until_crash(partial(fold_all, data.draw(deliveries(log)), hot, facts))
        assert_readers_see_only_correct_rows(hot, log, facts)
    fuse.left = NEVER
    fold_all(data.draw(deliveries(log)), hot, facts)

    assert tables(hot) == expected(log, facts)


def assert_readers_see_only_correct_rows(hot: HotStore, log: Sequence[Line], facts: Facts | None) -> None:
    """Check that every row that a map names exists and is correct. Other rows can be missing after a crash."""
    wanted = expected(log, facts)
    for _, learner in hot.all_learners():
        for entry in learner.entries:
            assert hot.get([entry.row_key]), "a map names a row that was not written"
            hashes = {version["content_hash"] for version in wanted["attempts"][tuple(entry.row_key.key)]}
            assert entry.version.content_hash.hex() in hashes
    known = hot.slices()
    for batch_id in BATCHES:
        for received_at in RECEIPTS:
            slice_ = ArchiveSlice.of(batch_id, received_at)
            assert slice_ in known or not hot.counts([slice_])[slice_], "a row was written before its slice"


@examples(100)
@given(st.data(), crowded_logs(), shards, schedules)
def test_two_simultaneous_writers_give_the_tables_of_the_oracle(
    data: st.DataObject, log: list[Line], shards: int, schedule: list[tuple[int, int]]
) -> None:
    turns = Turns(schedule)
    hot = MemoryHot(shards, on_write=turns.boundary)
    parts = data.draw(shared(log))
    both = [data.draw(deliveries(part, max_cuts=1)) for part in parts]

    raised = turns.run(*(partial(fold_all, batches, watched(hot, turns.boundary)) for batches in both))

    assert raised == [None, None]
    assert tables(hot) == expected(log)


@pytest.mark.long
@examples(60)
@given(st.data(), crowded_logs(3), shards)
def test_a_delayed_writer_that_continues_after_its_successor_changes_nothing(
    data: st.DataObject, log: list[Line], shards: int
) -> None:
    theirs, ours = (data.draw(deliveries(part, max_cuts=0)) for part in data.draw(shared(log)))
    boundaries = Fuse()
    fold_all(theirs, watched(MemoryHot(shards, on_write=boundaries), boundaries))

    for stops_after in range(boundaries.calls):
        turns = Turns([(0, stops_after), (1, NEVER)])
        hot = MemoryHot(shards, on_write=turns.boundary)
        delayed, successor = (partial(fold_all, each, watched(hot, turns.boundary)) for each in (theirs, ours))
        assert turns.run(delayed, successor) == [None, None]
        assert tables(hot) == expected(log)


@examples(80)
@given(st.data(), crowded_logs(), schedules, st.integers(0, 60))
def test_a_replay_completes_the_writes_after_one_of_two_writers_was_killed(
    data: st.DataObject, log: list[Line], schedule: list[tuple[int, int]], dies_after: int
) -> None:
    turns = Turns(schedule)
    hot = MemoryHot(2, on_write=turns.boundary)
    mortal = watched(watched(hot, turns.boundary), Fuse(dies_after))
    dying, living = data.draw(deliveries(log, everything=False)), data.draw(deliveries(log))

    raised = turns.run(
        partial(until_crash, partial(fold_all, dying, mortal)), partial(fold_all, living, watched(hot, turns.boundary))
    )
    fold_all([log], hot)

    assert raised == [None, None]
    assert tables(hot) == expected(log)


@examples(80)
@given(st.data(), logs(max_size=5), facts, st.permutations([True, True, False]))
def test_changed_facts_fail_no_stored_event_and_rejected_events_are_resolved_later(
    data: st.DataObject, log: list[Line], facts: Facts | None, known: list[bool]
) -> None:
    hot = MemoryHot()

    for facts_are_known in known:
        fold_all(data.draw(deliveries(log)), hot, facts if facts_are_known else None)

    assert tables(hot) == expected(log)


@examples(40)
@given(st.data(), logs(max_size=5))
def test_a_replay_does_not_rewrite_deleted_rows(data: st.DataObject, log: list[Line]) -> None:
    hot = MemoryHot()
    fold_all([log], hot)

    hot.delete([row.row_key for row in rows(hot)])
    fold_all(data.draw(deliveries(log)), hot)

    assert rows(hot) == []
