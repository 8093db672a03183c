"""Queries: valid and invalid requests, and that archive and clear change no result."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from assess_core.domain.attempts import AttemptVersion, RowKey
from assess_core.domain.scores import Entry, Summary, SummaryKey
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import BadRequest, UnknownBatch, VersionMissing
from assess_core.ports.stores import Stores
from assess_core.usecases.paging import cursor
from assess_core.usecases.queries import Queries
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event, key, version, wire_answer
from tests.loop import everything, pages, put_away, queries, take

LATER = ATTEMPTED + 3_600_000


def scored(score: float, **named: object) -> dict[str, object]:
    return event(answers=[wire_answer(score=score, maxscore=10.0)], **named)


@pytest.fixture
def ask(stores: Stores) -> Queries:
    return queries(stores)


def _store(stores: Stores, *rows: AttemptVersion) -> None:
    stores.hot.add_slices({row.slice for row in rows})
    stores.hot.add_rows(rows)
    stores.hot.add_entries([Entry.of(row) for row in rows])


# --- scores ---


def test_a_score_has_best_last_lowest_and_average_of_all_attempts(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0, attempt="t1"), scored(3.0, attempt="t2", attempted=LATER))

    assert ask.score("u1", "a1").result == {
        "userId": "u1", "batchId": "b1", "courseId": "c1", "assessmentId": "a1",
        "bestScore": 8.0, "totalMaxScore": 10.0, "lastAttemptedScore": 3.0, "updated_on": LATER,
        "minScore": 3.0, "averageScore": 5.5, "attemptsCount": 2,
    }  # fmt: skip


def test_a_score_comes_from_the_map_and_not_from_derived_columns(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0))
    wrong = Summary(SummaryKey("u1", "a1", "c1", "b1"), 0.0, 0.0, 0.0, 0.0, 0.0, 99, 0, versions=99)
    stores.hot.put_summaries([wrong])

    assert ask.score("u1", "a1").found[0].best_score == 8.0


def test_a_score_does_not_need_the_rows_of_the_attempts(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0))
    before = ask.score("u1", "a1")

    stores.hot.delete([version.row_key for version in _all_rows(stores)])

    assert before.found
    assert ask.score("u1", "a1") == before


def _all_rows(stores: Stores) -> list[AttemptVersion]:
    learners = stores.hot.all_learners()
    return stores.hot.get([entry.row_key for _, learner in learners for entry in learner.entries])


def test_the_result_over_several_batches_is_the_best_score_and_lists_all_batches(stores: Stores, ask: Queries) -> None:
    take(stores, scored(3.0, batch="b1"), scored(8.0, batch="b2"), scored(5.0, batch="b3"))

    result = ask.score("u1", "a1").result

    assert (result["batchId"], result["bestScore"]) == ("b2", 8.0)
    assert [one["batchId"] for one in _list(result["assessments"])] == ["b2", "b3", "b1"]


def _list(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return value


def test_equal_best_scores_are_ordered_by_time_then_by_batch_then_by_course(stores: Stores, ask: Queries) -> None:
    take(
        stores,
        scored(8.0, batch="b1", course="c2"), scored(8.0, batch="b1", course="c1"), scored(8.0, batch="b0"),
        scored(8.0, batch="b9", attempted=LATER),
    )  # fmt: skip

    assert [(one.batch_id, one.course_id) for one in ask.score("u1", "a1").found] == [
        ("b9", "c1"), ("b0", "c1"), ("b1", "c1"), ("b1", "c2"),
    ]  # fmt: skip


def test_scores_can_be_limited_to_a_course_or_a_batch(stores: Stores, ask: Queries) -> None:
    take(stores, scored(3.0, batch="b1"), scored(8.0, batch="b2", course="c2"), scored(5.0, content="a2"))

    assert [one.batch_id for one in ask.score("u1", "a1", batch_id="b1").found] == ["b1"]
    assert [one.batch_id for one in ask.score("u1", "a1", course_id="c2").found] == ["b2"]
    assert ask.score("u1", "a1", course_id="c2", batch_id="b1").result == {}


def test_an_empty_course_or_batch_does_not_limit_the_scores(stores: Stores, ask: Queries) -> None:
    take(stores, scored(3.0, batch="b1"))

    assert ask.score("u1", "a1", "", "") == ask.score("u1", "a1")


@pytest.mark.parametrize(("user", "assessment"), [("u2", "a1"), ("u1", "a2")])
def test_a_learner_without_attempts_has_no_score(stores: Stores, ask: Queries, user: str, assessment: str) -> None:
    take(stores, scored(3.0))

    assert ask.score(user, assessment).result == {}


def test_the_score_of_an_attempt_without_a_time_has_no_time(stores: Stores, ask: Queries) -> None:
    _store(stores, version(attempted=0, received=RECEIVED))

    assert ask.score("u1", "a1").result["updated_on"] is None


@pytest.mark.parametrize(("user", "assessment"), [("", "a1"), ("u1", ""), ("u\ud800", "a1"), ("u1", "a\udfff")])
def test_an_id_that_is_empty_or_not_valid_text_is_refused(ask: Queries, user: str, assessment: str) -> None:
    with pytest.raises(BadRequest):
        ask.score(user, assessment)


# --- attempts ---


def test_an_attempt_has_the_answers_of_its_newest_version(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0), event(answers=[wire_answer("q2"), wire_answer("q1", score=2.0)], attempted=LATER))

    for page in (ask.attempts(user_id="u1"), ask.attempts(batch_id="b1")):
        [attempt] = page.attempts
        assert attempt.key == key()
        assert attempt.last_attempted_on == LATER
        assert (attempt.total_score, attempt.total_max_score, attempt.grand_total) == (3.0, 4.0, "3.0/4.0")
        assert attempt.updated_on == RECEIVED
        assert [(answer.id, answer.score) for answer in attempt.answers] == [("q1", 2.0), ("q2", 1.0)]


def _many(stores: Stores) -> list[Any]:
    """Stores 14 attempts of two learners in two batches. Returns their keys."""
    named = [
        {"user": user, "batch": batch, "course": course, "content": content, "attempt": attempt}
        for user in ("u1", "u2")
        for batch, course in (("b1", "c2"), ("b2", "c1"))
        for content, attempt in (("a1", "t1"), ("a1", "t2"), ("a2", "t1"), ("é", "😀"))
        if (user, content) != ("u2", "é")
    ]
    take(stores, *(event(**one) for one in named), event(attempted=LATER, **named[0]))
    return sorted(key(n["user"], n["course"], n["batch"], n["content"], n["attempt"]) for n in named)


@pytest.mark.parametrize("first", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("whose", [{"user_id": "u1"}, {"batch_id": "b1"}, {"user_id": "u2", "batch_id": "b2"}], ids=str)
def test_all_pages_together_are_all_attempts_in_order(
    stores: Stores, ask: Queries, whose: dict[str, str], first: int
) -> None:
    wanted = [k for k in _many(stores) if whose.items() <= k._asdict().items()]

    found = pages(ask, first, **whose)

    assert [attempt.key for page in found for attempt in page] == wanted
    assert all(len(page) == first for page in found[:-1])


@pytest.mark.parametrize("whose", [{"user_id": "u1"}, {"batch_id": "b1"}], ids=str)
def test_attempts_can_be_limited_to_a_course_and_an_assessment(
    stores: Stores, ask: Queries, whose: dict[str, str]
) -> None:
    wanted = [k for k in _many(stores) if whose.items() <= k._asdict().items()]

    for course in (None, "c1", "c2"):
        for content in (None, "a1"):
            found = pages(ask, 2, course_id=course, assessment_id=content, **whose)
            assert [attempt.key for page in found for attempt in page] == [
                k for k in wanted if course in (None, k.course_id) and content in (None, k.content_id)
            ]


@pytest.mark.parametrize("whose", [{"user_id": "u1"}, {"batch_id": "b1"}], ids=str)
def test_a_newer_version_between_two_pages_moves_no_attempt(
    stores: Stores, ask: Queries, whose: dict[str, str]
) -> None:
    take(stores, *(event(attempt=f"t{n}") for n in range(4)))
    one = ask.attempts(first=2, **whose)

    take(stores, event(attempt="t1", attempted=LATER), event(attempt="t3", attempted=LATER))

    two = ask.attempts(first=2, after=cursor(one.attempts[-1].key), **whose)
    assert [attempt.key.attempt_id for attempt in (*one.attempts, *two.attempts)] == ["t0", "t1", "t2", "t3"]
    assert not two.has_next


@pytest.mark.parametrize("first", [-1, 0, 101, 2**31])
def test_a_page_has_1_to_100_attempts(ask: Queries, first: int) -> None:
    with pytest.raises(BadRequest, match="first"):
        ask.attempts(user_id="u1", first=first)


@pytest.mark.parametrize(
    "after", ["x", "é", "\ud800", "aGVsbG8", "=" * 9, "A" * 100_000, cursor(key()) + "A", "!!!!" + cursor(key())]
)
def test_an_invalid_cursor_is_refused(ask: Queries, after: str) -> None:
    with pytest.raises(BadRequest, match="after"):
        ask.attempts(user_id="u1", after=after)


def test_attempts_without_a_learner_or_a_batch_are_refused(ask: Queries) -> None:
    with pytest.raises(BadRequest, match="both missing"):
        ask.attempts()


@pytest.mark.parametrize("name", ["b9", "' OR 1=1 --", "b1\0"])
def test_the_refusal_of_an_unknown_batch_gives_its_name(stores: Stores, ask: Queries, name: str) -> None:
    take(stores, event(batch="b1"))

    with pytest.raises(UnknownBatch) as attempts:
        ask.attempts(batch_id=name)
    with pytest.raises(UnknownBatch) as overview:
        ask.batch(name)

    assert repr(name) in str(attempts.value)
    assert repr(name) in str(overview.value)


@pytest.mark.parametrize("name", ['it\'s "a" /../ b|2024-W05', "a%b_c*[x]\n$batch_id", "नमस्ते 😀"])
def test_an_id_can_hold_any_characters(stores: Stores, ask: Queries, name: str) -> None:
    take(stores, event(user=name, batch=name, course=name, content=name, attempt=name))
    before = everything(ask, [name], [name], [name])

    put_away(stores)

    assert before[f"batch {name}"].attempts == 1
    assert everything(ask, [name], [name], [name]) == before


def test_a_batch_that_has_no_attempts_yet_is_known(stores: Stores, ask: Queries) -> None:
    stores.hot.add_slices([ArchiveSlice.of("b1", RECEIVED)])

    assert ask.attempts(batch_id="b1").attempts == ()
    assert ask.batch("b1").attempts == 0
    assert ask.batch("b1").mean_score is None
    assert ask.batch("b1").weeks == ()


def test_a_page_fails_with_the_attempt_and_slice_of_a_missing_row(stores: Stores, ask: Queries) -> None:
    take(stores, event(attempt="t1"), event(attempt="t2"))
    stores.hot.delete([row.row_key for row in _all_rows(stores) if row.key.attempt_id == "t2"])

    with pytest.raises(VersionMissing, match=r"attempt_id='t2'.*b1\|2024-W05"):
        ask.attempts(user_id="u1")


class ClearedMeanwhile:
    """A hot store whose slices are cleared after the map was read and before the rows are read."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        return self._stores.hot.entries(user_ids)

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        assert put_away(self._stores)
        return self._stores.hot.get(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stores.hot, name)


def test_a_page_that_is_read_while_its_rows_are_cleared_is_complete(stores: Stores) -> None:
    take(stores, event(attempt="t1"), event(attempt="t2"))
    before = queries(stores).attempts(user_id="u1")
    disturbed: Any = ClearedMeanwhile(stores)

    after = queries(stores._replace(hot=disturbed)).attempts(user_id="u1")

    assert len(before.attempts) == 2
    assert after == before


# --- batch overview ---


def test_a_batch_overview_has_counts_mean_score_receipts_and_weeks(stores: Stores, ask: Queries) -> None:
    take(stores, scored(8.0, user="u1"), scored(3.0, user="u2"), scored(4.0, user="u2", content="a2"))
    take(stores, scored(9.0, user="u1", attempted=LATER + WEEK), received=RECEIVED + WEEK)
    take(stores, scored(1.0, batch="b2"))

    overview = ask.batch("b1")

    assert (overview.attempts, overview.learners, overview.assessments, overview.versions) == (3, 2, 2, 4)
    assert overview.mean_score == 16.0 / 3
    assert (overview.first_received, overview.last_received) == (RECEIVED, RECEIVED + WEEK)
    assert [tuple(week) for week in overview.weeks] == [(IsoWeek(2024, 5), 2, 3), (IsoWeek(2024, 6), 1, 1)]


def test_an_overview_reads_no_answers_of_hot_rows(
    stores: Stores, ask: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, event())
    scan, with_answers = stores.hot.scan, list[bool]()

    def noting(slice_: ArchiveSlice, *, answers: bool = True) -> Any:
        with_answers.append(answers)
        return scan(slice_, answers=answers)

    monkeypatch.setattr(stores.hot, "scan", noting)

    assert ask.batch("b1").attempts == 1
    assert with_answers == [False]


def test_scores_whose_sum_overflows_a_float_have_a_mean(stores: Stores, ask: Queries) -> None:
    take(stores, scored(1.5e308, user="u1"), scored(1.5e308, user="u2"))

    assert ask.batch("b1").mean_score == 1.5e308


# --- before, during and after archive and clear ---


def _of_everything(n: int, attempted: int) -> dict[str, object]:
    return scored(
        float(n),
        user=f"u{n % 3}",
        batch=f"b{n % 2}",
        content=f"a{n % 2}",
        attempt=f"t{n % 4}",
        attempted=attempted + n,
    )


@pytest.mark.long
def test_archive_and_clear_change_no_query_result(stores: Stores, ask: Queries) -> None:
    for week in range(3):
        batch = [_of_everything(n, ATTEMPTED + week * WEEK) for n in range(week, 8)]
        take(stores, *batch, b"nonsense", received=RECEIVED + week * WEEK)
    take(stores, _of_everything(9, ATTEMPTED), received=RECEIVED + 2 * WEEK)  # received late, so it is in a later slice
    asked = (["u0", "u1"], ["b0", "b1"], ["a0", "a1"])
    before = everything(ask, *asked)

    slices = stores.hot.slices()
    for some in (slices[::2], slices):
        put_away(stores, some)
        assert everything(ask, *asked) == before

    assert not any(stores.hot.counts(slices).values())
    assert (before["batch b0"].attempts, before["batch b0"].versions) == (4, 10)


@pytest.mark.long
@pytest.mark.parametrize("put_away_between", [False, True])
@pytest.mark.parametrize("apart", [3_600_000, WEEK])
def test_every_query_shows_the_earlier_of_two_receipts(
    stores: Stores, ask: Queries, apart: int, put_away_between: bool
) -> None:
    take(stores, event(), received=RECEIVED + apart)
    if put_away_between:
        put_away(stores)
    take(stores, event(), received=RECEIVED)

    for _ in range(2):
        for page in (ask.attempts(user_id="u1"), ask.attempts(batch_id="b1")):
            assert [attempt.updated_on for attempt in page.attempts] == [RECEIVED]
        assert [tuple(week) for week in ask.batch("b1").weeks] == [(IsoWeek(2024, 5), 1, 1)]
        put_away(stores)


def test_one_queries_object_can_be_used_by_many_threads(stores: Stores, ask: Queries) -> None:
    take(stores, *(event(user=f"u{n}") for n in range(8)))
    put_away(stores)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: ask.attempts(user_id=f"u{n % 8}").attempts[0].key.user_id, range(16)))

    assert found == [f"u{n % 8}" for n in range(16)]
