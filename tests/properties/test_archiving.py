"""Rules 2, 3, 4 and 7: archive and clear change no result, also if they are interrupted or run beside other work."""

from functools import partial
from pathlib import Path
from subprocess import PIPE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.usecases import archiving
from tests.factories import event, line
from tests.forked import Forked
from tests.loop import pages, queries
from tests.properties.interruptions import Fuse, Turns, until_crash
from tests.properties.lakehouse import (
    NOW,
    answers,
    assert_right,
    lakehouse,
    newest_of,
    open_stores,
    put_away,
    read,
    watched_stores,
    written_twice,
)
from tests.properties.strategies import (
    TOPIC,
    TURN_OF_THE_YEAR,
    Line,
    busy_events,
    continuations,
    deliveries,
    examples,
    logs,
    schedules,
    wild_events,
)
from tests.properties.tables import expected, fold_all, rows, versions

weeks = logs(5, busy_events, TURN_OF_THE_YEAR)
EFFECTS = 100
"""The approximate number of boundaries of archive, verify and clear for two weeks."""


@pytest.mark.long
@examples(3)
@given(st.data(), logs(5, st.one_of(wild_events, busy_events), TURN_OF_THE_YEAR))
def test_no_query_result_and_no_byte_of_a_report_changes_during_archive_and_clear(
    data: st.DataObject, log: list[Line]
) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        put_away(stores)
        later = data.draw(continuations(log, TURN_OF_THE_YEAR))
        fold_all([later], stores.hot)
        before = answers(stores)

        slices = stores.hot.slices()
        archiving.archive(slices, stores, NOW)
        archiving.verify(slices, stores, NOW)
        archiving.clear(slices[::2], stores, NOW)
        assert answers(stores) == before
        archiving.clear(slices, stores, NOW)
        fold_all(data.draw(deliveries([*log, *later])), stores.hot)
        assert rows(stores.hot) == []
        assert answers(stores) == before


@pytest.mark.long
@examples(5)
@given(weeks)
def test_a_repeated_archive_verify_and_clear_changes_nothing(log: list[Line]) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        put_away(stores)
        done = stores.lake.pin().version, stores.lake.manifest()

        put_away(stores)

        assert (stores.lake.pin().version, stores.lake.manifest()) == done
        assert rows(stores.hot) == []
        assert written_twice(stores) == []
        assert_right(stores, log)


@pytest.mark.long
@examples(8)
@given(st.data(), weeks)
def test_an_archive_and_clear_interrupted_at_any_point_changes_no_table_and_a_rerun_completes_it(
    data: st.DataObject, log: list[Line]
) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        for _ in range(data.draw(st.integers(1, 2))):
            until_crash(partial(put_away, watched_stores(stores, Fuse(data.draw(st.integers(0, EFFECTS))))))
            assert_right(stores, log)
        put_away(stores)

        assert rows(stores.hot) == []
        assert written_twice(stores) == []
        assert_right(stores, log)


@pytest.mark.long
@examples(6)
@given(st.data(), weeks)
def test_a_newer_or_older_version_written_between_verify_and_clear_survives(
    data: st.DataObject, log: list[Line]
) -> None:
    later = data.draw(continuations(log, TURN_OF_THE_YEAR))
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        slices = stores.hot.slices()
        archiving.archive(slices, stores, NOW)
        archiving.verify(slices, stores, NOW)
        verified = {row.row_key for row in rows(stores.hot)}
        fold_all([later], stores.hot)
        written = {row.row_key for row in rows(stores.hot)} - verified

        archiving.clear(slices, stores, NOW)

        assert {row.row_key for row in rows(stores.hot)} == written
        assert_right(stores, [*log, *later])
        put_away(stores)
        assert rows(stores.hot) == []
        assert_right(stores, [*log, *later])


@pytest.mark.long
@examples(8)
@given(log=weeks, schedule=schedules)
def test_a_reader_beside_archive_and_clear_misses_nothing(log: list[Line], schedule: list[tuple[int, int]]) -> None:
    wanted = expected(log)
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        learners = sorted({key[0] for key in wanted["attempts"]})
        before = {user: pages(queries(stores), 2, user_id=user) for user in learners}
        turns = Turns(schedule)
        together = watched_stores(stores, turns.boundary)

        def reports() -> None:
            for _ in range(2):
                hot, lake, newest = read(together)
                assert versions(hot + lake) == wanted["attempts"]
                assert newest == newest_of(wanted)
                ask = queries(together)
                assert {user: pages(ask, 2, user_id=user) for user in learners} == before

        assert turns.run(partial(put_away, together), reports) == [None, None]


@pytest.mark.long
@examples(6)
@given(log=weeks, schedule=schedules)
def test_two_simultaneous_archivers_write_each_version_once(log: list[Line], schedule: list[tuple[int, int]]) -> None:
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        turns = Turns(schedule)
        slices = stores.hot.slices()
        archivers = [partial(archiving.archive, slices, watched_stores(stores, turns.boundary), NOW) for _ in range(2)]

        assert turns.run(*archivers) == [None, None]

        assert written_twice(stores) == []
        put_away(stores)
        assert_right(stores, log)


@pytest.mark.long
@examples(6)
@given(st.data(), weeks, schedules)
def test_archive_and_clear_beside_a_writer_lose_nothing(
    data: st.DataObject, log: list[Line], schedule: list[tuple[int, int]]
) -> None:
    later = data.draw(continuations(log, TURN_OF_THE_YEAR))
    with lakehouse() as stores:
        fold_all([log], stores.hot)
        turns = Turns(schedule)
        together = watched_stores(stores, turns.boundary)

        raised = turns.run(partial(put_away, together), partial(fold_all, [later], together.hot))

        assert raised == [None, None]
        assert_right(stores, [*log, *later])
        put_away(stores)
        assert rows(stores.hot) == []
        assert_right(stores, [*log, *later])


PROCESSES = 3
PUT_AWAY = """
import sys
from pathlib import Path
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.usecases.archiving import archive, clear, verify
from tests.lakes import stores_over
from tests.loop import NOW
folder = sys.argv[1]
stores = stores_over(SqliteHot(f"sqlite:///{folder}/hot.sqlite"), Path(folder))
slices = sorted(stores.hot.slices())
print("ready", flush=True)
sys.stdin.readline()
archive(slices, stores, NOW)
assert all(verified.problem is None for verified in verify(slices, stores, NOW).values())
clear(slices, stores, NOW)
"""


@pytest.mark.long
def test_archivers_in_separate_processes_write_each_version_once(tmp_path: Path) -> None:
    stores = open_stores(tmp_path, SqliteHot(f"sqlite:///{tmp_path}/hot.sqlite"))
    log = [
        Line(TOPIC, number, line(event(user=f"u{number}", batch=f"b{number % 3}"), 1_706_600_000_000 + number * 10**8))
        for number in range(1, 19)
    ]
    fold_all([log], stores.hot)
    words = ["-c", PUT_AWAY, str(tmp_path)]
    archivers = [Forked[str](words, stdin=PIPE, stdout=PIPE, text=True) for _ in range(PROCESSES)]

    for archiver in archivers:
        assert archiver.stdout is not None
        assert archiver.stdout.readline() == "ready\n"
    for archiver in archivers:
        assert archiver.stdin is not None
        archiver.stdin.write("\n")
        archiver.stdin.flush()
    for archiver in archivers:
        archiver.communicate(timeout=120)

    assert [archiver.returncode for archiver in archivers] == [0] * PROCESSES
    assert rows(stores.hot) == []
    assert written_twice(stores) == []
    assert_right(stores, log)
