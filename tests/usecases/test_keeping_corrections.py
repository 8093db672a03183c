"""Corrections and kept scores: reports and maps have the same numbers, whenever a correction is entered or reverted."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.correction_records import Decision, correction_record
from assess_core.domain.corrections import Correction, Drop, FullMarks
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.applying import apply, revert, sweep, unfinished
from assess_core.usecases.correcting import NamedCorrection
from assess_core.usecases.dropping import drop
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.registering import agree
from assess_core.usecases.restoring import begin_rebuild, rebuild
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event, wire_answer
from tests.lakes import Prepared, asked, stores_over
from tests.loop import NOW, put_away, queries, take

pytestmark = pytest.mark.xdist_group("keeping corrections")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")
FULL = Correction("a1", "q1", FullMarks())
WITHOUT_Q2 = Correction("a1", "q2", Drop())


def answers(score: float) -> list[dict[str, object]]:
    return [wire_answer("q1", score, 4.0), wire_answer("q2", 2.0, 2.0)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        take(stores, event(answers=answers(1.0)), event(user="u2", answers=answers(2.0)))
        take(stores, event(attempt="t9", attempted=ATTEMPTED + WEEK, answers=answers(0.5)), received=RECEIVED + WEEK)
        put_away(stores)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Two learners in week 5, one of them with another attempt in week 6."""
    return prepared.copy(tmp_path)


def applied(stores: Stores, correction: Correction = FULL) -> str:
    return apply(stores, NamedCorrection("rule.json", correction), Decision("Asha", "a wrong key", NOW)).id


def reverted(stores: Stores, id_: str) -> None:
    revert(stores, id_, Decision("Asha", "it was right", NOW))


def keep_scores(stores: Stores) -> None:
    assert drop([W5], stores, NOW, keeping=[W5])[W5].refused is None


def of_report(stores: Stores) -> dict[str, tuple[float, float, float]]:
    """The best score, its maximum and the lowest score of each learner, from the summary report."""
    written = write_exhaust(stores, asked("b1", Report.SUMMARY, Format.CSV))
    with Path(written.path).open(newline="") as file:
        return {
            row["user_id"]: (float(row["best_score"]), float(row["best_max_score"]), float(row["lowest_score"]))
            for row in csv.DictReader(file)
        }


def of_maps(stores: Stores) -> dict[str, tuple[float, float, float]]:
    found = (queries(stores).score(user, "a1").found for user in ("u1", "u2"))
    return {one.user_id: (one.best_score, one.total_max_score, one.min_score) for [one] in found}


def test_scores_that_were_corrected_before_the_drop_stay_corrected(stores: Stores) -> None:
    applied(stores)
    before = of_report(stores)
    assert before == of_maps(stores)

    keep_scores(stores)

    assert (of_report(stores), of_maps(stores)) == (before, before)


@pytest.mark.long
def test_the_submitted_scores_count_if_no_correction_covers_kept_ones_any_more(stores: Stores) -> None:
    before = of_report(stores)
    reverted_later(stores)

    assert (of_report(stores), of_maps(stores)) == (before, before)


def another_later(stores: Stores) -> None:
    applied(stores)
    keep_scores(stores)
    applied(stores, WITHOUT_Q2)


def reverted_later(stores: Stores) -> None:
    id_ = applied(stores)
    keep_scores(stores)
    reverted(stores, id_)


def reverted_before(stores: Stores) -> None:
    reverted(stores, applied(stores))
    keep_scores(stores)
    applied(stores, WITHOUT_Q2)


@pytest.mark.long
def test_a_correction_that_is_entered_after_the_drop_counts_in_reports(stores: Stores) -> None:
    keep_scores(stores)
    before = of_maps(stores)
    applied(stores)

    assert of_report(stores) == of_maps(stores) != before


@pytest.mark.long
@pytest.mark.parametrize("change", [another_later, reverted_before])
def test_reports_show_what_the_maps_say_also_after_the_loss_of_the_hot_store(
    stores: Stores, tmp_path: Path, change: Callable[[Stores], None]
) -> None:
    change(stores)
    before = of_report(stores)
    assert before == of_maps(stores)

    lost = stores_over(MemoryHot(), tmp_path)
    for week in begin_rebuild(lost):
        rebuild(week, lost)
    sweep(lost, unfinished(lost.hot))

    assert (of_maps(lost), of_report(lost)) == (before, before)


@pytest.mark.long
def test_a_correction_that_is_entered_while_scores_are_written_counts_in_them(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = stores.lake.replace_scores

    def meanwhile(*args: Any) -> int:
        monkeypatch.undo()
        applied(stores)
        return write(*args)

    monkeypatch.setattr(stores.lake, "replace_scores", meanwhile)
    keep_scores(stores)

    assert of_report(stores)["u2"] == (6.0, 6.0, 6.0)
    assert of_report(stores) == of_maps(stores)


@pytest.mark.long
def test_a_correction_that_another_process_brings_into_force_while_scores_are_written_counts_in_them(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = stores.lake.replace_scores
    record = correction_record(FULL, Decision("Asha", "a wrong key", NOW), [])

    def meanwhile(*args: Any) -> int:
        monkeypatch.undo()
        stores.lake.register.add([record])  # the first of two writes of `apply`
        agree(stores.hot, stores.lake, stores.keys)
        take(stores, event(user="u2", attempt="t2", answers=answers(0.5)), received=RECEIVED + WEEK)
        return write(*args)

    monkeypatch.setattr(stores.lake, "replace_scores", meanwhile)
    keep_scores(stores)
    applied(stores)

    assert of_report(stores)["u2"] == (6.0, 6.0, 6.0)
    assert of_report(stores) == of_maps(stores)


@pytest.mark.long
def test_original_scores_are_shown_beside_kept_ones(stores: Stores) -> None:
    applied(stores)
    keep_scores(stores)

    written = write_exhaust(stores, asked("b1", Report.SCORE, Format.CSV, originals=True))
    with Path(written.path).open(newline="") as file:
        found = {row["user_id"]: (row["total_score"], row["original_total_score"]) for row in csv.DictReader(file)}
    assert found["u2"] == ("6.0", "4.0")


@pytest.mark.long
def test_a_repeated_drop_takes_the_corrections_that_were_entered_since_it_was_killed(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise StoreUnavailable("killed")

    with monkeypatch.context() as patched:
        patched.setattr(stores.lake, "replace", killed)  # the scores are committed
        with pytest.raises(StoreUnavailable):
            keep_scores(stores)
    applied(stores)

    keep_scores(stores)

    assert of_report(stores)["u2"] == (6.0, 6.0, 6.0)
    assert of_report(stores) == of_maps(stores)
