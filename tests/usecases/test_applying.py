"""Corrections in force: every answer counts with them, in both tiers, whatever arrives and whatever is killed."""

from pathlib import Path

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.correction_records import Decision, correction_record
from assess_core.domain.corrections import Correction, Drop, FullMarks, Maximum, Scale, corrected_version
from assess_core.domain.register import Kind
from assess_core.domain.scores import Entry, Summary, derive
from assess_core.errors import BadCorrection, UnknownBatch, UnknownCorrection
from assess_core.ports.stores import Stores
from assess_core.usecases.applying import Swept, apply, revert, sweep, unfinished
from assess_core.usecases.correcting import NamedCorrection, regraded
from assess_core.usecases.corrections_in_force import all_entered, corrections_in_force
from assess_core.usecases.registering import agree, enter
from assess_core.usecases.restoring import begin_rebuild, rebuild
from assess_core.wiring import stores_of
from tests.balances import draw
from tests.conftest import Hot
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event, wire_answer
from tests.lakes import stores_over
from tests.loop import NOW, everything, put_away, queries, take
from tests.properties.interruptions import At, Fuse, until_crash, watched
from tests.properties.tables import rows

FULL = Correction("a1", "q1", FullMarks())
DROP = Correction("a1", "q2", Drop())
LATE = Correction("a1", "q1", Scale(10.0), attempted_from=ATTEMPTED + 1)


STORES_AND_TIERS = [("memory", False), ("sqlite", False), ("cassandra", False), ("sqlite", True)]
"""Where attempts are. The lake is the same for every hot store, so one of them is enough for archived attempts."""


@pytest.fixture
def stores(hot: Hot, tmp_path: Path) -> Stores:
    return stores_over(hot, tmp_path)


def decided(at: int = NOW) -> Decision:
    return Decision("Asha", "two options were right", at)


def applied(stores: Stores, correction: Correction = FULL, at: int = NOW) -> str:
    return apply(stores, NamedCorrection("rule.json", correction), decided(at)).id


def sent(user: str = "u1", attempt: str = "t1", score: float = 1.0, **more: object) -> dict[str, object]:
    answers = [wire_answer("q1", score, 4.0), wire_answer("q2", 2.0, 2.0)]
    return event(user=user, attempt=attempt, answers=answers, **more)


def some() -> list[dict[str, object]]:
    """Two learners; u1 has a superseded version, two attempts and another assessment."""
    return [
        sent(),
        sent(attempted=ATTEMPTED - 1, score=3.0),
        sent(attempt="t2", score=2.0),
        sent(content="a2"),
        sent("u2", attempted=ATTEMPTED + 5),
    ]


def answers(stores: Stores) -> dict[str, object]:
    return everything(queries(stores), ("u1", "u2", "u3"), ("b1",), ("a1", "a2"))


def scores(stores: Stores) -> dict[str, tuple[float, float, float]]:
    found = (queries(stores).score(user, "a1").found for user in ("u1", "u2"))
    return {one.user_id: (one.best_score, one.total_max_score, one.min_score) for [one] in found}


def agrees(stores: Stores) -> bool:
    """Whether the stored columns and every read are those of the corrected answers."""
    with stores.union() as union:
        rows = list(union.all_attempts())
    corrections = [one.correction for one in corrections_in_force(stores.hot.register)]
    derived = derive(Entry.of(corrected_version(row, corrections)) for row in rows)
    kept = {key: one for _, learner in stores.hot.all_learners() for key, one in learner.summaries.items()}
    assert {key: _plain(one) for key, one in kept.items()} == {
        key: _plain(one) for key, one in derived.summaries.items()
    }
    activities = {one.key: one for one in stores.hot.all_activities()}
    assert {key: _plain(one) for key, one in activities.items()} == {
        key: _plain(one) for key, one in derived.activities.items()
    }
    ask = queries(stores)
    for key, summary in derived.summaries.items():
        [one] = ask.score(key.user_id, key.assessment_id, key.course_id, key.batch_id).found
        assert (one.best_score, one.total_max_score, one.min_score, one.average_score) == (
            *(summary.best_score, summary.total_max_score, summary.min_score, summary.average_score),
        )
    for row in rows:
        shown = ask.attempt(row.key)
        want = corrected_version(row, corrections)
        assert shown is not None
        assert (shown.total_score, shown.grand_total) == (want.total_score, want.grand_total)
        assert (shown.original_score, shown.original_max_score) == (row.total_score, row.total_max_score)
    return True


def _plain(found: object) -> dict[str, object]:
    return {name: getattr(found, name) for name in found.__struct_fields__ if name != "versions"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("hot", "archived"), STORES_AND_TIERS, indirect=["hot"])
def test_a_correction_in_force_changes_every_score_in_both_tiers(stores: Stores, archived: bool) -> None:
    take(stores, *some())
    if archived:
        assert put_away(stores)

    applied(stores)

    assert scores(stores) == {"u1": (6.0, 6.0, 6.0), "u2": (6.0, 6.0, 6.0)}
    assert agrees(stores)


@pytest.mark.parametrize(("hot", "archived"), STORES_AND_TIERS, indirect=["hot"])
def test_apply_and_revert_change_nothing(stores: Stores, archived: bool) -> None:
    take(stores, *some())
    if archived:
        put_away(stores)
    before = answers(stores)

    id_ = applied(stores)
    assert answers(stores) != before
    revert(stores, id_, decided(NOW + 1))

    assert answers(stores) == before


def test_a_sweep_counts_the_scores_that_changed_as_a_dry_run_lists_them(stores: Stores) -> None:
    take(stores, *some(), sent("u3", score=4.0))
    named = NamedCorrection("rule.json", FULL)
    with regraded(stores, [named]) as changes:
        listed = sum(1 for _ in changes)

    done = apply(stores, named, decided())

    assert (done.swept.attempts, done.swept.scores) == (5, listed)  # u3 has full marks already
    assert listed == 2


def test_a_correction_that_is_applied_twice_changes_nothing_but_itself(stores: Stores) -> None:
    take(stores, *some())
    first = apply(stores, NamedCorrection("rule.json", FULL), decided())
    before = answers(stores)

    again = apply(stores, NamedCorrection("again.json", FULL), Decision("Bina", "as well", NOW + 1))

    assert (first.id, first.is_new, first.swept.attempts) == (again.id, True, 4)
    assert (again.is_new, again.swept.scores) == (False, 0)
    assert [one.decided.decision.by for one in all_entered(stores.hot.register)] == ["Asha"]
    assert answers(stores) == before


def test_several_corrections_apply_in_the_order_of_their_decisions(stores: Stores) -> None:
    take(stores, *some())
    applied(stores, Correction("a1", "q1", Maximum(8.0)), NOW + 1)
    applied(stores, DROP, NOW + 2)
    applied(stores, LATE, NOW + 3)
    applied(stores, FULL, NOW)

    assert scores(stores) == {"u1": (4.0, 8.0, 4.0), "u2": (5.0, 10.0, 5.0)}
    assert agrees(stores)


@pytest.mark.parametrize(("hot", "archived"), STORES_AND_TIERS, indirect=["hot"])
def test_attempts_that_arrive_later_count_with_the_correction(stores: Stores, archived: bool) -> None:
    take(stores, *some())
    applied(stores)
    if archived:
        put_away(stores)

    take(stores, sent(attempt="t3", score=0.5), sent("u3", content="a2"), sent("u3", content="a1"))
    take(stores, *some(), received=RECEIVED + WEEK)
    take(stores, event(user="u1", answers=[]))

    assert scores(stores)["u1"] == (6.0, 6.0, 6.0)
    assert agrees(stores)


def test_a_score_is_right_before_the_sweep_has_reached_the_learner(stores: Stores) -> None:
    take(stores, *some())
    put_away(stores)
    record = correction_record(FULL, decided(), [])
    enter(stores.hot, stores.lake, [record])

    assert scores(stores) == {"u1": (6.0, 6.0, 6.0), "u2": (6.0, 6.0, 6.0)}
    assert [one.decided.id for one in unfinished(stores.hot)] == [record.id]

    applied(stores)
    assert unfinished(stores.hot) == []
    assert agrees(stores)


@pytest.mark.parametrize("calls", range(1, 61, 12))
@pytest.mark.parametrize("reverts", [False, True])
def test_an_apply_or_revert_that_is_killed_is_completed_by_the_same_command(
    tmp_path: Path, calls: int, reverts: bool
) -> None:
    stores = stores_over(MemoryHot(), tmp_path)
    take(stores, *some())
    id_ = applied(stores) if reverts else "none"

    def command(stores: Stores) -> None:
        _ = revert(stores, id_, decided(NOW + 1)) if reverts else applied(stores)

    until_crash(lambda: command(stores._replace(hot=watched(stores.hot, Fuse(calls)))))
    command(stores)

    assert agrees(stores)
    assert unfinished(stores.hot) == []
    assert len(corrections_in_force(stores.hot.register)) == (not reverts)


@pytest.mark.long
@pytest.mark.parametrize("moment", range(20))
def test_a_correction_that_comes_during_a_fold_counts(tmp_path: Path, moment: int) -> None:
    hot = MemoryHot()
    stores = stores_over(hot, tmp_path)
    take(stores, *some())
    if moment % 2:
        put_away(stores)
    other = At(moment, lambda: applied(stores))

    take(stores._replace(hot=watched(hot, other)), sent(attempt="t9", score=0.0))

    assert other.has_run
    assert agrees(stores)


@pytest.mark.parametrize("moment", range(0, 60, 8))
def test_attempts_that_come_during_an_apply_count_with_the_correction(tmp_path: Path, moment: int) -> None:
    hot = MemoryHot()
    stores = stores_over(hot, tmp_path)
    take(stores, *some())
    other = At(moment, lambda: take(stores, sent(attempt="t9", score=0.0), sent("u3"), sent("u2", attempted=ATTEMPTED)))

    applied(stores._replace(hot=watched(hot, other)))

    assert other.has_run
    assert agrees(stores)


def test_stored_scores_wait_for_the_sweep_where_a_fold_lacks_archived_answers(stores: Stores) -> None:
    take(stores, *some())
    put_away(stores)
    enter(stores.hot, stores.lake, [correction_record(FULL, decided(), [])])
    before = stores.hot.learners(["u1"])["u1"].summaries

    take(stores, sent(attempt="t9", score=0.0))

    assert stores.hot.learners(["u1"])["u1"].summaries == before
    assert scores(stores)["u1"] == (6.0, 6.0, 6.0)
    applied(stores)
    assert agrees(stores)


@pytest.mark.long
@pytest.mark.parametrize("archived", [False, True])
def test_a_rebuilt_hot_store_has_the_corrected_scores(tmp_path: Path, archived: bool) -> None:
    stores = stores_over(MemoryHot(), tmp_path)
    take(stores, *some())
    put_away(stores)
    applied(stores, DROP)
    revert(stores, applied(stores), decided(NOW + 1))
    if archived:
        take(stores, sent(attempt="t9", score=0.0))
        put_away(stores)
    before = answers(stores)
    lost = stores_of(MemoryHot(), stores.log, stores.lake, stores.exhausts)

    for _ in range(2):
        for week in begin_rebuild(lost):
            rebuild(week, lost)
        sweep(lost, all_entered(lost.hot.register))

    assert answers(lost) == before
    assert unfinished(lost.hot) == []
    assert agrees(lost)


def test_a_sweep_of_an_installation_whose_learners_were_all_erased_is_carried_out(stores: Stores) -> None:
    take(stores, sent())
    applied(stores)
    lost = stores_of(MemoryHot(), stores.log, stores.lake, stores.exhausts)
    begin_rebuild(lost)

    assert sweep(lost, all_entered(lost.hot.register)) == Swept(0, 0)
    assert unfinished(lost.hot) == []


def test_a_view_without_a_decision_never_replaces_one_with_it(stores: Stores) -> None:
    take(stores, sent())

    def stored() -> list[Summary]:
        return list(stores.hot.learners(["u1"])["u1"].summaries.values())

    submitted = stored()
    id_ = applied(stores)
    corrected = stored()
    stores.hot.put_summaries(submitted)
    assert stored() == corrected != submitted

    revert(stores, id_, decided(NOW + 1))
    reverted = stored()
    stores.hot.put_summaries(corrected)
    assert stored() == reverted != corrected


def test_versions_rows_and_balance_stay_as_they_are(stores: Stores) -> None:
    take(stores, *some())
    put_away(stores)
    take(stores, sent(attempt="t4"), received=RECEIVED + WEEK)

    def held() -> object:
        entries = {user: set(learner.entries) for user, learner in stores.hot.all_learners()}
        sheet = draw(stores).sheet
        return entries, rows(stores.hot), stores.lake.pin().files(), sheet, sheet.balanced

    before = held()
    applied(stores)

    assert held() == before


def test_a_correction_survives_the_loss_of_either_store(tmp_path: Path) -> None:
    stores = stores_over(MemoryHot(), tmp_path / "first")
    take(stores, *some())
    id_ = applied(stores)
    hot = MemoryHot()

    agree(hot, stores.lake, stores.keys)
    assert [one.id for one in corrections_in_force(hot.register)] == [id_]

    other = stores_over(hot, tmp_path / "second")
    agree(hot, other.lake, other.keys)
    assert other.lake.register.all(Kind.CORRECTION) == stores.lake.register.all(Kind.CORRECTION)


@pytest.mark.parametrize(
    ("correction", "problem"),
    [
        (Correction("a1", "q9", FullMarks()), "no attempt in the scope has an answer to question 'q9'"),
        (Correction("a9", "q1", FullMarks()), "no attempt at assessment 'a9' is in the scope"),
        (Correction("a1", "q1", FullMarks(), batches=("b9",)), "b9"),
    ],
)
def test_a_correction_that_matches_nothing_is_refused_and_nothing_is_entered(
    stores: Stores, correction: Correction, problem: str
) -> None:
    take(stores, *some())

    with pytest.raises((BadCorrection, UnknownBatch), match=problem):
        applied(stores, correction)
    for register in (stores.hot.register, stores.lake.register):
        assert register.all(Kind.CORRECTION) == []


def test_an_unknown_correction_cannot_be_reverted(stores: Stores) -> None:
    with pytest.raises(UnknownCorrection, match="no correction 'x-1'; `assess correct list`"):
        revert(stores, "x-1", decided())


def test_an_answer_that_cannot_be_scaled_and_comes_later_stays_as_it_is(stores: Stores) -> None:
    take(stores, sent())
    applied(stores, Correction("a1", "q1", Scale(8.0)))

    take(stores, event(user="u2", answers=[wire_answer("q1", 1.0, 0.0)]))

    assert scores(stores) == {"u1": (4.0, 10.0, 4.0), "u2": (1.0, 0.0, 1.0)}
    assert agrees(stores)
