"""Moments: how they are parsed and formatted."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.moments import (
    DAY,
    EARLIEST,
    LATEST,
    clock,
    iso,
    iso_or_empty,
    millis,
    moment,
    parse_duration,
    parse_moment,
)
from assess_core.errors import BadTime
from tests.factories import ATTEMPTED


@given(st.integers(0, LATEST))
def test_a_moment_is_written_in_utc_with_milliseconds_and_parsed_back(at: int) -> None:
    assert millis(moment(at)) == at
    assert clock(iso(at)) == at


def test_the_format_of_a_moment() -> None:
    assert iso(EARLIEST) == "2000-01-01T00:00:00.000Z"
    assert iso(ATTEMPTED + 7) == "2024-01-30T00:00:00.007Z"


def test_a_missing_clock_is_shown_as_empty() -> None:
    assert iso_or_empty(0) is None
    assert iso_or_empty(1) == "1970-01-01T00:00:00.001Z"


def test_microseconds_are_cut_off() -> None:
    assert millis(datetime(2024, 1, 30, 0, 0, 0, 1999, UTC)) == ATTEMPTED + 1
    assert clock("2024-01-30T00:00:00.001999Z") == ATTEMPTED + 1


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    india = timezone(timedelta(hours=5, minutes=30))

    assert millis(datetime(2024, 1, 30, 5, 30, tzinfo=india)) == ATTEMPTED
    assert clock("2024-01-30T05:30:00+05:30") == clock("2024-01-30T00:00:00") == clock(" 2024-01-30 ") == ATTEMPTED


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (-1, "-1 is a negative clock"),
        ("-1", "-1 is a negative clock"),
        (1.5, "1.5 is a fractional clock"),
        (float("inf"), "inf is a fractional clock"),
        (float("nan"), "nan is a fractional clock"),
        ("soon", "'soon' is neither epoch milliseconds nor ISO 8601"),
        ("1" * 20, "'11111111111111111111' is neither"),
        ("20240130000000000000", "neither"),
        ("2024-01-30T00:00:00." + "0" * 45, "neither"),
        ("2024-01-30T00:00:00." + "0" * 1_000_000, "neither"),
        ("1969-12-31T23:59:59Z", "-1000 is a negative clock"),
        ("0001-01-01T00:00:00+23:00", "is a negative clock"),
    ],
)
def test_a_bad_clock_gives_the_reason(value: int | float | str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        clock(value)


@pytest.mark.parametrize("text", ["2024-01-30", "2024-01-30T00:00:00Z", str(ATTEMPTED), "2024-01-30T05:30+05:30"])
def test_a_moment_can_be_typed_in_several_formats(text: str) -> None:
    assert parse_moment(text) == ATTEMPTED


@pytest.mark.parametrize("text", ["", "tomorrow", "1999-12-31", "2100-01-01", "20240130", "-5"])
def test_a_bad_moment_names_the_option_and_shows_the_format(text: str) -> None:
    with pytest.raises(BadTime, match=r"^--as-of: .*write it like 2025-01-06"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90", 90_000),
        ("90s", 90_000),
        ("15m", 900_000),
        ("24h", DAY),
        ("1d", DAY),
        ("1w", 7 * DAY),
        ("5ms", 5),
        ("0", 0),
    ],
)
def test_durations_are_parsed_to_milliseconds(text: str, duration: int) -> None:
    assert parse_duration(f" {text} ", "ASSESS_GRACE") == duration


@pytest.mark.parametrize(
    "text", ["", "-1d", "1.5h", "1y", "d", "1d2h", "١d", pytest.param("9" * 5000, id="5000 digits")]
)
def test_a_bad_duration_names_the_setting(text: str) -> None:
    with pytest.raises(BadTime, match=r"^ASSESS_GRACE: .* is not a duration; write it like 24h"):
        parse_duration(text, "ASSESS_GRACE")


@pytest.mark.parametrize("text", ["36526d", "9" * 15 + "w"])
def test_a_duration_of_more_than_100_years_is_refused(text: str) -> None:
    with pytest.raises(BadTime, match=r"^ASSESS_GRACE: .* is longer than 100 years; write a shorter one"):
        parse_duration(text, "ASSESS_GRACE")
