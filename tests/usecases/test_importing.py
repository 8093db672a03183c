"""Import of old archives: what scores, reports, slices and the balance say after it."""

import random
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Correction, FullMarks
from assess_core.domain.moments import DAY
from assess_core.domain.report_spec import Report
from assess_core.domain.scores import Entry, derive
from assess_core.domain.slice_status import SliceStatus
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VerifyFailed
from assess_core.ports.lake import ImportedRow, Pinned
from assess_core.ports.stores import Stores
from assess_core.usecases import importing
from assess_core.usecases.archiving import slice_views, verify
from assess_core.usecases.compacting import compact
from assess_core.usecases.exhaust import write_exhaust
from tests.archives import ANSWER, bring, cells, put_archive
from tests.balances import draw
from tests.conftest import Hot
from tests.decisions import decide
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, event, version, wire_answer
from tests.lakes import asked, copies_of, held, stores_over
from tests.loop import NOW, put_away, take
from tests.properties.interruptions import NEVER, Crash, Fuse

OLD = [
    cells(),
    cells([ANSWER | {"score": 2.0}], attempt_id="t2", total_score="2.0", grand_total="2.0/2.0"),
    cells(user_id="u2", updated_on=str(RECEIVED + WEEK)),
    cells(user_id="u3", batch_id="b2"),
]
OLD_VERSIONS = [
    version(),
    version(attempt_id="t2", answers=[answer(score=2.0)]),
    version(user_id="u2", received=RECEIVED + WEEK),
    version(user_id="u3", batch_id="b2"),
]


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Old archives: four rows of three slices in two files."""
    folder = tmp_path / "archived-data"
    put_archive(folder, *OLD[:2], name="b1_c1/2024-5-1706572860000.csv.gz")
    put_archive(folder, *OLD[2:], name="b1-2024-5-1706572860001.csv")
    return folder


def entries(stores: Stores) -> set[Entry]:
    return {entry for _, learner in stores.hot.all_learners() for entry in learner.entries}


def require_named(stores: Stores, versions: Sequence[AttemptVersion]) -> None:
    """The maps name exactly these versions, and all derived data follows from them."""
    expected = {Entry.of(row) for row in versions}
    assert entries(stores) == expected
    derived = derive(expected)
    found = {key: value for _, learner in stores.hot.all_learners() for key, value in learner.summaries.items()}
    assert found == derived.summaries
    assert {activity.key: activity for activity in stores.hot.all_activities()} == derived.activities


def report(stores: Stores, kind: Report = Report.RESPONSE, batch: str = "b1") -> bytes:
    return Path(write_exhaust(stores, asked(batch, kind)).path).read_bytes()


def test_imported_rows_are_in_the_lake_and_named_by_the_maps(hot: Hot, archive: Path, tmp_path: Path) -> None:
    stores = stores_over(hot, tmp_path)

    done = bring(stores, archive)

    assert done.counts == (2, 4, 4, 0, 0, 0, 0)
    assert held(stores.lake) == copies_of(OLD_VERSIONS)
    require_named(stores, OLD_VERSIONS)
    assert stores.hot.held() == []


def test_imported_slices_are_like_archived_and_cleared_ones(stores: Stores, archive: Path) -> None:
    bring(stores, archive)

    views = slice_views(stores, NOW, DAY, None)
    assert [(str(view.slice), view.status, view.lake_rows) for view in views] == [
        ("b1|2024-W05", SliceStatus.CLEARED, 2),
        ("b2|2024-W05", SliceStatus.CLEARED, 1),
        ("b1|2024-W06", SliceStatus.CLEARED, 1),
    ]
    assert all(found.problem is None for found in verify([view.slice for view in views], stores, NOW).values())


@pytest.mark.long
def test_reports_are_those_of_the_same_attempts_in_the_stream(stores: Stores, archive: Path, tmp_path: Path) -> None:
    other = stores_over(MemoryHot(), tmp_path / "other")
    take(other, event(), event(attempt="t2", answers=[wire_answer(score=2.0)]))
    take(other, event("u2"), received=RECEIVED + WEEK)

    bring(stores, archive)

    for kind in (Report.RESPONSE, Report.SCORE, Report.SUMMARY, Report.PROGRESS):
        assert report(stores, kind) == report(other, kind), kind


def test_a_second_import_changes_nothing(stores: Stores, archive: Path) -> None:
    bring(stores, archive)
    before = (held(stores.lake), entries(stores), stores.lake.manifest(), stores.lake.pin().version)

    assert bring(stores, archive).counts == (2, 4, 0, 4, 0, 0, 0)

    assert (held(stores.lake), entries(stores), stores.lake.manifest(), stores.lake.pin().version) == before


def test_after_a_loss_of_the_hot_store_an_import_brings_the_scores_back(
    stores: Stores, archive: Path, tmp_path: Path
) -> None:
    bring(stores, archive)
    before = held(stores.lake)
    new = stores_over(MemoryHot(), tmp_path)

    assert bring(new, archive).counts.imported == 4

    assert held(new.lake) == before
    require_named(new, OLD_VERSIONS)


def test_rows_that_are_twice_in_the_files_are_imported_once(stores: Stores, tmp_path: Path) -> None:
    """A second run of Sunbird's archiver added a second file and kept the first one."""
    put_archive(tmp_path / "old", *OLD, name="b1-2024-5-1.csv")
    put_archive(tmp_path / "old", *OLD, name="b1-2024-5-2.csv")

    assert bring(stores, tmp_path / "old").counts == (2, 8, 4, 4, 0, 0, 0)
    assert held(stores.lake) == copies_of(OLD_VERSIONS)


def test_of_a_row_with_two_receipts_the_earlier_one_counts(stores: Stores, tmp_path: Path) -> None:
    done = bring(stores, put_archive(tmp_path, cells(updated_on=str(RECEIVED + WEEK)), cells()))

    assert (done.counts.imported, done.counts.there) == (1, 1)
    require_named(stores, [version()])
    assert held(stores.lake) == copies_of([version()])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_neither_order_nor_portions_nor_an_existing_stream_change_the_result(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    stores = stores_over(MemoryHot(), tmp_path)
    steps: list[Callable[[], object]] = [
        lambda: take(stores, event()),
        lambda: take(stores, event("u2"), received=RECEIVED + 2 * WEEK),  # the receipt in the archive is earlier
        lambda: bring(stores, put_archive(tmp_path, *OLD[:2], name="x1.csv"), portion_rows=rng.choice([1, 2, 9])),
        lambda: bring(stores, put_archive(tmp_path, *OLD[1:], name="x2.csv"), portion_rows=rng.choice([1, 2, 9])),
        lambda: put_away(stores),
    ]
    for step in [*rng.sample(steps, len(steps)), steps[3]]:
        step()

    require_named(stores, OLD_VERSIONS)
    sheet = draw(stores).sheet
    assert sheet.balanced
    assert sheet.named == len(OLD_VERSIONS)


def test_an_attempt_that_came_by_the_stream_with_other_content_has_two_versions(stores: Stores, tmp_path: Path) -> None:
    take(stores, event(attempted=ATTEMPTED + 1, answers=[wire_answer(score=2.0)]))

    bring(stores, put_archive(tmp_path, cells()))

    [summary] = stores.hot.learners({"u1"})["u1"].summaries.values()
    assert (summary.versions, summary.attempts_count, summary.best_score) == (2, 1, 2.0)


def test_an_event_that_was_imported_before_is_a_repeat(stores: Stores, archive: Path) -> None:
    bring(stores, archive)

    folded = take(stores, event())

    assert (folded.stored, folded.repeated) == (0, 1)
    assert stores.hot.held() == []


def test_imported_attempts_count_with_the_corrections_in_force(stores: Stores, archive: Path) -> None:
    decide(stores.hot.register, Correction("a1", "q1", FullMarks()))

    bring(stores, archive)

    found = [one for _, learner in stores.hot.all_learners() for one in learner.summaries.values()]
    assert {(one.best_score, one.min_score, one.total_max_score) for one in found} == {(2.0, 2.0, 2.0)}


@pytest.mark.long
def test_imported_slices_can_be_compacted(stores: Stores, archive: Path) -> None:
    bring(stores, archive, portion_rows=1)
    before = report(stores)

    done = compact({slice_.week for slice_ in stores.hot.slices()}, stores.lake, NOW)

    assert not any(found.refused for found in done.values())
    assert report(stores) == before
    assert held(stores.lake) == copies_of(OLD_VERSIONS)


def test_rows_of_a_week_that_is_not_over_are_refused_until_it_is(stores: Stores, archive: Path) -> None:
    friday = ArchiveSlice.parse("b1|2024-W06").week.end - 3 * DAY

    done = bring(stores, archive, now=friday)

    assert done.counts == (2, 4, 3, 0, 1, 0, 0)
    assert done.reasons == ["its week 2024-W06 is not over yet (its end and ASSESS_GRACE); import it after that"]
    assert bring(stores, archive).counts == (2, 4, 1, 3, 0, 0, 0)


def test_a_cut_file_is_named_and_its_complete_rows_are_imported(stores: Stores, tmp_path: Path) -> None:
    rows = [cells(user_id=f"u{number}") for number in range(200)]
    path = put_archive(tmp_path, *rows, name="b1/2024-5-1.csv.gz")
    path.write_bytes(path.read_bytes()[:-30])

    done = bring(stores, path)

    assert done.counts.bad_files == 1
    assert 0 < done.counts.imported < 200
    assert done.refusals[0][:2] == (str(path), None)
    assert "was cut" in done.refusals[0].reason
    assert not done.counts.complete


def test_a_damaged_file_is_named_and_nothing_of_it_is_imported(stores: Stores, tmp_path: Path) -> None:
    path = put_archive(tmp_path, *OLD, name="b1/2024-5-1.csv.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)

    done = bring(stores, path)

    assert done.counts == (1, 0, 0, 0, 0, 1, 0)
    assert done.reasons == [
        "the file is damaged: its compressed data is wrong; copy it again, none of its rows is read"
    ]


def test_a_bad_row_does_not_hinder_the_others(stores: Stores, tmp_path: Path) -> None:
    path = put_archive(tmp_path, OLD[0], cells(user_id=""), OLD[1])

    done = bring(stores, path)

    assert done.counts == (1, 3, 2, 0, 1, 0, 0)
    assert done.refusals == [(str(path), 3, "`user_id` is missing")]


def test_the_balance_counts_imported_versions_beside_those_of_the_log(stores: Stores, archive: Path) -> None:
    """Without that, a log that lost nothing would prove that they came from nowhere."""
    bring(stores, archive)

    sheet = draw(stores, against_log=True).sheet

    assert sheet.balanced
    assert sheet.log is not None
    assert (sheet.log.imported, sheet.log.accepted, sheet.log.too_many) == (4, 0, 0)
    of_batch = draw(stores, "b2", against_log=True).sheet.log
    assert of_batch is not None
    assert of_batch.imported == 1


class DeadlyLake(DeltaLake):
    """Calls `boundary` before each effect."""

    def __init__(self, folder: Path, boundary: Fuse) -> None:
        super().__init__(Folder(folder))
        self._boundary = boundary

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        self._boundary()
        return super().append(pinned, slices, rows)

    def record(self, entries: Sequence[object]) -> None:
        self._boundary()
        super().record(entries)  # type: ignore[arg-type]

    def record_imports(self, rows: Sequence[ImportedRow]) -> None:
        self._boundary()
        super().record_imports(rows)


EFFECTS = 20
"""The effects of an import of the four rows: imports, two appends, manifest entries, slices, map entries, scores."""


@pytest.mark.parametrize("effects", range(1, EFFECTS, 4))
def test_an_import_that_is_killed_is_completed_by_the_next_one(effects: int, tmp_path: Path, archive: Path) -> None:
    fuse = Fuse(effects)
    stores = stores_over(MemoryHot(on_write=fuse), tmp_path)
    with suppress(Crash):
        bring(stores._replace(lake=DeadlyLake(tmp_path / "lake", fuse)), archive)
    fuse.left = NEVER
    in_lake = set(held(stores.lake))
    assert {(entry.version.content_hash, entry.received_at) for entry in entries(stores)} <= in_lake

    bring(stores, archive)

    assert held(stores.lake) == copies_of(OLD_VERSIONS)
    require_named(stores, OLD_VERSIONS)
    assert draw(stores, against_log=True).sheet.balanced


def test_the_effects_of_an_import_are_as_many_as_the_test_above_kills(tmp_path: Path, archive: Path) -> None:
    fuse = Fuse()
    bring(stores_over(MemoryHot(on_write=fuse), tmp_path)._replace(lake=DeadlyLake(tmp_path / "lake", fuse)), archive)

    assert fuse.calls == EFFECTS


@pytest.mark.long
def test_imports_and_a_stream_can_work_at_the_same_time(tmp_path: Path) -> None:
    """Two processes import the same files, and the same attempts arrive in the log."""
    old = tmp_path / "old"
    rows = [cells(user_id=f"u{number}", updated_on=str(RECEIVED + number % 2 * WEEK)) for number in range(30)]
    put_archive(old, *rows)
    url = f"sqlite:///{tmp_path / 'hot.sqlite'}"
    works: list[Callable[[], object]] = [
        lambda: bring(stores_over(SqliteHot(url), tmp_path), old, portion_rows=15),
        lambda: bring(stores_over(SqliteHot(url), tmp_path), old, portion_rows=30),
        lambda: [take(stores_over(SqliteHot(url), tmp_path), event(f"u{number}")) for number in range(0, 30, 2)],
    ]
    SqliteHot(url)

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()

    stores = stores_over(SqliteHot(url), tmp_path)
    bring(stores, old)
    learners = [learner for _, learner in stores.hot.all_learners()]
    assert [(len(learner.entries), len(learner.summaries)) for learner in learners] == [(1, 1)] * 30
    assert draw(stores, against_log=False).sheet.balanced
    assert held(stores.lake).total() == len(held(stores.lake)), "a copy was appended twice"


class DamagingLake(DeltaLake):
    """Damages the files that it has just written, like a failing disk."""

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        version = super().append(pinned, slices, rows)
        for file in self.pin().files():
            Path(file.url).write_bytes(Path(file.url).read_bytes()[:-100])
        return version


def test_rows_that_cannot_be_read_back_do_not_get_into_the_scores(
    tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_PATIENCE", 0)
    stores = stores_over(MemoryHot(), tmp_path)

    with pytest.raises(VerifyFailed):
        bring(stores._replace(lake=DamagingLake(Folder(tmp_path / "lake"))), archive)

    assert entries(stores) == set()
