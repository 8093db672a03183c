"""The SQL that use cases run over a union, and the conversion of its rows."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, Final, cast

import duckdb
import msgspec

from assess_core.adapters.duckdb.reports.columns import ATTEMPT
from assess_core.domain.attempts import AttemptKey, AttemptVersion, Version
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.ticket_diff import AttemptState
from assess_core.ports.reports import Received, SliceRows, WeeklyActivity

FETCHED: Final = 1000
"""Rows that a query fetches at a time."""
_KEY: Final = "user_id, course_id, batch_id, content_id, attempt_id"
BY_BATCH: Final = "batch_id, user_id, course_id, content_id, attempt_id"
ROW: Final = f"""
SELECT {_KEY}, epoch_ms(last_attempted_on) AS last_attempted_on, has_answers, content_hash, total_score,
       total_max_score, grand_total, text_of(question) AS question, epoch_ms(updated_on) AS received_at
"""
# add scores in the order of the keys, because a sum of floats depends on the order
BATCH_NUMBERS: Final = f"""
SELECT attempts, learners, assessments, sum_of_scores, sum_of_parts, versions, first_received, last_received
FROM (SELECT count(*) AS attempts, count(DISTINCT user_id) AS learners, count(DISTINCT content_id) AS assessments,
             sum(total_score ORDER BY {_KEY}) AS sum_of_scores,
             sum(total_score / of ORDER BY {_KEY}) AS sum_of_parts
      FROM winners, (SELECT count(*) AS of FROM winners)),
     (SELECT count(*) AS versions, epoch_ms(min(received)) AS first_received, epoch_ms(max(received)) AS last_received
      FROM (SELECT min(updated_on) AS received FROM placed GROUP BY user_id, content_hash))
"""
WEEK_NUMBERS: Final = """
SELECT number // 100 AS year, number % 100 AS week, sum(attempts)::BIGINT AS attempts, sum(versions)::BIGINT AS versions
FROM (SELECT year * 100 + week AS number, 1 AS attempts, 0 AS versions FROM winners
      UNION ALL SELECT min(year * 100 + week), 0, 1 FROM placed GROUP BY user_id, content_hash)
GROUP BY number ORDER BY number
"""
SLICES: Final = """
SELECT batch_id, year, week, sum(hot)::BIGINT AS hot, sum(lake)::BIGINT AS lake,
       count(*) FILTER (hot + lake > 0) AS versions, count(*) AS known, epoch_ms(max(newest_hot)) AS newest_hot
FROM (SELECT batch_id, year, week, content_hash, count(*) FILTER (tier = 'hot') AS hot,
             count(*) FILTER (tier = 'lake') AS lake, max(updated_on) FILTER (tier = 'hot') AS newest_hot
      FROM placed GROUP BY batch_id, year, week, content_hash)
GROUP BY batch_id, year, week
"""
RECEIVED: Final = """
SELECT user_id, content_hash, year, week FROM versions
WHERE list_contains($weeks, year * 100 + week)
ORDER BY user_id
"""
WEEKLY_ACTIVITY: Final = """
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

STATES: Final = f"""
SELECT {ATTEMPT}, content_hash, epoch_ms(last_attempted_on) AS last_attempted_on, epoch_ms(updated_on) AS received_at,
    total_score, total_max_score, versions
FROM ({{picked}}) JOIN (SELECT user_id, file_index, file_row_number, updated_on FROM placed)
    USING (user_id, file_index, file_row_number)
QUALIFY row_number() OVER (
    PARTITION BY {ATTEMPT} ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC
) = 1
ORDER BY batch_id, user_id, course_id, content_id, attempt_id
"""
"""The newest picked version of each attempt; `picked` is a query of `reports.picked`."""

SELECTED: Final = f"""
{ROW} FROM placed JOIN (SELECT user_id, file_index, file_row_number FROM ({{picked}}))
    USING (user_id, file_index, file_row_number)
"""
"""The picked versions, in any order; `picked` is a query of `reports.picked`."""


class _Row(msgspec.Struct):
    """A row of `ROW`."""

    user_id: str
    course_id: str
    batch_id: str
    content_id: str
    attempt_id: str
    last_attempted_on: int
    has_answers: bool
    content_hash: bytes
    total_score: float
    total_max_score: float
    grand_total: str
    question: str
    received_at: int


def rows_by_name(duck: duckdb.DuckDBPyConnection) -> Iterator[dict[str, object]]:
    """The rows of the statement that was executed last."""
    names = [column[0] for column in duck.description or ()]
    while batch := duck.fetchmany(FETCHED):
        for row in batch:
            yield dict(zip(names, row, strict=True))


def to_version(found: Mapping[str, object]) -> AttemptVersion:
    """A row as the version that it stores."""
    row = msgspec.convert(found, _Row)
    return AttemptVersion(
        AttemptKey(row.user_id, row.course_id, row.batch_id, row.content_id, row.attempt_id),
        Version(row.last_attempted_on, row.has_answers, row.content_hash),
        row.total_score,
        row.total_max_score,
        row.grand_total,
        row.question,
        row.received_at,
    )


def to_state(row: Mapping[str, Any]) -> AttemptState:
    """A row of `STATES`."""
    names = ("user_id", "course_id", "batch_id", "content_id", "attempt_id")
    more = ("content_hash", "last_attempted_on", "received_at", "total_score", "total_max_score", "versions")
    return AttemptState(AttemptKey(*(row[name] for name in names)), *(row[name] for name in more))


def to_received(row: Mapping[str, Any]) -> Received:
    """A row of `RECEIVED`."""
    return Received(row["user_id"], row["content_hash"], IsoWeek(row["year"], row["week"]))


def to_slice(row: Mapping[str, Any]) -> tuple[ArchiveSlice, SliceRows]:
    """A row of `SLICES`."""
    slice_ = ArchiveSlice(IsoWeek(row["year"], row["week"]), row["batch_id"])
    return slice_, SliceRows(
        row["hot"], row["lake"], row["versions"], row["newest_hot"], row["known"] - row["versions"]
    )


def to_activity(row: Mapping[str, object]) -> WeeklyActivity:
    """A row of `WEEKLY_ACTIVITY`."""
    year, week, attempts, learners = (cast(int, row[name]) for name in ("year", "week", "attempts", "learners"))
    total, spread = cast(float, row["total"]), cast(float, row["spread"])
    # scores are finite, but their sum need not be
    mean = total / attempts if isfinite(total) else spread
    return WeeklyActivity(ArchiveSlice(IsoWeek(year, week), str(row["batch_id"])), attempts, learners, mean)
