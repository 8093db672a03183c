"""Periods relative to a moment: which ISO weeks they have, whatever the moment is."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.moments import DAY, millis
from assess_core.domain.periods import MOST_WEEKS, Period
from assess_core.domain.slices import WEEK, IsoWeek

MOMENTS = st.integers(millis(datetime(2000, 6, 1, tzinfo=UTC)), millis(datetime(2099, 1, 1, tzinfo=UTC)))


def weeks(text: str, now: int) -> tuple[IsoWeek, ...]:
    period = Period.parse(text)
    assert period is not None
    assert Period.parse(str(period)) == period
    return period.at(now)


def at(text: str) -> int:
    return millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        ("2025-01-06T06:00", "last week", "2025-W01"),
        ("2025-01-05T23:59", "last week", "2024-W52"),
        ("2025-01-06T06:00", "this week", "2025-W02"),
        ("2021-01-04T00:00", "last 2 weeks", "2020-W52 2020-W53"),
        ("2025-01-01T06:00", "this month", "2025-W01"),
        ("2025-01-31T06:00", "this month", "2025-W01 2025-W02 2025-W03 2025-W04 2025-W05"),
        # 1 August 2025 is a Friday: its week belongs to July
        ("2025-08-01T06:00", "this month", "2025-W27 2025-W28 2025-W29 2025-W30 2025-W31"),
        ("2025-08-04T06:00", "last month", "2025-W27 2025-W28 2025-W29 2025-W30 2025-W31"),
        ("2025-01-06T06:00", "last month", "2024-W49 2024-W50 2024-W51 2024-W52"),
    ],
)
def test_a_period_has_these_weeks(now: str, text: str, expected: str) -> None:
    assert " ".join(map(str, weeks(text, at(now)))) == expected


@given(MOMENTS, st.integers(1, MOST_WEEKS))
def test_the_last_weeks_follow_each_other_and_end_before_the_running_week(now: int, number: int) -> None:
    found = weeks(f"last {number} weeks", now)
    assert len(found) == number
    assert [week.end for week in found] == [*(week.start for week in found[1:]), IsoWeek.of(now).start]


@given(MOMENTS)
def test_this_month_ends_with_the_running_week_and_last_month_ends_where_it_begins(now: int) -> None:
    this, last = weeks("this month", now), weeks("last month", now)
    assert this[-1] == IsoWeek.of(now)
    assert last[-1].end == this[0].start
    assert len(last) in (4, 5)
    assert 1 <= len(this) <= 5


@given(MOMENTS)
def test_every_moment_of_a_week_gives_the_same_weeks(now: int) -> None:
    week = IsoWeek.of(now)
    for text in ("this week", "last week", "last 4 weeks", "this month", "last month"):
        assert weeks(text, week.start) == weeks(text, now) == weeks(text, week.end - 1)


def test_reports_of_each_last_month_have_every_week_once() -> None:
    def months() -> Iterator[tuple[IsoWeek, ...]]:
        for year in range(2019, 2032):
            for month in range(1, 13):
                first_of_next = at(f"{year}-{month:02}-01") + 7 * DAY  # a week of this month
                yield weeks("last month", first_of_next)

    found = [week for month in months() for week in month]
    assert found == [IsoWeek.of(found[0].start + number * WEEK) for number in range(len(found))]


@pytest.mark.parametrize(
    "text",
    ["", "week", "Last week", "last 0 weeks", "last 105 weeks", "last -1 weeks", "last 1e3 weeks", "last ٤ weeks",
     "last week ", "this year", "last " + "9" * 5000 + " weeks"],
)  # fmt: skip
def test_other_texts_are_no_periods(text: str) -> None:
    assert Period.parse(text) is None
