"""The progress report: a row per learner, with a column for the best score of each assessment, as Sunbird shows it."""

from typing import Final

from assess_core.adapters.duckdb.connection import literal
from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Query, Type
from assess_core.adapters.duckdb.reports.naming import named
from assess_core.adapters.duckdb.reports.response import LEARNER_COLUMNS
from assess_core.domain.names import NameKind
from assess_core.errors import BadReport

_MOST: Final = 1000
"""The largest number of score columns. DuckDB needs about as much memory for a column as for a row group of it."""

# ceil(score * 100 / max), then %; a maximum of 0 has no share. A whole number is written without `.0`
_SHARE: Final = """
CASE WHEN abs({share}) < 1e15 THEN ceil({share})::BIGINT::VARCHAR ELSE ceil({share})::VARCHAR END || '%'
"""


def _score_columns(query: Query) -> tuple[Column, ...]:
    contents = [
        str(content) for (content,) in query(f"SELECT DISTINCT content_id FROM picked ORDER BY 1 LIMIT {_MOST + 1}")
    ]
    if len(contents) > _MOST:
        raise BadReport(
            [
                f"assessments: the learners have attempts at more than {_MOST:,} assessments, and each needs a column; "
                "name assessments, or use the report summary, which has a row for each"
            ]
        )
    return tuple(Column(f"{content} - Score", _text(f"shares[{literal(content)}]"), Type.VALUE) for content in contents)


def _text(share: str) -> str:
    return _SHARE.format(share=share).strip()


PROGRESS: Final = Declaration(
    columns=(
        Column("Collection Id", "course_id"),
        named("Collection Name", NameKind.COURSE),
        Column("Batch Id", "'BatchId_' || batch_id"),
        named("Batch Name", NameKind.BATCH),
        Column("User UUID", "user_id"),
        Column("Total Score", _text("total"), Type.VALUE),
    ),
    learners=LEARNER_COLUMNS,
    more=_score_columns,
    # on a tie the smallest attempt id is the best; sums of floats need an order
    rows="""
        SELECT user_id, course_id, batch_id,
            map(list(content_id), list(best.score * 100 / nullif(best.max_score, 0))) AS shares,
            list_reduce(list(best.score ORDER BY content_id), lambda a, b: a + b) * 100
                / nullif(list_reduce(list(best.max_score ORDER BY content_id), lambda a, b: a + b), 0) AS total
        FROM (
            SELECT user_id, course_id, batch_id, content_id,
                first({'score': total_score, 'max_score': total_max_score} ORDER BY total_score DESC, attempt_id)
                    AS best
            FROM picked GROUP BY user_id, course_id, batch_id, content_id
        )
        GROUP BY user_id, course_id, batch_id
    """,
    order="user_id, course_id, batch_id",
    unit="user_id, course_id, batch_id",
)
