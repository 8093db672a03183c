"""The dry run of corrections: who would change, in both tiers, and what is refused."""

from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import Answer
from assess_core.domain.corrections import Correction, Drop, FullMarks, Key, Maximum, Rule, Scale
from assess_core.errors import BadCorrection, ReportFailed, UnknownBatch
from assess_core.ports.stores import Stores
from assess_core.usecases.correcting import NamedCorrection, regraded
from assess_core.usecases.queries import Queries
from tests.decisions import decide
from tests.factories import ATTEMPTED, WEEK, answer, event, version, wire_answer
from tests.lakes import keep, stores_over
from tests.loop import NOW, put_away, take


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return stores_over(MemoryHot(), tmp_path)


def listed(stores: Stores, *corrections: Correction, pass_mark: float | None = None) -> list[dict[str, object]]:
    named = [NamedCorrection(f"{number}.json", each) for number, each in enumerate(corrections)]
    with regraded(stores, named) as found:
        return [each.row(pass_mark) for each in found]


def of(rule: Rule, **scope: object) -> Correction:
    return structs.replace(Correction("a1", "q1", rule), **scope)


def best(rows: list[dict[str, object]]) -> dict[object, tuple[object, object]]:
    return {row["user_id"]: (row["best_score"], row["corrected_best_score"]) for row in rows}


def sheet(score: float, max_score: float = 2.0) -> list[Answer]:
    return [answer("q1", score, max_score), answer("q2", 1.0, 2.0)]


def test_only_learners_with_a_changed_attempt_are_listed(stores: Stores) -> None:
    keep(stores.hot, [version(user_id="u1", answers=sheet(0.0)), version(user_id="u2", answers=sheet(2.0))])

    [row] = listed(stores, of(FullMarks()))

    assert row == {
        "user_id": "u1", "course_id": "c1", "batch_id": "b1", "assessment_id": "a1", "attempts": 1,
        "changed_attempts": 1, "best_score": 1.0, "best_max_score": 4.0, "corrected_best_score": 3.0,
        "corrected_best_max_score": 4.0, "change": 2.0, "last_score": 1.0, "corrected_last_score": 3.0, "pass": None,
    }  # fmt: skip


def test_the_best_attempt_can_be_another_one(stores: Stores) -> None:
    first = version(attempt_id="t1", attempted=ATTEMPTED - 1, answers=[answer("q1", 2.0), answer("q2", 0.0)])
    keep(stores.hot, [first, version(attempt_id="t2", answers=[answer("q1", 0.0), answer("q2", 1.5)])])

    [row] = listed(stores, of(Drop()))

    assert (row["best_score"], row["best_max_score"]) == (2.0, 4.0)
    assert (row["corrected_best_score"], row["corrected_best_max_score"]) == (1.5, 2.0)
    assert (row["last_score"], row["corrected_last_score"]) == (1.5, 1.5)
    assert (row["attempts"], row["changed_attempts"]) == (2, 2)


def test_the_newest_version_of_an_attempt_is_corrected(stores: Stores) -> None:
    keep(stores.hot, [version(answers=sheet(0.0)), version(attempted=ATTEMPTED + 1, answers=sheet(1.5))])

    assert best(listed(stores, of(FullMarks()))) == {"u1": (2.5, 3.0)}


def test_attempts_outside_the_dates_still_decide_the_best_score(stores: Stores) -> None:
    old = version(attempt_id="t1", attempted=ATTEMPTED - WEEK, answers=sheet(1.9))
    keep(stores.hot, [old, version(attempt_id="t2", answers=sheet(0.0))])

    [row] = listed(stores, of(Maximum(1.0), attempted_from=ATTEMPTED))

    assert (row["best_score"], row["corrected_best_score"], row["changed_attempts"]) == (2.9, 2.9, 1)


@pytest.mark.parametrize(("mark", "crossed"), [(50, "gained"), (75, "gained"), (76, None), (25, None), (None, None)])
def test_a_best_score_that_reaches_the_pass_mark_is_named(stores: Stores, mark: float | None, crossed: str) -> None:
    keep(stores.hot, [version(answers=sheet(0.0))])  # 1 of 4, then 3 of 4

    assert [row["pass"] for row in listed(stores, of(FullMarks()), pass_mark=mark)] == [crossed]


def test_a_best_score_that_falls_below_the_pass_mark_is_named(stores: Stores) -> None:
    keep(stores.hot, [version(answers=[answer("q1", 2.0), answer("q2", 0.0)])])

    [row] = listed(stores, of(Drop()), pass_mark=50)

    assert row["pass"] == "lost"


def test_the_list_is_the_same_before_and_after_archive_and_clear(stores: Stores) -> None:
    rows = [version(user_id=f"u{n}", batch_id=f"b{n % 2}", answers=sheet(n / 10)) for n in range(8)]
    keep(stores.hot, rows)
    corrections = [of(Scale(1.0)), of(Maximum(0.7), batches=("b0",))]
    before = listed(stores, *corrections)
    assert len(before) == 8

    put_away(stores, stores.hot.slices()[:1])
    halfway = listed(stores, *corrections)
    put_away(stores)

    assert before == halfway == listed(stores, *corrections)


def test_the_scores_of_now_are_those_that_learners_read(stores: Stores) -> None:
    events = [event(attempt=f"t{score}", answers=[wire_answer(score=score)]) for score in (0, 1)]
    take(stores, *events)
    [score] = Queries(stores, 0, lambda: NOW).score("u1", "a1").found

    [row] = listed(stores, of(FullMarks()))

    assert (row["best_score"], row["best_max_score"], row["attempts"]) == (
        score.best_score, score.total_max_score, score.attempts_count,
    )  # fmt: skip


def test_nothing_is_written(stores: Stores) -> None:
    keep(stores.hot, [version()])
    put_away(stores)
    before = (stores.lake.pin().version, stores.hot.held(), list(stores.hot.all_learners()))

    listed(stores, of(FullMarks()))

    assert (stores.lake.pin().version, stores.hot.held(), list(stores.hot.all_learners())) == before


@pytest.mark.parametrize(
    ("correction", "problem"),
    [
        (of(FullMarks(), assessment="a9"), "1.json: no attempt at assessment 'a9' is in the scope"),
        (of(FullMarks(), course="c9"), "1.json: no attempt at assessment 'a1' is in the scope"),
        (of(FullMarks(), attempted_from=ATTEMPTED + 1), "1.json: no attempt at assessment 'a1' is in the scope"),
        (of(FullMarks(), question="q9"), "1.json: no attempt in the scope has an answer to question 'q9'"),
        (of(Key([[]])), "1.json: no answer in the scope has one of the key's responses"),
    ],
)
def test_a_correction_that_matches_nothing_is_refused_beside_one_that_matches(
    stores: Stores, correction: Correction, problem: str
) -> None:
    keep(stores.hot, [version()])

    with pytest.raises(BadCorrection, match=problem):
        listed(stores, of(FullMarks()), correction)


def test_a_division_by_zero_is_refused_before_the_first_row(stores: Stores) -> None:
    keep(stores.hot, [version(user_id="u1"), version(user_id="u2", answers=sheet(0.0, 0.0))])

    named = [NamedCorrection("x", of(Scale(1.0)))]
    with pytest.raises(BadCorrection, match="cannot be scaled"), regraded(stores, named):
        pytest.fail("a row was listed")


def test_an_unknown_batch_is_refused(stores: Stores) -> None:
    keep(stores.hot, [version()])

    with pytest.raises(UnknownBatch, match="'b9'"):
        listed(stores, of(FullMarks(), batches=("b1", "b9")))


def test_a_damaged_lake_gives_no_list(stores: Stores) -> None:
    keep(stores.hot, [version()])
    put_away(stores)
    with stores.union() as union:
        [file] = union.lake_files()
    [path] = (Path(stores.exhausts.path("")).parent / "lake").rglob(Path(file.name).name)
    path.write_bytes(b"nonsense")

    with pytest.raises(ReportFailed, match="cannot be read"):
        listed(stores, of(FullMarks()))


# --- on top of corrections in force ---


def test_a_dry_run_begins_with_the_scores_that_count_now(stores: Stores) -> None:
    keep(stores.hot, [version(user_id="u1", answers=sheet(0.0)), version(user_id="u2", answers=sheet(2.0))])
    decide(stores.hot.register, of(FullMarks()), of(FullMarks(), batches=("b9",)))

    [*rows] = listed(stores, of(Drop()))

    assert best(rows) == {"u1": (3.0, 1.0), "u2": (3.0, 1.0)}
    assert listed(stores, of(FullMarks())) == []


def test_an_answer_that_was_dropped_before_stays_dropped(stores: Stores) -> None:
    keep(stores.hot, [version(answers=sheet(1.0, 0.0))])
    decide(stores.hot.register, of(Drop()))

    assert listed(stores, of(Maximum(4.0))) == []
    assert listed(stores, of(Scale(4.0))) == []
