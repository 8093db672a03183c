"""Clear on every hot store and a real lake: it deletes exactly the verified copies and no later ones."""

from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from assess_core.adapters.lake import copies
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.manifest import Action
from assess_core.domain.moments import DAY
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import Cleared, archive, clear, slice_views, verify
from tests.conftest import Hot
from tests.factories import MONDAY, RECEIVED, WEEK, answer, event, version
from tests.lakes import copies_of, five_versions, held, keep, stores_over
from tests.loop import NOW, put_away, take

W5 = ArchiveSlice.parse("b1|2024-W05")
LATER = NOW + DAY
"""The time of a repeated step. A new manifest entry would have this time."""


@pytest.fixture
def stores(hot: Hot, tmp_path: Path) -> Stores:
    return stores_over(hot, tmp_path)


def test_clear_deletes_the_verified_copies_of_a_slice(stores: Stores) -> None:
    other = version(batch_id="b2")
    keep(stores.hot, [*five_versions(), other])
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)

    done = clear([W5], stores, NOW)

    assert (done[W5].cleared, done[W5].left, done[W5].refused) == (5, 0, None)
    assert stores.hot.counts([W5]) == {W5: 0}
    assert stores.hot.counts([other.slice]) == {other.slice: 1}
    [entry] = [entry for entry in stores.lake.manifest() if entry.action is Action.CLEARED]
    assert (entry.cleared, entry.left) == (5, 0)


def test_clear_proves_no_row_again_if_the_bytes_are_those_that_verify_proved(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    proved: list[pa.ChunkedArray] = []
    monkeypatch.setattr(copies, "content_hashes", proved.append)

    assert clear([W5], stores, NOW) == {W5: Cleared(5, 0)}
    assert proved == []


def test_clear_deletes_the_rows_of_many_small_slices_in_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = stores_over(hot := SqliteHot(f"sqlite:///{tmp_path}/hot.sqlite"), tmp_path)
    keep(hot, [version(batch_id=f"b{number}") for number in range(20)])
    slices = hot.slices()
    archive(slices, stores, NOW)
    verify(slices, stores, NOW)
    begin, begun = hot.transaction, list[bool]()

    def counted() -> AbstractContextManager[bool]:
        begun.append(True)
        return begin()

    monkeypatch.setattr(hot, "transaction", counted)

    assert clear(slices, stores, NOW) == dict.fromkeys(slices, Cleared(1, 0))
    assert begun == [True]


@pytest.mark.parametrize("attempted", [RECEIVED - DAY, RECEIVED + DAY], ids=["older", "newer"])
def test_a_version_written_between_verify_and_clear_survives(stores: Stores, attempted: int) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    other = version(user_id="u1", attempted=attempted, received=RECEIVED + DAY, answers=[answer(score=9.0)])
    keep(stores.hot, [other])

    done = clear([W5], stores, NOW)

    assert (done[W5].cleared, done[W5].left) == (5, 1)
    assert stores.hot.get([other.row_key]) == [other]


def test_an_earlier_receipt_of_a_verified_version_survives_until_it_is_archived(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    earlier = version(user_id="u1", received=RECEIVED - 1)
    keep(stores.hot, [earlier])

    first = clear([W5], stores, NOW)[W5]
    assert (first.cleared, first.left) == (4, 1)
    assert stores.hot.get([earlier.row_key]) == [earlier]

    assert put_away(stores) == 1
    assert stores.hot.counts([W5]) == {W5: 0}


def test_a_slice_that_is_not_verified_is_not_cleared(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    assert clear([W5], stores, NOW)[W5].refused == "b1|2024-W05: it was not archived; archive and verify it first"

    archive([W5], stores, NOW)
    refused = clear([W5], stores, NOW)[W5]

    assert refused.refused == "b1|2024-W05: its last archive is not verified; verify it first"
    assert (refused.cleared, refused.left) == (0, 5)
    assert stores.hot.counts([W5]) == {W5: 5}


def test_copies_archived_after_the_verification_must_be_verified_too(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    keep(stores.hot, [version(user_id="u9")])
    archive([W5], stores, LATER)

    assert clear([W5], stores, LATER)[W5].refused is not None
    assert stores.hot.counts([W5]) == {W5: 6}

    verify([W5], stores, LATER)
    assert clear([W5], stores, LATER)[W5].cleared == 6


def test_a_refused_slice_does_not_stop_the_others(stores: Stores) -> None:
    keep(stores.hot, [version(), version(batch_id="b2"), version(received=RECEIVED + WEEK)])
    slices = stores.hot.slices()
    archive(slices, stores, NOW)
    verify([slices[0], slices[2]], stores, NOW)

    done = clear(slices, stores, NOW)

    assert [done[slice_].cleared for slice_ in slices] == [1, 0, 1]
    assert [done[slice_].refused is None for slice_ in slices] == [True, False, True]


def test_a_dry_run_reports_what_clear_would_delete_and_deletes_nothing(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    keep(stores.hot, [version(user_id="u9")])
    before = stores.lake.manifest()

    dry = clear([W5], stores, NOW, dry_run=True)

    assert (dry[W5].cleared, dry[W5].left) == (5, 1)
    assert stores.hot.counts([W5]) == {W5: 6}
    assert stores.lake.manifest() == before
    assert clear([W5], stores, NOW) == dry


def test_a_repeated_clear_deletes_nothing_and_records_nothing(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    put_away(stores)
    before = stores.lake.manifest()

    again = clear([W5], stores, LATER)

    assert again[W5].cleared == 0
    assert stores.lake.manifest() == before


def test_a_cleared_row_that_a_delayed_writer_writes_again_is_cleared_again(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    put_away(stores)
    keep(stores.hot, five_versions()[:2])

    # Cassandra hides the row as long as its tombstone exists
    came_back = 2 if isinstance(stores.hot, MemoryHot | SqliteHot) else 0
    assert stores.hot.counts([W5]) == {W5: came_back}
    assert put_away(stores) == came_back
    assert stores.hot.counts([W5]) == {W5: 0}
    assert held(stores.lake) == copies_of(five_versions())


def test_a_replay_of_everything_after_clear_brings_nothing_back(stores: Stores) -> None:
    messages = [event(user=f"u{n % 3}", attempt=f"t{n % 5}", attempted=MONDAY + n * 1000) for n in range(12)]
    take(stores, *messages)
    put_away(stores)
    before = held(stores.lake)

    folded = take(stores, *messages)

    assert (folded.stored, folded.repeated) == (0, 12)
    assert sum(stores.hot.counts(stores.hot.slices()).values()) == 0
    assert put_away(stores) == 0
    assert held(stores.lake) == before


def test_a_killed_clear_is_shown_until_clear_is_run_again(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(rows: object) -> int:
        raise KeyboardInterrupt

    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    with monkeypatch.context() as patch:
        patch.setattr(stores.hot, "delete", die)
        with pytest.raises(KeyboardInterrupt):
            clear([W5], stores, NOW)

    [view] = slice_views(stores, NOW, DAY, None)
    assert (view.status, view.hot_rows) == (SliceStatus.CLEARING, 5)
    assert view.note == "a clear began and has not ended; if none is running, clear it again"

    assert clear([W5], stores, NOW)[W5] == Cleared(5, 0)
    assert [view.status for view in slice_views(stores, NOW, DAY, None)] == [SliceStatus.CLEARED]
    actions = [entry.action for entry in sorted(stores.lake.manifest(), key=lambda entry: entry.number)]
    assert actions == [Action.ARCHIVED, Action.VERIFIED, Action.CLEARING, Action.CLEARED]


def test_a_clear_killed_after_its_last_row_is_completed_by_the_next_clear(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    verified = stores.lake.manifest()[-1]
    stores.lake.record([msgspec.structs.replace(verified, action=Action.CLEARING)])
    stores.hot.delete([row.row_key for row in five_versions()])

    assert clear([W5], stores, NOW)[W5] == Cleared(0, 0)
    assert [view.status for view in slice_views(stores, NOW, DAY, None)] == [SliceStatus.CLEARED]
