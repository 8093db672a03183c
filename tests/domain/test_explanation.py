"""Which version counts, and by which rule."""

from itertools import permutations

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.explanation import Judgement, Rule, judge
from assess_core.domain.scores import Entry, derive
from tests.factories import ATTEMPTED, answer, version


def scored(score: float, **named: object) -> AttemptVersion:
    return version(answers=[answer(score=score, max_score=10.0)], **named)  # type: ignore[arg-type]


def judged(*rows: AttemptVersion) -> Judgement:
    [found] = judge(map(Entry.of, rows))
    return found


def test_the_only_version_of_an_attempt_counts() -> None:
    [only] = judged(scored(1.0)).versions
    assert (only.counts, only.superseded_by, only.rule) == (True, None, Rule.ONLY)


def test_the_version_that_was_attempted_later_counts_in_whatever_order_they_arrive() -> None:
    rows = [scored(9.0), scored(1.0, attempted=ATTEMPTED + 1), scored(5.0, attempted=ATTEMPTED + 2)]
    expected = judged(*rows)
    newest, *others = expected.versions
    assert (newest.entry.score, newest.rule) == (5.0, Rule.LATER)
    assert [(each.entry.score, each.rule) for each in others] == [(1.0, Rule.LATER), (9.0, Rule.LATER)]
    assert {each.superseded_by for each in others} == {newest.entry.version.content_hash}
    assert all(judged(*order) == expected for order in permutations(rows))


def test_of_versions_with_one_time_the_one_with_answers_counts() -> None:
    with_answers, without = judged(version(answers=[]), scored(0.0)).versions
    assert (with_answers.entry.version.has_answers, with_answers.rule) == (True, Rule.ANSWERS)
    assert (without.counts, without.rule) == (False, Rule.ANSWERS)


def test_otherwise_the_higher_content_hash_counts() -> None:
    winner, loser = judged(scored(1.0), scored(2.0)).versions
    assert winner.entry.version.content_hash > loser.entry.version.content_hash
    assert winner.rule is loser.rule is Rule.HASH


def test_of_attempts_with_the_best_score_the_smallest_id_is_named() -> None:
    found = judged(scored(8.0, attempt_id="t2"), scored(8.0, attempt_id="t1"), scored(3.0, attempt_id="t3"))
    assert (found.best, found.as_good) == ("t1", ("t2",))


def test_a_superseded_version_with_a_higher_score_is_not_the_best() -> None:
    found = judged(scored(9.0), scored(1.0, attempted=ATTEMPTED + 1))
    assert found.summary.best_score == 1.0


def test_every_batch_and_course_gets_its_own_judgement_with_the_score_that_readers_get() -> None:
    rows = [
        *(scored(n, batch_id="b2", attempt_id=f"t{n}") for n in range(3)),
        *(scored(n, batch_id="b1", course_id="c2", attempt_id=f"t{n}") for n in range(2)),
        scored(4.0, batch_id="b1"),
    ]
    entries = list(map(Entry.of, rows))
    found = judge(entries)
    assert [(each.key.batch_id, each.key.course_id) for each in found] == [("b1", "c1"), ("b1", "c2"), ("b2", "c1")]
    assert {each.key: each.summary for each in found} == derive(entries).summaries
