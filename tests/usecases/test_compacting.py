"""Compaction: fewer files, each copy once, no version lost, and the rows are verified before the commit."""

from pathlib import Path

import pytest

from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.lake.weekly import DeltaWeekly
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.manifest import by_slice
from assess_core.domain.moments import DAY, parse_duration
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadSettings, LakeConflict, VerifyFailed
from assess_core.ports.lake import Pinned
from assess_core.ports.reports import WeeklyActivity
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from assess_core.usecases.compacting import Compacted, compact, vacuum, weeks_worth_it
from tests.factories import ATTEMPTED, RECEIVED, WEEK, version
from tests.lakes import Prepared, copies_of, five_versions, held, keep, put, stores_over
from tests.loop import NOW, everything, put_away, queries

pytestmark = pytest.mark.xdist_group("compacting")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")
W6 = ArchiveSlice.parse("b1|2024-W06")
LATER = NOW + DAY


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return stores_over(MemoryHot(), tmp_path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        keep(stores.hot, [*five_versions(), version(received=RECEIVED + WEEK)])
        archive(stores.hot.slices(), stores, NOW)
        keep(stores.hot, [version(user_id="u9"), version(user_id="u1", batch_id="b2", attempted=ATTEMPTED + 5)])
        archive(stores.hot.slices(), stores, NOW)
        verify(stores.hot.slices(), stores, NOW)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def archived(prepared: Prepared, tmp_path: Path) -> Stores:
    """Week 5 in two appends with two batches, week 6 in one append; all slices are verified."""
    return prepared.copy(tmp_path)


def test_a_week_of_small_files_becomes_one_file_with_the_same_copies(archived: Stores) -> None:
    before = held(archived.lake)

    assert weeks_worth_it(archived.lake) == [W5.week]
    done = compact([W5.week, W6.week], archived.lake, LATER)

    assert done[W5.week]._replace(delta_version=0) == Compacted(2, 1, 7, 7, 0)
    assert done[W6.week]._replace(delta_version=0) == Compacted(1, 1, 1, 1, 0)
    assert held(archived.lake) == before
    assert weeks_worth_it(archived.lake) == []
    assert compact([W5.week], archived.lake, LATER)[W5.week].delta_version == done[W5.week].delta_version


def test_a_compacted_file_is_sorted_by_batch_and_learner(archived: Stores) -> None:
    compact([W5.week], archived.lake, LATER)

    with open_union(archived.hot, archived.lake, weeks=[W5.week]) as union:
        rows = list(union.rows("SELECT batch_id, user_id FROM placed WHERE tier = 'lake' ORDER BY file_row_number"))

    found = [(str(row["batch_id"]), str(row["user_id"])) for row in rows]
    assert found == sorted(found)


def test_a_copy_that_was_written_twice_is_kept_once_and_superseded_versions_stay(stores: Stores) -> None:
    keep(stores.hot, five_versions())
    archive([W5], stores, NOW)
    put(stores.lake, five_versions()[:3])
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    digest = by_slice(stores.lake.manifest())[W5].verified

    done = compact(weeks_worth_it(stores.lake), stores.lake, LATER)

    assert done[W5.week]._replace(delta_version=0) == Compacted(2, 1, 8, 5, 0)
    assert held(stores.lake) == copies_of(five_versions())
    verified = by_slice(stores.lake.manifest())[W5].verified
    assert digest is not None
    assert verified is not None
    assert (verified.contents.digest, verified.contents.rows) == (digest.contents.digest, 5)


def test_two_receipts_of_a_version_are_not_a_repeated_copy(stores: Stores) -> None:
    early, late = version(received=RECEIVED), version(received=RECEIVED + 1000)
    put(stores.lake, [early, late])
    archive([W5], stores, NOW)

    assert weeks_worth_it(stores.lake) == []
    assert held(stores.lake) == copies_of([early, late])


def test_a_compacted_slice_stays_verified_and_can_be_cleared(archived: Stores) -> None:
    compact([W5.week], archived.lake, LATER)

    assert {view.status for view in slice_views(archived, LATER, DAY, None)} == {SliceStatus.VERIFIED}
    assert sum(done.cleared for done in clear(archived.hot.slices(), archived, LATER).values()) == 8


@pytest.mark.long
def test_compaction_changes_no_query_result(archived: Stores) -> None:
    put_away(archived)
    put(archived.lake, five_versions()[:2])
    archive([W5], archived, NOW)
    asked = ["u1", "u2", "u3", "u9"], ["b1", "b2"], ["a1"]
    before = everything(queries(archived), *asked)

    compact(weeks_worth_it(archived.lake), archived.lake, LATER)

    assert everything(queries(archived), *asked) == before


def test_a_week_that_differs_from_the_manifest_is_not_compacted(archived: Stores) -> None:
    put(archived.lake, [version(user_id="never archived")])
    files = archived.lake.pin().files()

    done = compact([W5.week, W6.week], archived.lake, LATER)

    refused = done[W5.week].refused
    assert refused is not None
    assert refused.startswith("week 2024-W05 was not compacted: b1|2024-W05: the lake's files differ from the manifest")
    assert done[W6.week].refused is None
    assert archived.lake.pin().files() == files


def test_rows_that_change_while_they_are_rewritten_are_never_committed(
    archived: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assess_core.adapters.lake import rewriting

    files = archived.lake.pin().files()
    monkeypatch.setattr(rewriting, "COPY", "batch_id, user_id")  # removes repeated rows, but also versions

    with pytest.raises(VerifyFailed, match=r"^the rows of b1\|2024-W05 changed while they were rewritten; nothing was"):
        compact([W5.week], archived.lake, LATER)

    assert archived.lake.pin().files() == files


def test_copies_archived_while_a_week_is_rewritten_are_compacted_too(
    archived: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, replace, tries = version(user_id="late"), archived.lake.replace, list[IsoWeek]()

    def replace_too_late(pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        tries.append(week)
        if len(tries) == 1:
            keep(archived.hot, [late])
            archive([W5], archived, LATER)
        return replace(pinned, week, draft)

    before = held(archived.lake)
    monkeypatch.setattr(archived.lake, "replace", replace_too_late)

    done = compact([W5.week], archived.lake, LATER)

    assert (len(tries), done[W5.week].files, done[W5.week].rows) == (2, 1, 8)
    assert held(archived.lake) == before + copies_of([late])


def test_the_slower_of_two_compactions_has_a_conflict(archived: Stores) -> None:
    pinned = archived.lake.pin()
    before = held(archived.lake)
    with archived.lake.rewritten(pinned, W5.week) as draft:
        compact([W5.week], archived.lake, LATER)
        with pytest.raises(LakeConflict):
            archived.lake.replace(pinned, W5.week, draft)

    assert held(archived.lake) == before


def test_an_archive_that_began_before_a_compaction_has_a_conflict_and_starts_again(archived: Stores) -> None:
    pinned = archived.lake.pin()
    keep(archived.hot, [version(user_id="new")])
    with archived.lake.copies(pinned, [W5]) as copies:
        missing = copies.missing([archived.hot.scan(W5)])
        assert missing is not None
        compact([W5.week], archived.lake, LATER)
        with pytest.raises(LakeConflict):
            archived.lake.append(pinned, [W5], missing.rows)

    archive([W5], archived, LATER)

    assert held(archived.lake)[version(user_id="new").version.content_hash, RECEIVED] == 1
    assert set(held(archived.lake).values()) == {1}


def test_vacuum_deletes_files_that_left_the_table_before_the_retention(archived: Stores) -> None:
    old = {Path(file.url) for file in archived.lake.pin().files([W5.week])}
    compact([W5.week], archived.lake, LATER)

    assert vacuum(archived.lake, NOW, retain=DAY).deleted == []
    assert len(vacuum(archived.lake, NOW, retain=0, dry_run=True).deleted) == 2
    assert all(path.exists() for path in old)

    assert len(vacuum(archived.lake, NOW, retain=0).deleted) == 2

    assert not any(path.exists() for path in old)
    assert all(done.problem is None for done in verify(archived.hot.slices(), archived, LATER).values())


@pytest.mark.parametrize("retain", ["30m", "90m", "1s"])
def test_a_retention_that_hours_cannot_express_is_refused(archived: Stores, retain: str) -> None:
    old = {Path(file.url) for file in archived.lake.pin().files([W5.week])}
    compact([W5.week], archived.lake, LATER)

    with pytest.raises(BadSettings, match=r"^--retain: .* is not a whole number of hours, .*; write [12]h$"):
        vacuum(archived.lake, NOW, parse_duration(retain, "--retain"))

    assert all(path.exists() for path in old)


def test_manifest_and_weekly_table_are_compacted_and_vacuumed_too(stores: Stores, tmp_path: Path) -> None:
    for number in range(4):
        keep(stores.hot, [version(user_id=f"u{number}")])
        archive([W5], stores, NOW + number)
    before = stores.lake.manifest()
    weekly = DeltaWeekly(Folder(tmp_path / "lake" / "weekly_activity"))
    for attempts in range(2):
        weekly.replace([W5.week], [WeeklyActivity(W5, attempts, 1, 1.0)])

    fewer = stores.lake.compact_small_tables()
    deleted = vacuum(stores.lake, NOW, retain=0).deleted

    assert fewer == 3
    assert sorted(name.split("/")[0] for name in deleted) == ["archive_manifest"] * 4 + ["weekly_activity"]
    assert stores.lake.manifest() == before
    assert weekly.rows() == [WeeklyActivity(W5, 1, 1, 1.0)]
