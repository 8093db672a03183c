"""Rule 1 on SQLite: a crash between any two calls, and several writers between transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from assess_core.adapters.sqlite.hot_store import SqliteHot
from tests.properties.interruptions import NEVER, Fuse, Turns, until_crash, watched
from tests.properties.strategies import Facts, Line, crowded_logs, deliveries, examples, facts, logs, schedules, shared
from tests.properties.tables import expected, fold_all, rows, tables


@contextmanager
def sqlite(shards: int) -> Iterator[SqliteHot]:
    with TemporaryDirectory(prefix="assess-properties-") as folder:
        yield SqliteHot(f"sqlite:///{folder}/hot.sqlite?shards={shards}")


@examples(50)
@given(st.data(), logs(), st.integers(1, 4), facts)
def test_a_replay_completes_the_writes_after_several_crashes(
    data: st.DataObject, log: list[Line], shards: int, facts: Facts | None
) -> None:
    with sqlite(shards) as hot:
        for _ in range(data.draw(st.integers(0, 2))):
            fuse = Fuse(data.draw(st.integers(0, 40)))
            until_crash(partial(fold_all, data.draw(deliveries(log)), watched(hot, fuse, inside=fuse), facts))
        fold_all(data.draw(deliveries(log)), hot, facts)

        assert tables(hot) == expected(log, facts)


@examples(50)
@given(st.data(), crowded_logs(), schedules)
def test_two_simultaneous_writers_give_the_tables_of_the_oracle(
    data: st.DataObject, log: list[Line], schedule: list[tuple[int, int]]
) -> None:
    turns = Turns(schedule)
    with sqlite(2) as hot:
        both = [data.draw(deliveries(part, max_cuts=1)) for part in data.draw(shared(log))]

        raised = turns.run(*(partial(fold_all, batches, watched(hot, turns.boundary)) for batches in both))

        assert raised == [None, None]
        assert tables(hot) == expected(log)


@examples(20)
@given(st.data(), crowded_logs(3))
def test_a_delayed_writer_that_continues_after_its_successor_changes_nothing(
    data: st.DataObject, log: list[Line]
) -> None:
    theirs, ours = (data.draw(deliveries(part, max_cuts=0)) for part in data.draw(shared(log)))
    boundaries = Fuse()
    with sqlite(1) as hot:
        fold_all(theirs, watched(hot, boundaries))

    for stops_after in range(boundaries.calls):
        turns = Turns([(0, stops_after), (1, NEVER)])
        with sqlite(1) as hot:
            delayed, successor = (partial(fold_all, each, watched(hot, turns.boundary)) for each in (theirs, ours))
            assert turns.run(delayed, successor) == [None, None]
            assert tables(hot) == expected(log)


@examples(20)
@given(st.data(), logs(max_size=5))
def test_a_replay_does_not_rewrite_deleted_rows(data: st.DataObject, log: list[Line]) -> None:
    with sqlite(3) as hot:
        fold_all([log], hot)

        hot.delete([row.row_key for row in rows(hot)])
        fold_all(data.draw(deliveries(log)), hot)

        assert rows(hot) == []
