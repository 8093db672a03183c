"""Use case: weekly activity, what each batch did in each ISO week.

The numbers are a pure function of the versions that were first received in the week, wherever their copies are now:
archive and clear change none of them, and neither does a second receipt in a later week.
"""

from collections.abc import Collection
from typing import NamedTuple

from assess_core.domain.slices import IsoWeek
from assess_core.ports.reports import WeeklyActivity, WeeklyTable
from assess_core.ports.stores import Stores


class Refreshed(NamedTuple):
    """What `refresh` wrote."""

    rows: list[WeeklyActivity]
    bytes: int


def weekly_activity(stores: Stores, weeks: Collection[IsoWeek]) -> list[WeeklyActivity]:
    """The activity of these weeks, by week, then batch; a week without attempts has no row."""
    last = max(weeks, default=IsoWeek(0, 0))
    known = {slice_.week for slice_ in stores.hot.slices()} | {file.week for file in stores.lake.pin().files()}
    # earlier weeks too: a version that was first received there does not count again
    read = sorted(week for week in known if week <= last)
    if not read:
        return []
    with stores.union(weeks=read) as union:
        return union.weekly_activity(weeks)


def refresh(stores: Stores, table: WeeklyTable, weeks: Collection[IsoWeek]) -> Refreshed:
    """Compute these weeks again and replace them, and them alone, in the table.

    Raises what the stores raise.
    """
    rows = weekly_activity(stores, weeks)
    return Refreshed(rows, table.replace(weeks, rows))
