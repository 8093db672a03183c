"""Restore and rebuild: every answer stays the same, and both can be repeated and killed."""

from pathlib import Path

import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.manifest import Action, by_slice
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving
from assess_core.usecases.restoring import begin_rebuild, rebuild, restore
from assess_core.wiring import stores_of
from tests.balances import draw
from tests.conftest import Hot
from tests.factories import RECEIVED, WEEK, event, version
from tests.lakes import held, put, stores_over
from tests.loop import NOW, everything, put_away, queries, take
from tests.properties.tables import rows

SLICE = ArchiveSlice.parse("b1|2024-W05")
STORES_OF_ROWS = ("sqlite", "cassandra")
"""Rows come back after their deletion. Cassandra has tombstones; memory says nothing that SQLite does not."""


@pytest.fixture
def stores(hot: Hot, tmp_path: Path) -> Stores:
    """Two slices that are cleared, each with superseded versions, and one row that was received later."""
    made = stores_over(hot, tmp_path)
    take(made, event(), event(attempted=RECEIVED - 1000), event(user="u2"), event(batch="b2"))
    put_away(made)
    take(made, event(user="u3"), received=RECEIVED + WEEK)
    return made


def answers(stores: Stores) -> dict[str, object]:
    return everything(queries(stores), ("u1", "u2", "u3"), ("b1", "b2"), ("a1",))


def status(stores: Stores) -> tuple[SliceStatus, str | None]:
    [view] = archiving.views_of([SLICE], by_slice(stores.lake.manifest([SLICE])), stores, NOW, 0, None)
    return view.status, view.note


@pytest.mark.long
@pytest.mark.parametrize("hot", STORES_OF_ROWS, indirect=True)
def test_a_restored_slice_has_its_rows_in_both_tiers_until_the_next_clear(stores: Stores) -> None:
    before, hot = answers(stores), rows(stores.hot)

    restored = restore([SLICE], stores, NOW)

    assert (restored[SLICE].rows, restored[SLICE].refused, stores.hot.counts([SLICE])) == (3, None, {SLICE: 3})
    assert status(stores)[0] is SliceStatus.VERIFIED
    assert "the next clear deletes its rows" in str(status(stores)[1])
    assert answers(stores) == before
    assert archiving.clear([SLICE], stores, NOW)[SLICE].cleared == 3
    assert (rows(stores.hot), answers(stores), status(stores)) == (hot, before, (SliceStatus.CLEARED, None))


@pytest.mark.long
@pytest.mark.parametrize("hot", STORES_OF_ROWS, indirect=True)
def test_a_slice_can_be_restored_again_and_again(stores: Stores) -> None:
    for _ in range(3):
        restore([SLICE], stores, NOW)
        assert restore([SLICE], stores, NOW)[SLICE].rows == 3
        assert stores.hot.counts([SLICE]) == {SLICE: 3}
        archiving.clear([SLICE], stores, NOW)
        assert stores.hot.counts([SLICE]) == {SLICE: 0}

    actions = [entry.action for entry in stores.lake.manifest([SLICE])]
    assert actions[-3:] == [Action.RESTORED, Action.CLEARING, Action.CLEARED]
    assert actions.count(Action.RESTORED) == 3


@pytest.mark.long
@pytest.mark.parametrize("hot", STORES_OF_ROWS, indirect=True)
def test_an_earlier_receipt_in_a_restored_slice_still_wins(stores: Stores) -> None:
    restore([SLICE], stores, NOW)
    archiving.clear([SLICE], stores, NOW)
    restore([SLICE], stores, NOW)

    take(stores, event(), received=RECEIVED - 1)

    assert RECEIVED - 1 in {row.received_at for row in rows(stores.hot) if row.slice == SLICE}
    put_away(stores)
    assert stores.hot.counts([SLICE]) == {SLICE: 0}
    assert draw(stores).found.balanced


# --- without Cassandra: the rest depends on no hot store ---


@pytest.fixture
def plain(tmp_path: Path) -> Stores:
    """As `stores`, in memory."""
    made = stores_over(MemoryHot(), tmp_path)
    take(made, event(), event(attempted=RECEIVED - 1000), event(user="u2"), event(batch="b2"))
    put_away(made)
    return made


def test_a_slice_whose_files_were_changed_is_refused_and_the_others_are_restored(plain: Stores) -> None:
    later = ArchiveSlice.parse("b1|2024-W06")
    take(plain, event(user="u3"), received=RECEIVED + WEEK)
    put_away(plain)
    [file] = plain.lake.pin().files([SLICE.week])
    Path(file.url).write_bytes(b"damaged")

    done = restore([SLICE, later], plain, NOW)

    assert (done[SLICE].rows, done[later].rows) == (0, 1)
    assert "cannot be read" in str(done[SLICE].refused)
    assert plain.hot.counts([SLICE, later]) == {SLICE: 0, later: 1}


def test_a_rebuilt_hot_store_gives_every_answer_that_the_lost_one_gave(plain: Stores) -> None:
    before, lake = answers(plain), held(plain.lake)
    lost = stores_of(MemoryHot(), plain.log, plain.lake, plain.exhausts)

    for _ in range(2):  # the second time, nothing is new
        named = [rebuild(week, lost) for week in begin_rebuild(lost)]

    assert [(found.rows, found.named, found.problems) for found in named] == [(4, 0, ())]
    assert answers(lost) == before
    assert list(lost.hot.all_activities()) == list(plain.hot.all_activities())
    assert dict(lost.hot.all_learners()) == dict(plain.hot.all_learners())
    assert (rows(lost.hot), held(lost.lake)) == ([], lake)
    assert draw(lost).found.balanced


class Killed(BaseException):
    """The process was killed."""


class _Death:
    """Dies once, at one of the writes."""

    def __init__(self, write: int) -> None:
        self._left = write

    def __call__(self) -> None:
        self._left -= 1
        if self._left == -1:
            raise Killed


@pytest.mark.long
def test_a_rebuild_that_was_killed_is_finished_by_the_next_one(tmp_path: Path) -> None:
    made = stores_over(MemoryHot(), tmp_path)
    take(made, event(), event(user="u2"), event(batch="b2"))
    put_away(made)
    before, deaths = answers(made), 0

    for at in range(40):
        lost = stores_over(MemoryHot(on_write=_Death(at)), tmp_path)
        try:
            rebuild(SLICE.week, lost)
            break
        except Killed:
            deaths += 1
        rebuild(SLICE.week, lost)
        assert answers(lost) == before
    assert deaths > 3


def test_rows_that_a_killed_archive_left_without_an_entry_are_named_too(plain: Stores, tmp_path: Path) -> None:
    put(plain.lake, [version(user_id="u9"), version(user_id="u8", batch_id="b8")])
    lost = stores_over(MemoryHot(), tmp_path)

    found = rebuild(SLICE.week, lost)

    assert (found.rows, found.problems) == (6, ())
    assert [len(queries(lost).attempts(user_id=user).attempts) for user in ("u8", "u9")] == [1, 1]


def test_missing_rows_are_reported_and_the_others_are_named(plain: Stores, tmp_path: Path) -> None:
    path = str(tmp_path / "lake" / "attempts")
    table = DeltaTable(path).to_pyarrow_table()
    write_deltalake(path, table.filter(pc.not_equal(table["user_id"], "u2")), mode="overwrite")
    lost = stores_over(MemoryHot(), tmp_path)

    found = rebuild(SLICE.week, lost)

    assert found.rows == 3
    [problem] = found.problems
    assert problem.startswith("b1|2024-W05: the lake's files differ from the manifest: ")
