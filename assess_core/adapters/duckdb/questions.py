"""The SQL of the questions that use cases ask a union, and the rows of the answers."""

from collections.abc import Mapping
from typing import Final

import msgspec

from assess_core.domain.attempts import AttemptKey, AttemptVersion, Version

_KEY: Final = "user_id, course_id, batch_id, content_id, attempt_id"
_BY_BATCH: Final = "batch_id, user_id, course_id, content_id, attempt_id"
ROW: Final = f"""
SELECT {_KEY}, epoch_ms(last_attempted_on) AS last_attempted_on, has_answers, content_hash, total_score,
       total_max_score, grand_total, text_of(question) AS question, epoch_ms(updated_on) AS received_at
"""
VERSIONS_OF: Final = f"{ROW} FROM copies WHERE user_id = $user_id AND list_contains($hashes, content_hash)"
ALL_ATTEMPTS: Final = f"{ROW} FROM newest ORDER BY {_BY_BATCH}"
COPIES: Final = (
    f"{ROW} FROM copies WHERE tier = $tier ORDER BY {_BY_BATCH}, last_attempted_on, content_hash, updated_on"
)
# scores are added in the order of the keys: a sum of floats depends on the order, and this answer must not
BATCH_NUMBERS: Final = f"""
SELECT attempts, learners, assessments, sum_of_scores, sum_of_parts, versions, first_received, last_received
FROM (SELECT count(*) AS attempts, count(DISTINCT user_id) AS learners, count(DISTINCT content_id) AS assessments,
             sum(total_score ORDER BY {_KEY}) AS sum_of_scores,
             sum(total_score / of ORDER BY {_KEY}) AS sum_of_parts
      FROM newest, (SELECT count(*) AS of FROM newest)),
     (SELECT count(*) AS versions, epoch_ms(min(updated_on)) AS first_received,
             epoch_ms(max(updated_on)) AS last_received FROM versions)
"""
WEEK_NUMBERS: Final = """
SELECT year, week, sum(attempts)::BIGINT AS attempts, sum(versions)::BIGINT AS versions
FROM (SELECT year, week, count(*) AS attempts, 0 AS versions FROM newest GROUP BY year, week
      UNION ALL SELECT year, week, 0, count(*) FROM versions GROUP BY year, week)
GROUP BY year, week ORDER BY year, week
"""


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
