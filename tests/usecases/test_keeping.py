"""A drop that keeps scores: reports of scores, rebuilds and corrections go on as before, and no answer is left."""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.completeness import dropped_sentence, kept_sentence
from assess_core.domain.holds import Target, hold_record, new_hold
from assess_core.domain.manifest import NOTHING, Action, by_slice
from assess_core.domain.report_formats import ImageFormat
from assess_core.domain.report_spec import Report, ReportSpec, Versions
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import ReportFailed, StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import verify
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.dropping import Dropped, drop
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.holds import add_hold, held_slices, read_holds
from assess_core.usecases.registering import agree
from assess_core.usecases.restoring import begin_rebuild, rebuild
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.seals import check, seal
from assess_core.usecases.story import story
from assess_core.usecases.tables import Name
from assess_core.usecases.tickets import release, reprint
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event
from tests.lakes import Prepared, asked, stores_over
from tests.loop import NOW, put_away, queries, take

pytestmark = pytest.mark.xdist_group("keeping")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")
W6 = ArchiveSlice.parse("b1|2024-W06")
SCORES = (
    asked("b1", Report.SCORE),
    asked("b1", Report.SCORE, versions=Versions.ALL),
    asked("b1", Report.SUMMARY),
    asked("b1", Report.PROGRESS),
)
"""Reports that need no answers."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        take(stores, event(), event(user="u2", attempt="t2"), event(attempted=ATTEMPTED + 1000))
        take(stores, event(attempt="t9", attempted=ATTEMPTED + WEEK), received=RECEIVED + WEEK)
        take(stores, event(user="u2", attempt="t2", attempted=ATTEMPTED + WEEK), received=RECEIVED + WEEK)
        put_away(stores)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Three versions of two attempts in week 5, a newer version and another attempt in week 6, all in the lake only."""
    return prepared.copy(tmp_path)


@pytest.fixture(scope="module")
def prepared_kept(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Prepared:
    return prepared.then(tmp_path_factory.mktemp("prepared"), keep_scores)


@pytest.fixture
def kept(prepared_kept: Prepared, tmp_path: Path) -> Stores:
    """The stores of `stores`, after a drop of week 5 that kept its scores."""
    return prepared_kept.copy(tmp_path)


def keep_scores(stores: Stores, *slices: ArchiveSlice) -> dict[ArchiveSlice, Dropped]:
    chosen = slices or (W5,)
    return drop(chosen, stores, NOW, keeping=chosen)


def content(stores: Stores, spec: ReportSpec) -> bytes:
    return Path(write_exhaust(stores, spec).path).read_bytes()


def kept_rows(stores: Stores) -> int:
    return sum(file.rows for file in stores.lake.pin_scores().files())


def actions(stores: Stores, slice_: ArchiveSlice = W5) -> list[Action]:
    return [entry.action for entry in sorted(stores.lake.manifest([slice_]), key=lambda entry: entry.number)]


def test_reports_of_scores_have_the_same_bytes_as_before(stores: Stores) -> None:
    before = [content(stores, spec) for spec in SCORES]

    assert keep_scores(stores) == {W5: Dropped(3, None, 3)}

    assert stores.lake.slices(stores.lake.pin(), W5.week) == []
    assert [content(stores, spec) for spec in SCORES] == before


def test_no_answer_is_in_the_table_of_scores(kept: Stores, tmp_path: Path) -> None:
    rows = DeltaTable(str(tmp_path / "lake" / "scores")).to_pyarrow_table().to_pylist()
    assert [(row["question"], row["answers"]) for row in rows] == [(None, 1)] * 3


@pytest.mark.long
def test_the_sidecar_says_what_comes_from_kept_scores(kept: Stores) -> None:
    of_scores = write_exhaust(kept, asked("b1", Report.SCORE)).sidecar.slices
    assert (of_scores.expected, of_scores.read, of_scores.dropped) == (2, 2, 0)
    assert (of_scores.kept_scores, of_scores.from_kept_scores) == (1, 3)
    assert dropped_sentence(of_scores) is None
    assert "scores without answers: 3 versions of this report" in (kept_sentence(of_scores) or "")
    of_answers = write_exhaust(kept, asked("b1", Report.RESPONSE)).sidecar.slices
    assert (of_answers.expected, of_answers.read, of_answers.dropped) == (1, 1, 1)
    assert (of_answers.kept_scores, of_answers.from_kept_scores) == (1, 0)
    assert "retention dropped 3 versions" in (dropped_sentence(of_answers) or "")


@pytest.mark.long
def test_reports_that_need_answers_are_as_after_a_plain_drop(kept: Stores) -> None:
    reports = (Report.RESPONSE, Report.ITEM_ANALYSIS, Report.ASSESSMENT_ANALYSIS, Report.OVERVIEW)
    with_scores = {report: content(kept, asked("b1", report)) for report in reports}

    drop([W5], kept, NOW)

    assert kept_rows(kept) == 0
    assert {report: content(kept, asked("b1", report)) for report in reports} == with_scores


@pytest.mark.long
def test_pictures_beside_a_report_of_scores_show_the_versions_with_answers(kept: Stores) -> None:
    spec = asked("b1", Report.SUMMARY, pictures=(ImageFormat.SVG,))
    pictures = [Path(path).read_bytes() for path in write_exhaust(kept, spec).pictures]

    drop([W5], kept, NOW)

    assert [Path(path).read_bytes() for path in write_exhaust(kept, spec).pictures] == pictures


@pytest.mark.long
def test_the_manifest_says_what_is_kept_and_a_later_drop_deletes_it(kept: Stores) -> None:
    assert actions(kept)[-2:] == [Action.KEPT, Action.DROPPED]
    record = by_slice(kept.lake.manifest([W5]))[W5]
    assert record.archived is not None
    assert record.kept_scores[:3] == record.archived.contents[:3]
    assert record.kept_scores.digest != record.archived.contents.digest

    assert drop([W5], kept, NOW) == {W5: Dropped(0)}
    assert kept_rows(kept) == 0
    record = by_slice(kept.lake.manifest([W5]))[W5]
    assert record.kept is not None
    assert (record.kept.contents, record.kept.cleared) == (NOTHING, 3)
    assert verify([W5], kept, NOW)[W5].problem is None


@pytest.mark.long
def test_a_repeated_drop_changes_nothing(stores: Stores) -> None:
    keep_scores(stores)
    before = (stores.lake.manifest(), stores.lake.pin().version, stores.lake.pin_scores().version)

    assert keep_scores(stores) == {W5: Dropped(0, None, 3)}
    assert (stores.lake.manifest(), stores.lake.pin().version, stores.lake.pin_scores().version) == before


def test_scores_survive_the_loss_of_the_hot_store(stores: Stores, tmp_path: Path) -> None:
    tables = (Name.SUMMARIES, Name.ACTIVITY)
    before = [list(queries(stores).table(name)) for name in tables]
    reports = [content(stores, spec) for spec in SCORES]
    keep_scores(stores)

    lost = stores_over(MemoryHot(), tmp_path)
    assert [rebuild(week, lost).problems for week in begin_rebuild(lost)] == [(), ()]

    assert [list(queries(lost).table(name)) for name in tables] == before
    assert [content(lost, spec) for spec in SCORES] == reports


def killed(*_: object, **__: object) -> int:
    raise StoreUnavailable("killed")


@pytest.mark.long
@pytest.mark.parametrize("step", ["record", "replace_scores", "replace"])
def test_a_killed_drop_is_completed_by_the_next_one(stores: Stores, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before = [content(stores, spec) for spec in SCORES]
    with monkeypatch.context() as patched:
        patched.setattr(stores.lake, step, killed)
        with pytest.raises(StoreUnavailable):
            keep_scores(stores)
    assert [content(stores, spec) for spec in SCORES] == before
    assert verify([W5], stores, NOW)[W5].problem is None

    assert keep_scores(stores) == {W5: Dropped(3, None, 3)}
    assert (actions(stores).count(Action.KEPT), actions(stores).count(Action.DROPPED)) == (1, 1)
    assert verify([W5], stores, NOW)[W5].problem is None
    assert [content(stores, spec) for spec in SCORES] == before


@pytest.mark.long
def test_scores_that_a_killed_drop_did_not_delete_are_deleted_by_the_next_one(
    kept: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(kept.lake, "replace_scores", killed)
        with pytest.raises(StoreUnavailable):
            drop([W5], kept, NOW)
    assert verify([W5], kept, NOW)[W5].problem is None

    drop([W5], kept, NOW)

    assert (kept_rows(kept), actions(kept).count(Action.KEPT)) == (0, 2)


@pytest.mark.long
def test_versions_that_arrive_after_the_drop_are_kept_too(stores: Stores) -> None:
    keep_scores(stores)
    take(stores, event(user="u3", attempt="t3"))
    put_away(stores)
    before = [content(stores, spec) for spec in SCORES]

    assert keep_scores(stores) == {W5: Dropped(1, None, 4)}

    assert [content(stores, spec) for spec in SCORES] == before
    assert verify([W5], stores, NOW)[W5].problem is None


@pytest.mark.long
def test_an_event_that_arrives_again_brings_nothing_back(kept: Stores) -> None:
    take(kept, event(), event(user="u2", attempt="t2"))

    assert (kept.hot.held(), kept_rows(kept)) == ([], 3)


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    ["total_score = total_score + 1", "grand_total = '9.0/9.0'", "answers = 7", "corrected_score = 0.5"],
)
def test_a_changed_score_is_found_and_the_week_is_not_touched(kept: Stores, tmp_path: Path, change: str) -> None:
    column, value = change.split(" = ")
    DeltaTable(str(tmp_path / "lake" / "scores")).update({column: value}, predicate="attempt_id = 't2'")

    problem = verify([W5], kept, NOW)[W5].problem or ""
    assert "the kept scores differ from the manifest" in problem
    refused = drop([W5], kept, NOW)[W5].refused or ""
    assert "the kept scores differ from the manifest" in refused
    lost = kept._replace(hot=MemoryHot())
    assert any("the kept scores differ" in why for week in begin_rebuild(lost) for why in rebuild(week, lost).problems)
    assert kept_rows(kept) == 3


@pytest.mark.long
def test_a_report_fails_if_kept_scores_are_missing(kept: Stores, tmp_path: Path) -> None:
    DeltaTable(str(tmp_path / "lake" / "scores")).delete("attempt_id = 't2'")

    with pytest.raises(ReportFailed, match=r"only 2 of 3 kept scores of slice b1\|2024-W05 were read"):
        write_exhaust(kept, asked("b1", Report.SUMMARY))
    assert write_exhaust(kept, asked("b1", Report.RESPONSE)).sidecar.complete


@pytest.mark.long
def test_a_hold_on_a_learner_protects_kept_scores(kept: Stores) -> None:
    add_hold(kept, Target.LEARNER, "u2", "examinations office", "case 12", NOW)

    assert W5 in held_slices(kept.lake, read_holds(kept.hot, NOW), [W5])
    assert "case 12" in (drop([W5], kept, NOW)[W5].refused or "")
    assert kept_rows(kept) == 3


def entered(stores: Stores) -> None:
    add_hold(stores, Target.LEARNER, "u2", "examinations office", "case 12", NOW)


def brought_into_force(stores: Stores) -> None:
    """Whoever entered it was killed after its first write."""
    hold = new_hold(Target.LEARNER, "u2", "examinations office", "case 12", NOW)
    stores.lake.register.add([hold_record(hold)])
    agree(stores.hot, stores.lake, stores.keys)


@pytest.mark.long
@pytest.mark.parametrize("hold", [entered, brought_into_force])
def test_a_hold_that_comes_into_force_while_scores_are_written_stops_the_drop(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, hold: Callable[[Stores], None]
) -> None:
    write = stores.lake.replace_scores

    def held_meanwhile(*args: Any) -> int:
        monkeypatch.undo()
        hold(stores)
        return write(*args)

    monkeypatch.setattr(stores.lake, "replace_scores", held_meanwhile)

    assert "case 12" in (keep_scores(stores)[W5].refused or "")
    assert stores.lake.slices(stores.lake.pin(), W5.week) == [W5]
    assert verify([W5], stores, NOW)[W5].problem is None


@pytest.mark.long
def test_a_ticket_prints_the_report_again_after_the_scores_are_deleted(kept: Stores) -> None:
    written = write_exhaust(kept, asked("b1", Report.SUMMARY), ticket=NewTicket(WEEK, lambda: NOW))
    drop([W5], kept, NOW)

    assert any(name.startswith("scores/") for name in vacuum(kept.lake, NOW, retain=0).held)
    again = reprint(kept, written.sidecar.ticket or "", NOW)
    assert (again.difference, again.written.sidecar.sha256) == (None, written.sidecar.sha256)

    release(kept.lake.tickets, written.sidecar.ticket or "", NOW)
    assert any(name.startswith("scores/") for name in vacuum(kept.lake, NOW, retain=0).deleted)


@pytest.mark.long
def test_reading_creates_no_table_in_an_old_lake(stores: Stores, tmp_path: Path) -> None:
    for spec in SCORES:
        write_exhaust(stores, spec)
    verify([W5], stores, NOW)
    begin_rebuild(stores)

    assert not (tmp_path / "lake" / "scores").exists()


@pytest.mark.long
def test_the_digest_of_kept_scores_can_be_computed_without_this_program(kept: Stores, tmp_path: Path) -> None:
    names = ("user_id", "course_id", "batch_id", "content_id", "attempt_id", "last_attempted_on", "has_answers",
             "content_hash", "updated_on", "total_score", "total_max_score", "grand_total", "answers",
             "corrected_score", "corrected_max_score")  # fmt: skip

    def value(found: object) -> object:
        if isinstance(found, datetime):
            return round(found.timestamp() * 1000)
        return found.hex() if isinstance(found, bytes) else found

    rows = DeltaTable(str(tmp_path / "lake" / "scores")).to_pyarrow_table().to_pylist()
    texts = [json.dumps([value(row[name]) for name in names], separators=(",", ":")) for row in rows]
    digest = sum(int(hashlib.sha256(text.encode()).hexdigest(), 16) for text in texts) % (2**256 - 189)
    assert f"{digest:064x}" == by_slice(kept.lake.manifest([W5]))[W5].kept_scores.digest


@pytest.mark.long
def test_a_kept_score_is_explained_and_sealed(stores: Stores) -> None:
    sealed = seal(stores.lake, NOW)

    keep_scores(stores)

    [found] = queries(stores).explain("u1", "a1")
    assert any("Only its score is left. The lake keeps it without answers." in line for line in story(found))
    assert check(stores.lake, sealed).problems == ()
    drop([W5], stores, NOW)
    [found] = queries(stores).explain("u1", "a1")
    assert not any("The lake keeps it" in line for line in story(found))
