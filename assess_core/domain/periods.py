"""Periods relative to a moment, as ISO weeks: `last week`, `last 4 weeks`, `this month`. Pure."""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from assess_core.domain.moments import DAY, moment
from assess_core.domain.slices import WEEK, IsoWeek

MOST_WEEKS: Final = 104
EXAMPLES: Final = "this week, last week, last 4 weeks, this month or last month"
_WEEKS: Final = re.compile(r"last ([1-9][0-9]{0,2}) weeks", re.ASCII)


class _Kind(StrEnum):
    THIS_WEEK = "this week"
    LAST_WEEKS = "last week"
    THIS_MONTH = "this month"
    LAST_MONTH = "last month"


class Period(NamedTuple):
    """Weeks relative to a moment. A month has the weeks whose Thursday is in it, as an ISO year has: 4 or 5 weeks.

    So each week belongs to one month, and the month of a moment is that of the Thursday of its week.
    """

    kind: _Kind
    weeks: int = 1

    @classmethod
    def parse(cls, text: str) -> "Period | None":
        """None if the text is no period."""
        found = _WEEKS.fullmatch(text)
        if found is not None:
            weeks = int(found[1])
            return cls(_Kind.LAST_WEEKS, weeks) if weeks <= MOST_WEEKS else None
        return cls(_Kind(text)) if text in set(_Kind) else None

    def at(self, now: int) -> tuple[IsoWeek, ...]:
        """The weeks at a moment (epoch ms), in order. The running week only belongs to `this week` and `this month`."""
        monday = IsoWeek.of(now).start
        if self.kind is _Kind.THIS_WEEK:
            return (IsoWeek.of(now),)
        if self.kind is _Kind.LAST_WEEKS:
            return tuple(IsoWeek.of(monday - number * WEEK) for number in range(self.weeks, 0, -1))
        if self.kind is _Kind.THIS_MONTH:
            return _month_until(monday)
        return _month_until(_month_until(monday)[0].start - WEEK)

    def __str__(self) -> str:
        return f"last {self.weeks} weeks" if self.weeks > 1 else str(self.kind)


def _month_until(monday: int) -> tuple[IsoWeek, ...]:
    """The weeks of the month of a week, from its first one to this one."""
    month = _month(monday)
    weeks = []
    while _month(monday) == month:
        weeks.append(IsoWeek.of(monday))
        monday -= WEEK
    return tuple(reversed(weeks))


def _month(monday: int) -> int:
    return moment(monday + 3 * DAY).month
