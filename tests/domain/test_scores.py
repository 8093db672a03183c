"""Scores of a learner: pure functions of the set of versions."""

from itertools import permutations

import pytest

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey, derive, newest_versions
from assess_core.domain.slices import ArchiveSlice
from tests.factories import ATTEMPTED, RECEIVED, answer, key, version

KEY = SummaryKey("u1", "a1", "c1", "b1")


def scored(attempt: str, score: float, at: int = ATTEMPTED, max_score: float = 10.0, **named: str) -> AttemptVersion:
    """A version of an attempt with one answer of this score."""
    return version(key(attempt_id=attempt, **named), at, [answer(score=score, max_score=max_score)])


def summary(*rows: AttemptVersion) -> Summary:
    """The only summary of these versions. It must be the same for every order."""
    found = [derive(map(Entry.of, order)).summaries for order in permutations(rows)]
    assert all(summaries == found[0] for summaries in found)
    [only] = found[0].values()
    return only


def activity(*rows: AttemptVersion) -> Activity:
    """The only row of `user_activity_agg` of these versions. It must be the same for every order."""
    found = [derive(map(Entry.of, order)).activities for order in permutations(rows)]
    assert all(activities == found[0] for activities in found)
    [only] = found[0].values()
    return only


def test_an_entry_has_the_version_and_the_key_of_its_row() -> None:
    row = version()
    entry = Entry.of(row)

    assert entry == (KEY, "t1", row.version, row.total_score, row.total_max_score, RECEIVED)
    assert entry.row_key == row.row_key
    assert entry.row_key.slice == ArchiveSlice.of("b1", RECEIVED)


def test_best_last_lowest_and_average_are_over_the_newest_version_of_each_attempt() -> None:
    found = summary(
        scored("t1", 9, ATTEMPTED), scored("t1", 4, ATTEMPTED + 2), scored("t2", 6, ATTEMPTED + 1), scored("t3", 5)
    )

    assert found == Summary(
        key=KEY,
        last_attempted_score=4.0,
        total_max_score=10.0,
        best_score=6.0,
        min_score=4.0,
        average_score=5.0,
        attempts_count=3,
        updated_on=ATTEMPTED + 2,
        versions=4,
    )


def test_if_scores_tie_the_attempt_with_the_smallest_id_is_best_and_gives_the_maximum() -> None:
    found = summary(scored("t2", 5, max_score=20), scored("t1", 5, max_score=8), scored("t3", 4, max_score=100))

    assert (found.best_score, found.total_max_score) == (5.0, 8.0)


def test_best_is_the_highest_score_not_the_highest_percentage() -> None:
    found = summary(scored("t1", 5, max_score=5), scored("t2", 6, max_score=100))

    assert (found.best_score, found.total_max_score) == (6.0, 100.0)


def test_negative_scores_count_like_any_other() -> None:
    found = summary(scored("t1", -3), scored("t2", -1))

    assert (found.best_score, found.min_score, found.average_score) == (-1.0, -3.0, -2.0)


def test_at_equal_clocks_a_version_with_answers_is_newer() -> None:
    empty = version(answers=[])

    assert newest_versions([Entry.of(empty), Entry.of(version())]) == [Entry.of(version())]
    assert summary(empty, version()).best_score == 1.0


def test_at_equal_clocks_the_higher_version_is_newer_in_any_order_of_arrival() -> None:
    one, other = scored("t1", 3), scored("t1", 7)
    newer = max(one, other, key=lambda row: row.version)

    assert summary(one, other).last_attempted_score == newer.total_score
    assert summary(one, other).versions == 2


def test_derived_data_does_not_depend_on_receipts() -> None:
    one, other = (version(received=RECEIVED + late) for late in (0, 1000))

    assert derive([Entry.of(one)]) == derive([Entry.of(other)])


def test_scores_have_an_average_even_if_their_sum_overflows() -> None:
    assert summary(scored("t1", 1.5e308), scored("t2", 1.5e308)).average_score == 1.5e308


def test_an_average_is_the_plain_sum_divided_by_the_number_of_attempts() -> None:
    rows = [scored(f"t{number}", 0.1) for number in range(10)]

    assert derive(map(Entry.of, rows)).summaries[KEY].average_score == 0.09999999999999999


def test_each_assessment_in_each_batch_of_each_course_has_a_summary() -> None:
    rows = [scored("t1", 1), scored("t1", 2, content_id="a2"), scored("t1", 3, batch_id="b2")]
    rows.append(scored("t1", 4, course_id="c2"))

    found = derive(map(Entry.of, rows))

    assert {of: value.best_score for of, value in found.summaries.items()} == {
        KEY: 1.0,
        KEY._replace(assessment_id="a2"): 2.0,
        KEY._replace(batch_id="b2"): 3.0,
        KEY._replace(course_id="c2"): 4.0,
    }
    assert sorted(found.activities) == [("u1", "c1", "b1"), ("u1", "c1", "b2"), ("u1", "c2", "b1")]


def test_an_activity_has_the_best_score_its_maximum_and_the_attempts_of_each_assessment() -> None:
    rows = [scored("t1", 3), scored("t2", 5, max_score=6), scored("t1", 1, ATTEMPTED + 5, content_id="a0")]

    found = activity(*rows)

    assert found.key == ActivityKey("u1", "c1", "b1")
    assert (found.key.activity_type, found.key.context_id) == ("Course", "cb:b1")
    assert found.aggregates == {
        "score:a0": 1.0,
        "max_score:a0": 10.0,
        "attempts_count:a0": 1.0,
        "score:a1": 5.0,
        "max_score:a1": 6.0,
        "attempts_count:a1": 2.0,
    }
    assert found.agg_last_updated == {name: ATTEMPTED + 5 * name.endswith("a0") for name in found.aggregates}
    assert found.versions == 3


def test_details_are_ordered_by_assessment_then_attempt_and_not_by_arrival() -> None:
    rows = [scored("t2", 1), scored("t1", 2), scored("t1", 3, content_id="a0"), scored("t2", 9, ATTEMPTED - 1)]

    assert [detail.split('"')[3] + detail.split('"content_id":')[1][:4] for detail in activity(*rows).agg_details] == [
        't1"a0"',
        't1"a1"',
        't2"a1"',
    ]


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        (1_569_304_757_079, "Sep 24, 2019, 5:59:17 AM"),
        (1_578_663_044_164, "Jan 10, 2020, 1:30:44 PM"),
        (1_706_572_800_000, "Jan 30, 2024, 12:00:00 AM"),
        (1_706_616_000_000, "Jan 30, 2024, 12:00:00 PM"),
        (1_704_067_199_000, "Dec 31, 2023, 11:59:59 PM"),
    ],
)
def test_a_detail_has_sunbirds_text_for_an_attempt(clock: int, text: str) -> None:
    assert activity(scored("t1", 1.33, clock, max_score=2)).agg_details == [
        f'{{"attempt_id":"t1","last_attempted_on":"{text}","score":1.33,"content_id":"a1","max_score":2.0,'
        '"type":"attempt_metrics"}'
    ]
