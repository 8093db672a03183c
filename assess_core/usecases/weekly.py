"""Use case: weekly activity, what each batch did in each ISO week.

The numbers are a pure function of the versions that were first received in the week, wherever their copies are now:
archive and clear change none of them, and neither does a second receipt in a later week.
"""

from collections.abc import Collection
from math import isfinite
from typing import Final, NamedTuple, cast

from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.reports import WeeklyActivity, WeeklyTable
from assess_core.ports.stores import Stores


class Refreshed(NamedTuple):
    """What `refresh` wrote."""

    rows: list[WeeklyActivity]
    bytes: int


_ACTIVITY: Final = """
SELECT year, week, batch_id, count(*) AS attempts, count(DISTINCT user_id) AS learners,
       sum(total_score ORDER BY content_hash) AS total,  -- in one order, so that the sum is the same each time
       sum(total_score / in_week ORDER BY content_hash) AS spread
FROM (
    SELECT *, count(*) OVER (PARTITION BY year, week, batch_id) AS in_week
    FROM (
        SELECT year, week, batch_id, user_id, total_score, content_hash
        FROM versions
        WHERE list_contains($weeks, year * 100 + week)
        QUALIFY row_number() OVER (
            PARTITION BY year, week, user_id, course_id, batch_id, content_id, attempt_id
            ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC) = 1
    )
)
GROUP BY year, week, batch_id
ORDER BY year, week, batch_id
"""


def weekly_activity(stores: Stores, weeks: Collection[IsoWeek]) -> list[WeeklyActivity]:
    """The activity of these weeks, by week, then batch; a week without attempts has no row."""
    last = max(weeks, default=IsoWeek(0, 0))
    known = {slice_.week for slice_ in stores.hot.slices()} | {file.week for file in stores.lake.pin().files()}
    # earlier weeks too: a version that was first received there does not count again
    read = sorted(week for week in known if week <= last)
    if not read:
        return []
    with stores.union(weeks=read) as union:
        rows = union.rows(_ACTIVITY, {"weeks": [week.year * 100 + week.week for week in weeks]})
        return [_activity(row) for row in rows]


def _activity(row: dict[str, object]) -> WeeklyActivity:
    year, week, attempts, learners = (cast(int, row[name]) for name in ("year", "week", "attempts", "learners"))
    total, spread = cast(float, row["total"]), cast(float, row["spread"])
    # scores are finite, their sum need not be
    mean = total / attempts if isfinite(total) else spread
    return WeeklyActivity(ArchiveSlice(IsoWeek(year, week), str(row["batch_id"])), attempts, learners, mean)


def refresh(stores: Stores, table: WeeklyTable, weeks: Collection[IsoWeek]) -> Refreshed:
    """Compute these weeks again and replace them, and them alone, in the table.

    Raises what the stores raise.
    """
    rows = weekly_activity(stores, weeks)
    return Refreshed(rows, table.replace(weeks, rows))
