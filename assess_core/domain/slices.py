"""ISO weeks and archive slices: the unit that is archived, verified and cleared."""

import re
from datetime import UTC, date, datetime
from typing import NamedTuple, Self

from assess_core.domain.moments import DAY, iso, moment
from assess_core.errors import BadSlice

WEEK = 7 * DAY
_MONDAY = 4 * DAY  # 1970-01-05T00:00:00Z, the first Monday of the epoch
_weeks: dict[int, tuple[int, int]] = {}  # week number since the epoch -> (year, week): at most 5,218 from 2000 to 2100
_WEEK = re.compile(r"(\d{4})-W(\d{2})\Z", re.ASCII)


class IsoWeek(NamedTuple):
    """A week from Monday to Sunday in UTC, with the year that ISO 8601 gives it: 30 December 2024 is in 2025-W01."""

    year: int
    week: int

    @classmethod
    def of(cls, at: int) -> Self:
        """The week of a moment (epoch ms)."""
        number = (at - _MONDAY) // WEEK
        found = _weeks.get(number)
        if found is None:
            found = _weeks[number] = moment(_MONDAY + number * WEEK).isocalendar()[:2]
        return cls(*found)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises `BadSlice`."""
        found = _WEEK.match(text)
        if found:
            week = cls(int(found[1]), int(found[2]))
            if week._exists():
                return week
        raise BadSlice(f"{text!r} does not name an ISO week; write it like 2024-W05")

    def _exists(self) -> bool:
        try:
            date.fromisocalendar(self.year, self.week, 1)
        except ValueError:
            return False
        return True

    @property
    def start(self) -> int:
        """Monday 00:00 UTC (epoch ms)."""
        monday = date.fromisocalendar(self.year, self.week, 1)
        return int(datetime(monday.year, monday.month, monday.day, tzinfo=UTC).timestamp()) * 1000

    @property
    def end(self) -> int:
        """The next Monday 00:00 UTC (epoch ms), which is not part of the week."""
        return self.start + WEEK

    def __str__(self) -> str:
        return f"{self.year:04d}-W{self.week:02d}"


class ArchiveSlice(NamedTuple):
    """All copies of one batch that were received in one ISO week; written `BATCH|2024-W05`.

    Slices are ordered by week, then batch: the order in which they close.
    """

    week: IsoWeek
    batch_id: str

    @classmethod
    def of(cls, batch_id: str, received_at: int) -> Self:
        """The slice of a version of this batch that was received at this moment (epoch ms)."""
        return cls(IsoWeek.of(received_at), batch_id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`, read from the right, because a batch id may contain `|`. Raises `BadSlice`."""
        batch_id, bar, week = text.rpartition("|")
        if not bar or not batch_id:
            raise BadSlice(f"{text!r} does not name a slice; write it like 'BATCH|2024-W05' (with quotes in a shell)")
        try:
            batch_id.encode()
        except UnicodeEncodeError:  # a shell passes invalid UTF-8 as surrogates
            raise BadSlice(f"{text!r} is not UTF-8; copy the slice from `assess slices`") from None
        return cls(IsoWeek.parse(week), batch_id)

    def __str__(self) -> str:
        return f"{self.batch_id}|{self.week}"


class Unread(NamedTuple):
    """Events of the log that are not folded yet."""

    what: str
    """Which events, as a phrase: `3 files, e.g. events.jsonl from line 17`."""
    since: int | None = None
    """The earliest receipt that they can have (epoch ms); None if it is unknown, so they can be of any week."""


def why_open(slice_: ArchiveSlice, now: int, grace: int, unread: Unread | None) -> str | None:
    """Why a slice is not closed yet, as a sentence; None if it is closed.

    `now` and `grace` are in ms. A slice waits for `unread` events that can have a receipt before the end of its week.
    """
    closes = slice_.week.end + grace
    if now < closes:
        return f"week {slice_.week} closes at {iso(closes)} (its end and the grace period); it is {iso(now)} now"
    if unread is not None and (unread.since is None or unread.since < slice_.week.end):
        return f"the log has unread events ({unread.what}); let `assess up` read them first"
    return None
