"""ISO weeks and archive slices."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.moments import DAY, EARLIEST, LATEST, millis
from assess_core.domain.slices import ArchiveSlice, IsoWeek, Unread, why_open
from assess_core.errors import BadSlice
from tests.factories import MONDAY, WEEK

W05 = IsoWeek(2024, 5)
weeks = st.integers(EARLIEST, LATEST - 1).map(IsoWeek.of)


def test_every_day_of_thirty_years_is_in_its_iso_week() -> None:
    for number in range(30 * 366):
        day = datetime(2005, 1, 1, tzinfo=UTC) + timedelta(days=number)
        first, last = millis(day), millis(day) + DAY - 1
        week = IsoWeek.of(first)

        assert week == IsoWeek.of(last) == day.isocalendar()[:2]
        assert week.start <= first < last < week.end
        assert datetime.fromtimestamp(week.start / 1000, UTC).weekday() == 0


def test_the_year_of_a_week_is_the_iso_year(sunbird: Path) -> None:
    with (sunbird / "archival" / "expected" / "year-week-boundary.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert len(rows) == 24
    for row in rows:
        year, week = map(int, row["iso_label"].split("-"))
        assert IsoWeek.of(millis(datetime.fromisoformat(row["date_utc"]).replace(tzinfo=UTC))) == (year, week)
    assert sum(row["iso_label"] != row["peer_label"] for row in rows) == 11


def test_30_december_2024_is_in_the_first_week_of_2025() -> None:
    assert str(IsoWeek.of(millis(datetime(2024, 12, 30, tzinfo=UTC)))) == "2025-W01"
    assert str(IsoWeek.of(millis(datetime(2024, 12, 30, tzinfo=UTC)) - 1)) == "2024-W52"


def test_a_week_begins_on_monday_and_ends_before_the_next() -> None:
    assert IsoWeek.of(MONDAY) == IsoWeek.of(MONDAY + WEEK - 1) == W05
    assert (W05.start, W05.end) == (MONDAY, MONDAY + WEEK)


@given(weeks)
def test_the_text_of_a_week_is_parsed_back(week: IsoWeek) -> None:
    assert IsoWeek.parse(str(week)) == week
    assert week.end == week.start + WEEK == IsoWeek.of(week.end).start


@given(st.text(min_size=1, max_size=8), weeks)
def test_the_text_of_a_slice_is_parsed_back_for_any_batch_id(batch_id: str, week: IsoWeek) -> None:
    slice_ = ArchiveSlice(week, batch_id)

    assert ArchiveSlice.parse(str(slice_)) == slice_


def test_a_batch_id_may_contain_bars_slashes_and_weeks() -> None:
    assert ArchiveSlice.parse("a|b|2024-W04|2024-W05") == ArchiveSlice(W05, "a|b|2024-W04")
    assert str(ArchiveSlice(W05, "../x\n|")) == "../x\n||2024-W05"


@pytest.mark.parametrize(
    "text", ["", "b1", "|2024-W05", "b1|", "b1|2024-05", "b1|2024-W5", "b1|2024-W53", "b1|0000-W01", "b1|2024-W00"]
)
def test_the_error_for_an_invalid_slice_shows_the_format(text: str) -> None:
    with pytest.raises(BadSlice, match=r"write it like .*2024-W05"):
        ArchiveSlice.parse(text)


@pytest.mark.parametrize("text", ["2024-W05\n", " 2024-W05", "2024-W٠٥", "24-W05", "2021-W53"])
def test_the_error_for_an_invalid_week_shows_the_format(text: str) -> None:
    with pytest.raises(BadSlice, match="does not name an ISO week; write it like 2024-W05"):
        IsoWeek.parse(text)


def test_a_long_year_has_week_53() -> None:
    assert IsoWeek.parse("2020-W53").end == IsoWeek(2021, 1).start


def test_slices_are_ordered_by_week_then_batch() -> None:
    named = ["z|2024-W05", "a|2024-W52", "b|2024-W52", "a|2025-W01"]

    assert [str(slice_) for slice_ in sorted(map(ArchiveSlice.parse, reversed(named)))] == named


def test_a_version_belongs_to_the_week_of_its_receipt() -> None:
    assert ArchiveSlice.of("b1", MONDAY - 1) == ArchiveSlice(IsoWeek(2024, 4), "b1")
    assert ArchiveSlice.of("b1", MONDAY) == ArchiveSlice(W05, "b1")


def test_a_slice_is_closed_when_its_week_and_the_grace_period_are_over_and_the_log_is_read() -> None:
    slice_ = ArchiveSlice(W05, "b1")
    closes = MONDAY + WEEK + DAY

    waits = why_open(slice_, closes - 1, DAY, None)
    unread = why_open(slice_, closes, DAY, Unread("3 files, e.g. events.jsonl from line 17"))

    assert waits == (
        "week 2024-W05 closes at 2024-02-06T00:00:00.000Z (its end and the grace period); "
        "it is 2024-02-05T23:59:59.999Z now"
    )
    assert unread is not None
    assert "3 files, e.g. events.jsonl from line 17" in unread
    assert why_open(slice_, closes, DAY, None) is None
