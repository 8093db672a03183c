"""Archive and verify on a real lake: repeated steps, a second archiver, and the status of a slice."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from assess_core.adapters.lake.copies import DuckCopies
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.manifest import Action
from assess_core.domain.moments import DAY
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice, Unread
from assess_core.errors import SliceOpen, UnknownBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import (
    archive,
    clear,
    closed,
    require_closed,
    require_known,
    slice_views,
    verify,
    verify_alone,
)
from tests.factories import MONDAY, RECEIVED, WEEK, version
from tests.lakes import copies_of, five_versions, held, keep, put, stores_over
from tests.loop import NOW, put_away

W5 = ArchiveSlice.parse("b1|2024-W05")
W6 = ArchiveSlice.parse("b1|2024-W06")
DOCUMENTED = Path(__file__).parents[2] / "docs" / "content-hash.md"
LATER = NOW + DAY
"""The time of a repeated step. A new manifest entry would have this time."""


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return stores_over(MemoryHot(), tmp_path)


def actions(stores: Stores) -> list[Action]:
    return [entry.action for entry in stores.lake.manifest()]


def view_of(stores: Stores, slice_: ArchiveSlice = W5, unread: Unread | None = None, now: int = NOW) -> SliceView:
    [view] = [view for view in slice_views(stores, now, DAY, unread) if view.slice == slice_]
    return view


# --- archive ---


def test_archive_copies_a_slice_and_records_its_contents_in_the_manifest(stores: Stores) -> None:
    keep(stores.hot, five_versions())

    done = archive([W5], stores, NOW)

    assert held(stores.lake) == copies_of(five_versions())
    [entry] = stores.lake.manifest()
    assert (entry.slice, entry.action, entry.at, entry.delta_version) == (W5, Action.ARCHIVED, NOW, 1)
    assert done[W5].contents == entry.contents
    assert done[W5].appended == 5
    assert entry.contents[:4] == (5, 5, 4, sum(row.total_score for row in five_versions()))


def test_the_digest_equals_the_documented_digest(stores: Stores) -> None:
    keep(stores.hot, [version(), version(user_id="u2", received=RECEIVED + 1)])

    digest = archive([W5], stores, NOW)[W5].contents.digest

    assert f"| the digest of a slice with both copies | `{digest}` |" in DOCUMENTED.read_text(encoding="utf-8")


def test_archive_deletes_nothing_from_the_hot_store(stores: Stores) -> None:
    keep(stores.hot, five_versions())

    archive([W5], stores, NOW)

    assert stores.hot.counts([W5]) == {W5: 5}


def test_a_repeated_archive_reads_the_copies_once_and_hashes_no_file(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    opened = Mock(wraps=stores.lake.copies)
    monkeypatch.setattr(stores.lake, "copies", opened)
    monkeypatch.setattr(DuckCopies, "files", lambda *_: pytest.fail("the archive hashed the files"))

    done = archive([W5], stores, LATER)

    assert (done[W5].appended, done[W5].contents.rows) == (0, 5)
    assert opened.call_count == 1


def test_a_repeated_archive_appends_nothing_and_records_nothing(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    first = archive([W5], stores, NOW)
    before = stores.lake.manifest()

    again = archive([W5, W5], stores, LATER)

    assert again[W5] == first[W5]._replace(appended=0)
    assert stores.lake.manifest() == before
    assert held(stores.lake) == copies_of(five_versions())


def test_an_archive_after_a_clear_removes_nothing_from_the_lake(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    put_away(stores)

    archive([W5], stores, LATER)

    assert held(stores.lake) == copies_of(five_versions())
    assert actions(stores) == [Action.ARCHIVED, Action.VERIFIED, Action.CLEARING, Action.CLEARED]


def test_archive_appends_only_the_versions_that_the_lake_does_not_hold(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    late = version(user_id="u9")
    keep(stores.hot, [late])

    done = archive([W5], stores, LATER)

    assert done[W5].appended == 1
    assert held(stores.lake) == copies_of([*five_versions(), late])
    assert actions(stores) == [Action.ARCHIVED, Action.ARCHIVED]


def test_a_version_with_two_receipts_has_two_copies(stores: Stores) -> None:
    keep(stores.hot, [version(received=RECEIVED)])
    archive([W5], stores, NOW)
    keep(stores.hot, [version(received=RECEIVED - 1)])

    done = archive([W5], stores, LATER)

    assert (done[W5].contents.rows, done[W5].contents.versions, done[W5].contents.attempts) == (2, 1, 1)
    assert verify([W5], stores, LATER)[W5].problem is None


def test_the_slices_of_one_week_are_appended_in_one_commit(stores: Stores) -> None:
    slices = [ArchiveSlice.parse(f"b{n}|2024-W05") for n in range(7)]
    keep(stores.hot, [version(batch_id=slice_.batch_id) for slice_ in slices])
    keep(stores.hot, [version(received=RECEIVED + WEEK)])

    done = archive([*slices, W6], stores, NOW)

    assert [done[slice_].delta_version for slice_ in (*slices, W6)] == [1] * 7 + [2]


def test_only_the_requested_slices_are_archived(stores: Stores) -> None:
    rows = [version(), version(batch_id="b2"), version(received=RECEIVED + WEEK)]
    keep(stores.hot, rows)

    archive([W5], stores, NOW)

    assert held(stores.lake) == copies_of(rows[:1])


def test_a_slice_without_rows_is_skipped(stores: Stores) -> None:
    stores.hot.add_slices([W5])

    assert not archive([W5], stores, NOW)
    assert not verify([W5], stores, NOW)
    assert not clear([W5], stores, NOW)
    assert stores.lake.manifest() == []


def test_a_batch_with_any_name_can_be_archived_and_cleared(stores: Stores) -> None:
    names = ["b|1", "../b", "b 'quoted' \"twice\"", "b/\n\t", "बैच 😀", "%2F", "\0"]
    rows = [version(batch_id=name, user_id=f"u {name}") for name in names]
    keep(stores.hot, rows)

    assert put_away(stores) == len(names)

    assert held(stores.lake) == copies_of(rows)
    assert {view.slice.batch_id for view in slice_views(stores, NOW, DAY, None)} == set(names)


def test_an_archiver_starts_again_if_another_one_commits_first(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, five_versions())
    other = stores._replace(lake=DeltaLake(Folder(tmp_path / "lake")))
    overtaken = Overtaken(tmp_path / "lake", lambda: archive([W5], other, NOW))

    done = archive([W5], stores._replace(lake=overtaken), NOW)

    assert done[W5].appended == 0
    assert held(stores.lake) == copies_of(five_versions())


class Overtaken(DeltaLake):
    """A lake to which another process commits just before our first append."""

    def __init__(self, folder: Path, first: Callable[[], object]) -> None:
        super().__init__(Folder(folder))
        self._first: Callable[[], object] | None = first

    def append(self, pinned, slices, rows):  # type: ignore[no-untyped-def]  # passes its arguments on
        if self._first:
            first, self._first = self._first, None
            first()
        return super().append(pinned, slices, rows)


# --- verify ---


def test_verify_compares_the_files_with_the_manifest_and_records_it_once(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archived = archive([W5], stores, NOW)

    first = verify([W5], stores, NOW)
    second = verify([W5], stores, LATER)

    assert first == second
    assert (first[W5].problem, first[W5].unarchived) == (None, 0)
    assert first[W5].contents == archived[W5].contents
    assert actions(stores) == [Action.ARCHIVED, Action.VERIFIED]


def test_a_slice_that_was_never_archived_cannot_be_verified(stores: Stores) -> None:
    keep(stores.hot, five_versions())

    problem = verify([W5], stores, NOW)[W5].problem

    assert problem == "b1|2024-W05: it was never archived; archive it first"
    assert stores.lake.manifest() == []


def test_verify_counts_hot_rows_that_are_not_in_the_lake_and_passes(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    keep(stores.hot, [version(user_id="u9"), version(user_id="u1", received=RECEIVED - 1)])

    verified = verify([W5], stores, NOW)[W5]

    assert (verified.problem, verified.unarchived) == (None, 2)


def test_verify_says_whether_a_slice_is_cleared(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    assert verify([W5], stores, NOW)[W5].is_cleared is False

    with monkeypatch.context() as patched:
        # killed after all rows are deleted, before an entry says so
        patched.setattr("assess_core.usecases.archiving.outcomes", _killed)
        with pytest.raises(KeyboardInterrupt):
            clear([W5], stores, NOW)
    assert verify([W5], stores, NOW)[W5].is_cleared is False

    clear([W5], stores, NOW)
    assert verify([W5], stores, NOW)[W5].is_cleared is True
    keep(stores.hot, [version(user_id="u9")])
    assert verify([W5], stores, NOW)[W5].is_cleared is False
    assert verify_alone([W5], stores.lake, NOW)[W5].is_cleared is None


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_version_that_was_written_twice_passes_verify_and_counts_once(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    put(stores.lake, five_versions()[:2])
    once = archive([W5], stores, NOW)[W5].contents
    put(stores.lake, five_versions())

    verified = verify([W5], stores, NOW)[W5]

    assert verified.problem is None
    assert verified.contents == once._replace(rows=10)
    assert clear([W5], stores, NOW)[W5].cleared == 5


def test_verify_reports_lake_rows_that_the_manifest_does_not_record(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    put(stores.lake, [version(user_id="u9")])

    problem = verify([W5], stores, NOW)[W5].problem

    assert problem is not None
    assert "versions 6 instead of 5" in problem
    assert problem.endswith("archive it again to record in the manifest what the lake contains")


def test_verify_reports_an_unrecorded_earlier_receipt_and_asks_to_archive_again(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    put(stores.lake, [version(user_id="u1", received=RECEIVED - 1)])  # without a manifest entry, as after a kill

    problem = verify([W5], stores, NOW)[W5].problem

    assert problem is not None
    assert "rows 6 instead of 5" in problem
    assert problem.endswith("archive it again to record in the manifest what the lake contains")


# --- the status of a slice ---


def test_each_step_changes_the_status_of_a_slice(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    seen = [view_of(stores, now=RECEIVED), view_of(stores, unread=Unread("1 file"))]
    for step in (lambda: None, lambda: archive([W5], stores, NOW), lambda: verify([W5], stores, NOW + 1)):
        step()
        seen.append(view_of(stores))
    clear([W5], stores, NOW + 2)
    seen.append(view_of(stores))

    assert [view.status for view in seen] == ["open", "open", "planned", "written", "verified", "cleared"]
    assert [(view.hot_rows, view.lake_rows) for view in seen[2:]] == [(5, 0), (5, 5), (5, 5), (0, 5)]
    assert (seen[-1].archived_at, seen[-1].verified_at, seen[-1].cleared_at) == (NOW, NOW + 1, NOW + 2)
    assert seen[0].why_open is not None
    assert seen[0].why_open.startswith("week 2024-W05 closes at 2024-02-06T00:00:00.000Z")
    assert seen[1].why_open == "the log has unread events (1 file); let `assess up` read them first"


def test_a_cleared_slice_with_new_rows_must_be_archived_again(stores: Stores) -> None:
    keep(stores.hot, [version()])
    put_away(stores)
    keep(stores.hot, [version(user_id="u8"), version(user_id="u9")])

    view = view_of(stores)

    assert view.status is SliceStatus.VERIFIED
    assert view.note == "the lake lacks at least 1 of the hot rows: archive, verify and clear again"
    put_away(stores)
    assert (view_of(stores).status, view_of(stores).note) == (SliceStatus.CLEARED, None)


def test_the_note_of_a_slice_without_rows_says_that_there_is_nothing_to_do(stores: Stores) -> None:
    stores.hot.add_slices([W5])

    assert view_of(stores, now=RECEIVED).note is None  # its first row can still arrive
    assert view_of(stores).note == (
        "it has no rows, because a stream was killed before it wrote the first one; you need not do anything"
    )


def test_the_slices_of_one_batch_can_be_selected(stores: Stores) -> None:
    keep(stores.hot, [version(), version(batch_id="b2"), version(received=RECEIVED + WEEK)])

    assert [str(view.slice) for view in slice_views(stores, NOW, DAY, None, "b1")] == ["b1|2024-W05", "b1|2024-W06"]


def test_a_slice_is_closed_when_its_week_and_the_grace_period_are_over_and_the_log_is_read() -> None:
    end = MONDAY + WEEK + DAY

    assert closed([W6, W5], end, DAY, None) == [W5]
    assert closed([W6, W5], end - 1, DAY, None) == []
    assert closed([W6, W5], end, DAY, Unread("1 file")) == []
    assert closed([W6, W5], end + WEEK, DAY, Unread("partition 3", since=MONDAY + WEEK)) == [W5]
    assert closed([W6, W5], end + WEEK, DAY, Unread("partition 3", since=MONDAY + WEEK - 1)) == []
    assert closed([W6, W5], end + WEEK, DAY, Unread("partition 3", since=MONDAY + 2 * WEEK)) == [W5, W6]
    require_closed([W5], end, DAY, None)


def test_the_refusal_of_an_open_slice_gives_its_name_and_the_reason() -> None:
    slices = [ArchiveSlice.parse(f"b{n}|2024-W05") for n in range(7)]

    with pytest.raises(SliceOpen, match=r"^b0\|2024-W05 is open: week 2024-W05 closes at .*; and 2 more are open$"):
        require_closed(slices, RECEIVED, DAY, None)


def test_the_refusal_of_an_unknown_slice_gives_its_name(stores: Stores) -> None:
    keep(stores.hot, [version()])
    require_known([W5], stores)

    with pytest.raises(UnknownBatch, match=r"no store knows 'b1\|2024-W06'; `assess slices` lists"):
        require_known([W5, W6], stores)
