"""The contract of every hot store, continued: lists and pages of slices, and pages of a batch."""

import pytest

from assess_core.domain.attempts import AttemptKey, AttemptVersion
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.hot_store import AttemptRange
from tests.adapters.test_hot_store import ODD, put
from tests.conftest import Hot
from tests.factories import ATTEMPTED, MONDAY, RECEIVED, WEEK, key, version

WEEKS = [IsoWeek(2024, 5), IsoWeek(2024, 6), IsoWeek(2024, 52), IsoWeek(2025, 1)]
BATCHES = ["B", ODD, "b1", "b2", "é"]
SLICES = [ArchiveSlice(week, batch_id) for week in WEEKS for batch_id in sorted(BATCHES)]
THIS_WEEK, NEXT_WEEK = ArchiveSlice.of("b1", MONDAY), ArchiveSlice.of("b1", MONDAY + WEEK)


# --- slices ---


@pytest.mark.parametrize("batch_id", BATCHES)
def test_the_slices_of_a_batch_are_listed_by_week(hot: Hot, batch_id: str) -> None:
    hot.add_slices(SLICES)

    assert hot.slices(batch_id=batch_id) == [ArchiveSlice(week, batch_id) for week in WEEKS]


def test_the_slices_of_some_weeks_are_listed_in_their_order(hot: Hot) -> None:
    hot.add_slices(SLICES)

    assert hot.slices(weeks=[WEEKS[3], WEEKS[0], WEEKS[3]]) == SLICES[:5] + SLICES[15:]
    assert hot.slices(weeks=[IsoWeek(2023, 5)]) == []


def test_an_empty_list_of_weeks_selects_no_slice(hot: Hot) -> None:
    hot.add_slices(SLICES)

    assert hot.slices(weeks=[]) == []
    assert hot.slices(batch_id="b1", weeks=[]) == []


def test_slices_can_be_selected_by_batch_and_weeks_together(hot: Hot) -> None:
    hot.add_slices(SLICES)

    assert hot.slices(batch_id="b1", weeks=WEEKS[1:3]) == [ArchiveSlice(week, "b1") for week in WEEKS[1:3]]
    assert hot.slices(batch_id="b1", weeks={IsoWeek(2023, 5)}) == []


def test_a_batch_that_never_held_rows_has_no_slices(hot: Hot) -> None:
    hot.add_slices(SLICES)

    assert hot.slices(batch_id="b") == []


def test_a_slice_is_held_from_its_first_row_until_its_last_row_is_deleted(hot: Hot) -> None:
    hot.add_slices(SLICES)
    assert hot.held() == []
    early, late = version(key(batch_id=ODD)), version(received=RECEIVED + WEEK)
    put(hot, late, early, version(key(attempt_id="a2"), received=RECEIVED + WEEK))

    assert hot.held() == sorted([early.slice, late.slice])

    hot.delete([early.row_key])
    assert hot.held() == [late.slice]


def test_a_cleared_slice_stays_in_every_list(hot: Hot) -> None:
    row = version()
    put(hot, row)

    hot.delete([row.row_key])

    assert hot.slices(batch_id="b1") == hot.slices(weeks=[row.slice.week]) == hot.slices_after(None, 5) == [row.slice]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, len(SLICES), len(SLICES) + 1])
def test_all_pages_of_slices_together_are_the_list(hot: Hot, limit: int) -> None:
    hot.add_slices(SLICES)

    found: list[ArchiveSlice] = []
    while page := hot.slices_after(found[-1] if found else None, limit):
        assert len(page) <= limit
        found += page

    assert found == hot.slices() == SLICES


def test_a_page_can_begin_after_a_slice_that_does_not_exist(hot: Hot) -> None:
    hot.add_slices(SLICES)

    assert hot.slices_after(ArchiveSlice(WEEKS[0], "zzz"), 1) == [SLICES[4]]  # z is before é
    assert hot.slices_after(ArchiveSlice(IsoWeek(2024, 20), "b1"), 1) == [SLICES[10]]
    assert hot.slices_after(SLICES[-1], 1) == []


# --- pages of a batch ---


def attempts(number: int, content_id: str = "a1", attempt_id: str = "t1", batch_id: str = "b1") -> list[AttemptVersion]:
    """One attempt for each of `number` learners, whose ids sort by number."""
    keys = (key(f"u{learner:04d}", "c1", batch_id, content_id, attempt_id) for learner in range(number))
    return [version(of) for of in keys]


def in_order(rows: list[AttemptVersion]) -> list[AttemptVersion]:
    return sorted(rows, key=lambda row: (row.key, row.version, row.received_at))


@pytest.mark.parametrize("size", [1, 4, 20, 1000])
def test_all_pages_of_a_batch_together_are_its_rows(hot: Hot, size: int) -> None:
    rows = [
        *attempts(9),
        *attempts(3, content_id="a2"),
        *attempts(3, attempt_id=""),
        *(version(user_id=ODD, attempted=ATTEMPTED + week * WEEK) for week in range(2)),
    ]
    put(hot, *rows, *attempts(3, batch_id="b2"))

    found: list[AttemptVersion] = []
    after: AttemptKey | None = None
    while page := hot.rows_after([THIS_WEEK, NEXT_WEEK], AttemptRange(after, size)):
        assert len({row.key for row in page}) <= size
        found += page
        after = page[-1].key

    assert found == in_order(rows)


def test_an_attempt_is_read_with_all_its_versions_from_all_weeks(hot: Hot) -> None:
    versions = [version(attempted=ATTEMPTED + n, received=RECEIVED + n % 2 * WEEK) for n in range(7)]
    put(hot, *versions, version(user_id="u2"), version(user_id="u2", received=RECEIVED + WEEK))

    assert hot.rows_after([NEXT_WEEK, THIS_WEEK], AttemptRange(None, 1)) == in_order(versions)


def test_both_copies_of_a_version_are_on_the_page(hot: Hot) -> None:
    copies = [version(received=at) for at in (RECEIVED, RECEIVED + WEEK)]
    put(hot, *copies)

    assert hot.rows_after([THIS_WEEK, NEXT_WEEK], AttemptRange(None, 5)) == copies


def test_a_page_reads_only_the_given_slices(hot: Hot) -> None:
    this, next_ = version(), version(attempt_id="t2", received=RECEIVED + WEEK)
    put(hot, this, next_)

    assert hot.rows_after([NEXT_WEEK], AttemptRange(None, 5)) == [next_]
    assert hot.rows_after([], AttemptRange(None, 5)) == []
    assert hot.rows_after([ArchiveSlice(IsoWeek(2020, 1), "b1")], AttemptRange(None, 5)) == []


def test_a_page_of_no_attempts_is_empty(hot: Hot) -> None:
    put(hot, version())

    assert hot.rows_after([THIS_WEEK], AttemptRange(None, 0)) == []


def test_a_page_can_begin_after_an_attempt_that_does_not_exist(hot: Hot) -> None:
    rows = attempts(5)
    put(hot, *rows)

    assert hot.rows_after([THIS_WEEK], AttemptRange(key(user_id="u0001", content_id="a9"), 2)) == rows[2:4]
    assert hot.rows_after([THIS_WEEK], AttemptRange(rows[-1].key, 2)) == []


def test_a_page_of_a_course_or_an_assessment_has_no_other_attempts(hot: Hot) -> None:
    rows = [
        version(user_id=user_id, course_id=course_id, content_id=content_id)
        for user_id in ("u1", "u2", "u3")
        for course_id in ("c1", "c2")
        for content_id in ("a1", "a2")
    ]
    put(hot, *rows)

    assert hot.rows_after([THIS_WEEK], AttemptRange(None, 4, course_id="c2")) == [rows[2], rows[3], rows[6], rows[7]]
    assert hot.rows_after([THIS_WEEK], AttemptRange(None, 9, content_id="a1")) == rows[::2]
    assert hot.rows_after([THIS_WEEK], AttemptRange(rows[3].key, 9, course_id="c2", content_id="a2")) == [
        rows[7],
        rows[11],
    ]
    assert hot.rows_after([THIS_WEEK], AttemptRange(None, 9, content_id="a3")) == []


def test_a_rare_assessment_is_found_after_many_others(hot: Hot) -> None:
    rare = version(user_id="zz", content_id="rare")
    put(hot, *attempts(700), rare)

    assert hot.rows_after([THIS_WEEK], AttemptRange(None, 1, content_id="rare")) == [rare]


def test_a_store_remembers_the_lake_that_has_versions_that_it_does_not_have(hot: Hot) -> None:
    assert hot.remembered_lake() is None
    for lake in ("lake 1", "lake 1", "lake 2", None, None, "lake 3"):
        hot.remember_lake(lake)
        assert hot.remembered_lake() == lake
