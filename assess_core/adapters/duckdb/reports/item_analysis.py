"""The item analysis: a row per question."""

from typing import Final

from assess_core.adapters.duckdb.reports.analysis import LEAST, finite, prepare
from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type
from assess_core.adapters.duckdb.reports.naming import TITLES

_Z: Final = 1.959963984540054
"""The quantile of the normal distribution for an interval of 95 %."""


def _figure(name: str, sql: str) -> Column:
    return Column(name, f"CASE WHEN NOT is_suppressed THEN {finite(f'({sql})')} END", Type.VALUE)


def _wilson(sign: str) -> str:
    share, n = "(correct / learners)", "learners"
    root = f"sqrt({share} * (1 - {share}) / {n} + {_Z} ** 2 / (4 * {n} ** 2))"
    return f"({share} + {_Z} ** 2 / (2 * {n}) {sign} {_Z} * {root}) / (1 + {_Z} ** 2 / {n})"


_TAILS: Final = f"CASE WHEN upper >= {LEAST} AND lower >= {LEAST} THEN {{}} END"
# the variance of the total without the question; a tiny remainder is a rounding error of 0
_REMAINING: Final = "variance + variance_of_all - 2 * covariance_of_all"
_ALPHA_IF_DELETED: Final = f"""
CASE WHEN questions > 2 AND {_REMAINING} > 1e-12 * (variance + variance_of_all) THEN
    (questions - 1) / (questions - 2) * (1 - (sum_of_variances - variance_of_all) / ({_REMAINING}))
END
"""

ITEM_ANALYSIS: Final = Declaration(
    columns=(
        *(Column(name, name) for name in ("batch_id", "course_id", "content_id", "week", "question_id")),
        Column("title", "title"),
        Column("type", "type"),
        Column("suppressed", "is_suppressed", Type.VALUE),
        Column("learners", "CASE WHEN NOT is_suppressed THEN learners END", Type.VALUE),
        _figure("mean_score", "mean_score"),
        _figure("max_score", "maximum / learners"),
        _figure("sd", "sqrt(score_squares / (learners - 1))"),
        _figure("difficulty", "score / nullif(maximum, 0)"),
        _figure(
            "discrimination",
            "CASE WHEN NOT is_score_constant AND NOT is_rest_constant THEN "
            "products / (sqrt(score_squares) * sqrt(rest_squares)) END",
        ),
        _figure("upper_27", _TAILS.format("upper_share")),
        _figure("lower_27", _TAILS.format("lower_share")),
        _figure("discrimination_27", _TAILS.format("upper_share - lower_share")),
        _figure("correct_share", "correct / learners"),
        _figure("correct_low", _wilson("-")),
        _figure("correct_high", _wilson("+")),
        _figure("mean_duration", "mean_duration"),
        _figure("alpha_if_deleted", _ALPHA_IF_DELETED),
    ),
    titles=TITLES,
    prepare=prepare,
    rows="""
        SELECT * EXCLUDE (assessments.learners, figures.learners), is_small OR is_hidden AS is_suppressed,
            list_sum(list(variance_of_all) OVER (
                PARTITION BY number ORDER BY question_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            )) AS sum_of_variances
        FROM items JOIN assessments USING (number) JOIN figures USING (number) JOIN texts USING (number, question_id)
    """,
    order="batch_id, course_id, content_id, week, question_id",
)
