"""The queries of weekly activity, over the views of a union."""

from collections.abc import Collection, Mapping
from math import isfinite
from typing import Any, Final

from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.reports import Received, WeeklyActivity

RECEIVED: Final = """
SELECT user_id, content_hash, year, week FROM versions
WHERE list_contains($weeks, year * 100 + week)
ORDER BY user_id
"""

ACTIVITY: Final = """
SELECT year, week, batch_id, count(*) AS attempts, count(DISTINCT user_id) AS learners,
       sum(total_score ORDER BY content_hash) AS total,  -- in one order, so that the sum is the same each time
       sum(total_score / in_week ORDER BY content_hash) AS spread
FROM (
    SELECT *, count(*) OVER (PARTITION BY year, week, batch_id) AS in_week
    FROM (
        SELECT year, week, batch_id, user_id, total_score, content_hash
        FROM versions ANTI JOIN (SELECT unnest($without::BLOB[]) AS content_hash) USING (content_hash)
        WHERE list_contains($weeks, year * 100 + week)
        QUALIFY row_number() OVER (
            PARTITION BY year, week, user_id, course_id, batch_id, content_id, attempt_id
            ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC) = 1
    )
)
GROUP BY year, week, batch_id
ORDER BY year, week, batch_id
"""


def parameter(weeks: Collection[IsoWeek]) -> list[int]:
    """The weeks as the queries compare them."""
    return [week.year * 100 + week.week for week in weeks]


def to_received(row: Mapping[str, Any]) -> Received:
    """A row of `RECEIVED`."""
    return Received(row["user_id"], row["content_hash"], IsoWeek(row["year"], row["week"]))


def to_activity(row: Mapping[str, Any]) -> WeeklyActivity:
    """A row of `ACTIVITY`."""
    # scores are finite, but their sum need not be
    mean = row["total"] / row["attempts"] if isfinite(row["total"]) else row["spread"]
    slice_ = ArchiveSlice(IsoWeek(row["year"], row["week"]), row["batch_id"])
    return WeeklyActivity(slice_, row["attempts"], row["learners"], mean)
