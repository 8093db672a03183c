"""Drop: the lake loses exactly the slices that were read back, and the manifest says so before they leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.holds import Target
from assess_core.domain.manifest import Action, broken, by_slice
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.dropping import Dropped, drop
from assess_core.usecases.holds import add_hold, read_holds
from assess_core.usecases.restoring import restore
from tests.factories import RECEIVED, WEEK, version
from tests.lakes import Prepared, copies_of, five_versions, held, keep, stores_over
from tests.loop import NOW, put_away

pytestmark = pytest.mark.xdist_group("dropping")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")
OTHER = version(batch_id="b2")
LATER_WEEK = version(received=RECEIVED + WEEK)
KEPT = [OTHER, LATER_WEEK]
WHO = ("examinations office", "case 12", NOW)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        keep(stores.hot, [*five_versions(), *KEPT])
        put_away(stores)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Three slices of two weeks, all archived, verified and cleared."""
    return prepared.copy(tmp_path)


def status(stores: Stores, slice_: ArchiveSlice = W5) -> SliceStatus:
    return next(view.status for view in slice_views(stores, NOW, 0, None) if view.slice == slice_)


def actions(stores: Stores, slice_: ArchiveSlice = W5) -> list[Action]:
    return [entry.action for entry in sorted(stores.lake.manifest([slice_]), key=lambda entry: entry.number)]


def test_a_drop_deletes_the_rows_of_its_slices_and_no_other_row(stores: Stores) -> None:
    before = by_slice(stores.lake.manifest([W5]))[W5].archived

    assert drop([W5], stores, NOW) == {W5: Dropped(5)}

    assert held(stores.lake) == copies_of(KEPT)
    assert status(stores) is SliceStatus.DROPPED
    dropped = by_slice(stores.lake.manifest([W5]))[W5].dropped
    assert before is not None
    assert dropped is not None
    assert (dropped.contents, dropped.files) == (before.contents, before.files)
    assert broken(stores.lake.manifest()) == {}


def test_what_is_left_is_verified_after_a_drop(stores: Stores) -> None:
    drop([W5], stores, NOW)

    found = verify(stores.hot.slices(), stores, NOW)
    assert [each.problem for each in found.values()] == [None, None, None]
    assert actions(stores)[-1] is Action.DROPPED


def test_a_whole_lake_can_be_dropped(stores: Stores) -> None:
    slices = stores.hot.slices()

    assert [found.refused for found in drop(slices, stores, NOW).values()] == [None] * 3
    assert stores.lake.pin().files() == []
    assert {view.status for view in slice_views(stores, NOW, 0, None)} == {SliceStatus.DROPPED}


def test_a_repeated_drop_changes_nothing(stores: Stores) -> None:
    drop([W5], stores, NOW)
    entries, pinned = stores.lake.manifest(), stores.lake.pin().version

    assert drop([W5], stores, NOW) == {W5: Dropped(0)}
    assert (stores.lake.manifest(), stores.lake.pin().version) == (entries, pinned)


def test_a_killed_drop_is_completed_by_the_next_one(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> int:
        raise StoreUnavailable("killed")

    with monkeypatch.context() as patched:
        patched.setattr(stores.lake, "replace", killed)
        with pytest.raises(StoreUnavailable):
            drop([W5], stores, NOW)
    assert status(stores) is SliceStatus.DROPPED
    assert held(stores.lake) == copies_of([*five_versions(), *KEPT])
    assert verify([W5], stores, NOW)[W5].problem is None

    assert drop([W5], stores, NOW) == {W5: Dropped(5)}
    assert held(stores.lake) == copies_of(KEPT)
    assert actions(stores).count(Action.DROPPED) == 1


def test_the_rows_leave_the_disk_with_the_next_vacuum_after_a_week(stores: Stores) -> None:
    drop(stores.hot.slices(), stores, NOW)

    assert vacuum(stores.lake, NOW).deleted == []
    assert len(vacuum(stores.lake, NOW, retain=0).deleted) == 2


def test_a_slice_that_was_dropped_cannot_be_restored(stores: Stores) -> None:
    drop([W5], stores, NOW)

    refused = restore([W5], stores, NOW)[W5].refused
    assert refused is not None
    assert "retention dropped it" in refused


def test_rows_that_arrive_after_a_drop_are_archived_like_others(stores: Stores) -> None:
    drop([W5], stores, NOW)
    late = version(user_id="late")
    keep(stores.hot, [late])
    assert status(stores) is SliceStatus.PLANNED

    archive([W5], stores, NOW)
    assert verify([W5], stores, NOW)[W5].problem is None
    clear([W5], stores, NOW)

    assert status(stores) is SliceStatus.CLEARED
    assert held(stores.lake) == copies_of([late, *KEPT])


@pytest.mark.long
def test_the_same_rows_can_be_archived_again_after_a_drop(stores: Stores) -> None:
    drop([W5], stores, NOW)
    keep(stores.hot, five_versions())

    put_away(stores)

    assert status(stores) is SliceStatus.CLEARED
    assert drop([W5], stores, NOW) == {W5: Dropped(5)}


# --- what is never dropped ---


def test_a_slice_is_refused_that_was_not_verified(tmp_path: Path) -> None:
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)

    assert drop([W5], stores, NOW) == {W5: Dropped(0, "b1|2024-W05: its last archive is not verified; verify it first")}
    assert held(stores.lake) == copies_of(five_versions())


def test_a_slice_with_rows_in_the_hot_store_is_refused(stores: Stores) -> None:
    keep(stores.hot, [version(user_id="late")])

    assert drop([W5], stores, NOW) == {
        W5: Dropped(0, "b1|2024-W05: the hot store still has 1 of its rows; clear it first")
    }


def test_a_week_with_a_file_that_differs_is_not_changed(stores: Stores) -> None:
    [file] = stores.lake.pin().files([W5.week])
    Path(file.url).write_bytes(b"nonsense")
    before = stores.lake.pin().version

    refused = drop([W5], stores, NOW)[W5].refused
    assert refused is not None
    assert refused.startswith("b1|2024-W05: ")
    assert (stores.lake.pin().version, Action.DROPPED in actions(stores)) == (before, False)


@pytest.mark.parametrize(
    ("target", "of"), [(Target.BATCH, "b1"), (Target.LEARNER, "u2"), (Target.ASSESSMENT, "a1")], ids=str
)
def test_a_held_slice_is_refused(stores: Stores, target: Target, of: str) -> None:
    add_hold(stores, target, of, *WHO)

    refused = drop([W5], stores, NOW)[W5].refused
    assert refused is not None
    assert f"on {target} {of!r}" in refused
    assert held(stores.lake) == copies_of([*five_versions(), *KEPT])


def test_a_hold_on_something_else_stops_nothing(stores: Stores) -> None:
    add_hold(stores, Target.BATCH, "b2", *WHO)
    add_hold(stores, Target.LEARNER, "nobody", *WHO)
    add_hold(stores, Target.ASSESSMENT, "u1", *WHO)

    assert drop([W5], stores, NOW) == {W5: Dropped(5)}


def test_a_hold_that_is_entered_while_the_week_is_rewritten_still_counts(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = stores.lake.rewritten

    @contextmanager
    def holding(*arguments: object) -> Iterator[object]:
        with original(*arguments) as draft:  # type: ignore[arg-type]
            if not read_holds(stores.hot, NOW):
                add_hold(stores, Target.BATCH, "b1", *WHO)
            yield draft

    monkeypatch.setattr(stores.lake, "rewritten", holding)

    found = drop([W5, OTHER.slice], stores, NOW)

    assert (found[W5].rows, found[OTHER.slice]) == (0, Dropped(1))
    assert held(stores.lake) == copies_of([*five_versions(), LATER_WEEK])
    assert Action.DROPPED not in actions(stores)


def test_a_hold_that_is_entered_just_before_the_commit_still_counts(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = type(stores.lake).replace

    def late(*arguments: object) -> int:
        monkeypatch.setattr(type(stores.lake), "replace", real)
        add_hold(stores, Target.BATCH, "b1", *WHO)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(stores.lake), "replace", late)

    [refused] = drop([W5], stores, NOW).values()

    assert refused.refused is not None
    assert "hold" in refused.refused
    assert held(stores.lake) == copies_of([*five_versions(), *KEPT])
    assert restore([W5], stores, NOW)[W5].rows == 5, "the entry *dropped* came before the hold, and its rows are there"
