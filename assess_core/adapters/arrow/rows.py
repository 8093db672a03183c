"""Attempt rows as Arrow, in the schemas that both tiers use."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from assess_core.domain.attempts import AttemptKey, AttemptVersion, RowKey, Version
from assess_core.domain.moments import millis
from assess_core.domain.slices import ArchiveSlice

_TIME: Final = pa.timestamp("us", "UTC")  # Delta's own resolution
_MAPS: Final = pa.list_(pa.map_(pa.string(), pa.string()))

QUESTION: Final = pa.list_(
    pa.struct(
        [
            ("id", pa.string()),
            ("assess_ts", _TIME),
            ("max_score", pa.float64()),
            ("score", pa.float64()),
            ("type", pa.string()),
            ("title", pa.string()),
            ("resvalues", _MAPS),
            ("params", _MAPS),
            ("description", pa.string()),
            ("duration", pa.float64()),
        ]
    )
)

_COLUMNS: Final = [
    ("batch_id", pa.string()),
    ("year", pa.int32()),
    ("week", pa.int32()),
    ("user_id", pa.string()),
    ("course_id", pa.string()),
    ("content_id", pa.string()),
    ("attempt_id", pa.string()),
    ("last_attempted_on", _TIME),
    ("has_answers", pa.bool_()),
    ("content_hash", pa.binary()),
    ("total_score", pa.float64()),
    ("total_max_score", pa.float64()),
    ("grand_total", pa.string()),
    ("updated_on", _TIME),
]

HOT_SCHEMA: Final = pa.schema([*_COLUMNS, ("question", pa.string())])
"""A row of the hot store: `question` is compact JSON text (`attempts.question_text`), `updated_on` is *received at*."""

LAKE_SCHEMA: Final = pa.schema([*_COLUMNS, ("question", QUESTION)])
"""A row of the lake: `question` is nested, `assess_ts` a time."""

_KEY: Final = {"batch_id", "user_id", "course_id", "content_id", "attempt_id", "last_attempted_on", "content_hash"}
KEY_SCHEMA: Final = pa.schema([field for field in HOT_SCHEMA if field.name in {*_KEY, "updated_on"}])
"""A key of the hot store with its receipt: what one row is deleted by."""

SCORES_SCHEMA: Final = pa.schema(
    [
        *LAKE_SCHEMA,
        ("answers", pa.int64()),
        ("corrected_score", pa.float64()),
        ("corrected_max_score", pa.float64()),
    ]
)
"""A row of `scores`: a row of the lake whose answers were dropped. `question` is null, `answers` their number.

The corrected totals are those of the time of the drop; null if no correction covered the version then."""


def to_batch(rows: Sequence[AttemptVersion]) -> pa.RecordBatch:
    """Versions as a batch of `HOT_SCHEMA`."""
    columns: list[list[object]] = [[] for _ in HOT_SCHEMA]
    for row in rows:
        week = row.slice.week
        key, version = row.key, row.version
        values = (
            key.batch_id, week.year, week.week, key.user_id, key.course_id, key.content_id, key.attempt_id,
            version.last_attempted_on * 1000, version.has_answers, version.content_hash,
            row.total_score, row.total_max_score, row.grand_total, row.received_at * 1000, row.question,
        )  # fmt: skip
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, HOT_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=HOT_SCHEMA)


def from_batch(batch: pa.RecordBatch) -> list[AttemptVersion]:
    """The inverse of `to_batch`."""
    return [
        AttemptVersion(
            AttemptKey(row["user_id"], row["course_id"], row["batch_id"], row["content_id"], row["attempt_id"]),
            Version(millis(row["last_attempted_on"]), row["has_answers"], row["content_hash"]),
            row["total_score"],
            row["total_max_score"],
            row["grand_total"],
            row["question"],
            millis(row["updated_on"]),
        )
        for row in batch.to_pylist()
    ]


def row_key(values: tuple[str, str, str, str, str, int, bool, bytes, int]) -> RowKey:
    """A row key from (batch_id, user_id, course_id, content_id, attempt_id, last_attempted_on ms, has_answers,
    content_hash, updated_on ms)."""
    batch_id, user_id, course_id, content_id, attempt_id, attempted_on, has_answers, content_hash, received_at = values
    key = AttemptKey(user_id, course_id, batch_id, content_id, attempt_id)
    version = Version(attempted_on, has_answers, content_hash)
    return RowKey(ArchiveSlice.of(batch_id, received_at), key, version, received_at)
