"""The assessment analysis: a row per assessment, with its mean, deviation and reliability."""

from typing import Final

from assess_core.adapters.duckdb.reports.analysis import finite, prepare
from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type
from assess_core.adapters.duckdb.reports.naming import TITLES


def _figure(name: str, sql: str) -> Column:
    return Column(name, f"CASE WHEN NOT is_suppressed THEN {finite(f'({sql})')} END", Type.VALUE)


_ALPHA: Final = """
CASE WHEN questions > 1 AND NOT is_constant THEN questions / (questions - 1) * (1 - sum_of_variances / variance) END
"""

ASSESSMENT_ANALYSIS: Final = Declaration(
    columns=(
        *(Column(name, name) for name in ("batch_id", "course_id", "content_id", "week")),
        Column("suppressed", "is_suppressed", Type.VALUE),
        Column("learners", "CASE WHEN NOT is_suppressed THEN learners END", Type.VALUE),
        Column("questions", "questions", Type.VALUE),
        _figure("mean_score", "mean"),
        _figure("sd", "sqrt(variance)"),
        _figure("alpha", _ALPHA),
        _figure("sem", f"sqrt(variance) * sqrt(1 - ({_ALPHA}))"),
    ),
    titles=TITLES,
    prepare=prepare,
    # the mean of a single question is the mean of the assessment
    rows="""
        SELECT *, assessments.is_small OR questions = 1 AND risky > 0 AS is_suppressed
        FROM assessments JOIN figures USING (number, learners) JOIN (
            SELECT number, count(*) AS questions, max(risky) AS risky,
                list_sum(list(variance_of_all ORDER BY question_id)) AS sum_of_variances
            FROM items GROUP BY number
        ) USING (number)
    """,
    order="batch_id, course_id, content_id, week",
)
