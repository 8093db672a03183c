"""Parse and format moments. All other code uses epoch milliseconds in UTC (`int`)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from assess_core.errors import BadTime

EARLIEST: Final = 946_684_800_000  # 2000-01-01T00:00:00Z
LATEST: Final = 4_102_444_800_000  # 2100-01-01T00:00:00Z; a year that the driver cannot decode fails every read
MINUTE: Final = 60_000
DAY: Final = 86_400_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WITHOUT_ZONE: Final = EPOCH.replace(tzinfo=None)

_INTEGER = re.compile(r"-?[0-9]{1,19}\Z", re.ASCII)
_MAX_CLOCK_TEXT: Final = 64  # characters: ISO 8601 with microseconds and a zone has 32
_DURATION = re.compile(r"(\d{1,15})\s*(ms|s|m|h|d|w)?\Z", re.ASCII)
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY, "w": 7 * DAY, None: 1000}


def millis(moment: datetime) -> int:
    """Epoch milliseconds of a datetime with a zone; microseconds are dropped."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment(at: int) -> datetime:
    """The datetime in UTC of epoch milliseconds."""
    return EPOCH + timedelta(milliseconds=at)


def iso(at: int) -> str:
    """`2024-12-30T23:59:59.999Z`: the format of moments in tables, reports and responses."""
    # strftime takes four times as long
    return f"{(_EPOCH_WITHOUT_ZONE + timedelta(milliseconds=at)).isoformat(timespec='milliseconds')}Z"


def iso_or_empty(at: int) -> str | None:
    """Like `iso`, but None for 1970-01-01, which means "no clock"."""
    return iso(at) if at else None


def clock(value: int | float | str) -> int:
    """Parse a clock of an event: an integer, numeric text or ISO 8601 text (UTC if it has no zone), as epoch ms.

    Raises `ValueError` with a message for negative, fractional or unreadable clocks. The caller checks the range.
    """
    if isinstance(value, str):
        value = _parse_clock_text(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"{value!r} is a fractional clock")
        value = int(value)
    if value < 0:
        raise ValueError(f"{value} is a negative clock")
    return value


def _parse_clock_text(text: str) -> int:
    stripped = text.strip()
    if _INTEGER.match(stripped):
        return int(stripped)
    try:
        if len(stripped) > _MAX_CLOCK_TEXT or stripped.isdecimal():
            raise ValueError  # Python reads 20 digits as a date, a separator and a time
        read = datetime.fromisoformat(stripped)
        return millis(read if read.tzinfo else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{text[:40]!r} is neither epoch milliseconds nor ISO 8601") from None


def parse_moment(text: str, what: str = "--as-of") -> int:
    """Parse a moment of 2000 to 2100 from the command line: ISO 8601 (a date is midnight in UTC) or epoch milliseconds.

    Raises `BadTime`.
    """
    try:
        at = clock(text)
    except ValueError as error:
        raise BadTime(f"{what}: {error}; write it like 2025-01-06 or 2025-01-06T00:00:00Z") from None
    if not EARLIEST <= at < LATEST:
        raise BadTime(f"{what}: {text!r} is not between 2000 and 2100; write it like 2025-01-06T00:00:00Z")
    return at


def parse_duration(text: str, what: str) -> int:
    """Parse `90s`, `15m`, `24h` or `1d` (a bare number is seconds) into milliseconds. Raises `BadTime`."""
    found = _DURATION.match(text.strip())
    if not found:
        raise BadTime(f"{what}: {text[:40]!r} is not a duration; write it like 24h, 90m or 1d")
    duration = int(found[1]) * _UNITS[found[2]]
    if duration > LATEST - EARLIEST:
        raise BadTime(f"{what}: {text!r} is longer than 100 years; write a shorter one, like 24h or 30d")
    return duration


def duration_text(ms: int) -> str:
    """The inverse of `parse_duration`, in the largest unit that divides the duration: `1d`."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if ms % _UNITS[unit] == 0)
    return f"{ms // _UNITS[unit]}{unit}"
