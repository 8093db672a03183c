"""The tables that the analyses share: who is counted, how often each mark occurs, and which figures are suppressed.

A sum of floats depends on the order of its terms, and threads read rows in any order. So the rows are first counted by
their values. Then the counts of a question are sorted into one list, and a sum over a list has one order.
Formulas and the rules of suppression: docs/formats.md.
"""

from collections.abc import Mapping
from typing import Final

from assess_core.domain.report_spec import Counted, Report, ReportSpec

LEAST: Final = 10
"""The number of learners below which a figure is suppressed."""
DECIMALS: Final = 9
"""Totals and rests are rounded to these decimals, so that 0.1 + 0.2 - 0.2 and 0.1 are the same mark."""
_SHARE: Final = 0.27
"""The share of the learners in the upper and in the lower group."""
_GROUP: Final = "batch_id, course_id, content_id, week"
_ORDERS: Final = {
    Counted.FIRST: "last_attempted_on, attempt_id",
    Counted.BEST: "total_score DESC, attempt_id",
}
_WEEK: Final = "printf('%04d-W%02d', year, week)"

_COUNTED: Final = f"""
CREATE TEMP TABLE counted AS
SELECT {_GROUP}, user_id, file_index, file_row_number, round(total_score, {DECIMALS}) AS total
FROM (SELECT * REPLACE ({{week}} AS week) FROM picked WHERE has_answers)
QUALIFY row_number() OVER (PARTITION BY {_GROUP}, user_id ORDER BY {{order}}) = 1
"""
# a small week is hidden among at least two suppressed weeks with LEAST learners together
_ASSESSMENTS: Final = f"""
CREATE TEMP TABLE assessments AS
SELECT * EXCLUDE (smaller, place, small_weeks),
    learners < {LEAST} OR small_weeks > 0 AND (place = 2 OR smaller < {LEAST}) AS is_small
FROM (
    SELECT *, row_number() OVER (ORDER BY {_GROUP}) AS number,
        row_number() OVER by_size AS place,
        coalesce(sum(learners) OVER (by_size ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS smaller,
        count_if(learners < {LEAST}) OVER (PARTITION BY batch_id, course_id, content_id) AS small_weeks
    FROM (SELECT {_GROUP}, count(*) AS learners FROM counted GROUP BY {_GROUP})
    WINDOW by_size AS (PARTITION BY batch_id, course_id, content_id ORDER BY learners, week)
)
"""
_SITTINGS: Final = """
CREATE TEMP TABLE sittings AS
SELECT row_number() OVER (ORDER BY number, user_id) AS sitting, number, user_id, file_index, file_row_number, total
FROM counted JOIN assessments
    ON counted.batch_id = assessments.batch_id AND counted.course_id = assessments.course_id
    AND counted.content_id = assessments.content_id AND counted.week IS NOT DISTINCT FROM assessments.week
"""
# learners with the same total have the same share in the upper and in the lower group
_TOTALS: Final = f"""
CREATE TEMP TABLE totals AS
SELECT number, total, learners,
    greatest(0.0, least(1.0, ({_SHARE}::DOUBLE * of - above) / learners)) AS upper,
    greatest(0.0, least(1.0, ({_SHARE}::DOUBLE * of - below) / learners)) AS lower
FROM (
    SELECT *, of - below - learners AS above
    FROM (
        SELECT *, (sum(learners) OVER (PARTITION BY number))::BIGINT AS of,
            (sum(learners) OVER (PARTITION BY number ORDER BY total))::BIGINT - learners AS below
        FROM (SELECT number, total, count(*) AS learners FROM sittings GROUP BY number, total)
    )
)
"""
_MARKS: Final = """
CREATE TEMP TABLE marks AS
SELECT number, answer.id AS question_id, answer.score AS score, answer.max_score AS max_score, total,
    {response} AS response, answer.duration AS duration, grouping(answer.duration) = 0 AS is_duration,
    count(*) AS learners, min(sitting) AS first
FROM ({answers})
GROUP BY GROUPING SETS (
    (number, answer.id, answer.score, answer.max_score, total, {response}), (number, answer.id, answer.duration)
)
"""
_ITEMS: Final = """
CREATE TEMP TABLE items AS
WITH cells AS (
    SELECT number, question_id, min(first) AS first, min(score) = max(score) AS is_score_constant,
        min(rest) = max(rest) AS is_rest_constant, sum(learners)::BIGINT AS learners,
        coalesce(sum(learners) FILTER (WHERE score >= max_score AND max_score > 0), 0)::BIGINT AS correct,
        list({{'n': learners::DOUBLE, 's': score, 'm': max_score, 't': total, 'r': rest, 'u': learners * upper,
            'l': learners * lower}} ORDER BY score, max_score, total) AS cells
    FROM (
        SELECT number, question_id, score, max_score, total, round(total - score, {decimals}) AS rest,
            sum(learners) AS learners, min(first) AS first
        FROM marks WHERE NOT is_duration GROUP BY number, question_id, score, max_score, total
    ) JOIN (SELECT * EXCLUDE learners FROM totals) USING (number, total)
    GROUP BY number, question_id
), sums AS (
    SELECT cells.*, figures.learners AS all_learners, figures.mean AS mean_total,
        {score} AS score, {maximum} AS maximum,
        {score} / cells.learners AS mean_score, {rest} / cells.learners AS mean_rest,
        {score} / figures.learners AS mean_of_all,
        {upper} AS upper, {upper_score} / {upper_maximum} AS upper_share,
        {lower} AS lower, {lower_score} / {lower_maximum} AS lower_share
    FROM cells JOIN figures USING (number)
), squares AS (
    SELECT *, {score_squares} AS score_squares, {rest_squares} AS rest_squares, {products} AS products,
        ({squares_of_all} + (all_learners - learners) * mean_of_all ** 2) / (all_learners - 1) AS variance_of_all,
        {products_of_all} / (all_learners - 1) AS covariance_of_all
    FROM sums
), durations AS (
    SELECT number, question_id, list_sum(list(learners * duration ORDER BY duration)) / sum(learners) AS mean_duration
    FROM marks WHERE is_duration GROUP BY number, question_id
)
SELECT * EXCLUDE cells, is_risky OR count_if(is_risky) OVER whole = 1 AND row_number() OVER (
        PARTITION BY number ORDER BY is_risky DESC, learners, question_id
    ) = 2 AS is_hidden,
    count_if(is_risky) OVER whole AS risky, count(*) OVER whole AS questions
FROM (
    SELECT *, learners < {least} OR all_learners - learners BETWEEN 1 AND {least} - 1
        OR correct BETWEEN 1 AND {least} - 1 OR learners - correct BETWEEN 1 AND {least} - 1 AS is_risky
    FROM squares JOIN durations USING (number, question_id)
)
WINDOW whole AS (PARTITION BY number)
"""
_FIGURES: Final = """
CREATE TEMP TABLE figures AS
SELECT number, learners, mean, is_constant,
    {squares} / (learners - 1) AS variance
FROM (
    SELECT number, sum(learners)::BIGINT AS learners, min(total) = max(total) AS is_constant,
        list({{'n': learners::DOUBLE, 't': total}} ORDER BY total) AS cells, {total} / sum(learners)::BIGINT AS mean
    FROM totals GROUP BY number
)
"""
_FIELDS: Final = {"id": "VARCHAR", "type": "VARCHAR", "score": "DOUBLE", "max_score": "DOUBLE", "duration": "DOUBLE"}
_NOT_A_CHOICE: Final = "lower(answer.type) IN ('ftb', 'mtf')"
"""Types of questions whose responses are texts or pairs: they have no options."""


def prepare(spec: ReportSpec) -> list[str]:
    """Create the tables assessments, marks, figures and items; also `texts`, with the texts of each question."""
    needs_options = spec.report is Report.OPTION_ANALYSIS
    fields = _FIELDS | ({"resvalues": "JSON"} if needs_options else {})
    response = f"CASE WHEN {_NOT_A_CHOICE} THEN NULL ELSE answer.resvalues::VARCHAR END" if needs_options else "NULL"
    return [
        _COUNTED.format(week=_WEEK if spec.by_week else "NULL::VARCHAR", order=_ORDERS[spec.counted]),
        _ASSESSMENTS,
        _SITTINGS,
        _TOTALS,
        _MARKS.format(answers=_answers_sql(fields), response=response),
        _FIGURES.format(total=_sum("c.n * c.t"), squares=_sum("c.n * (c.t - mean) ** 2")),
        _ITEMS.format(
            decimals=DECIMALS,
            least=LEAST,
            score=_sum("c.n * c.s"),
            maximum=_sum("c.n * c.m"),
            rest=_sum("c.n * c.r"),
            upper=_sum("c.u"),
            upper_score=_sum("c.u * c.s"),
            upper_maximum=_sum("c.u * c.m"),
            lower=_sum("c.l"),
            lower_score=_sum("c.l * c.s"),
            lower_maximum=_sum("c.l * c.m"),
            score_squares=_sum("c.n * (c.s - mean_score) ** 2"),
            rest_squares=_sum("c.n * (c.r - mean_rest) ** 2"),
            products=_sum("c.n * (c.s - mean_score) * (c.r - mean_rest)"),
            squares_of_all=_sum("c.n * (c.s - mean_of_all) ** 2"),
            products_of_all=_sum("c.n * c.s * (c.t - mean_total)"),
        ),
        _texts_sql(needs_options),
    ]


def finite(figure: str) -> str:
    """A figure, or NULL if it is infinite or not a number: scores are finite, but their squares need not be."""
    return f"CASE WHEN isfinite({figure}) THEN {figure} END"


def _sum(term: str) -> str:
    return f"list_sum(list_transform(cells, lambda c: {term}))"


def _answers_sql(fields: Mapping[str, str], sittings: str = "sittings") -> str:
    """The answers of the counted attempts: number, sitting, total and `answer` with these fields.

    The JSON text of the hot store is parsed only for these fields.
    """
    json = ", ".join(f'"{name}": "{type_}"' for name, type_ in fields.items())
    packed = ", ".join(f"{name} := q.{name}" + ("::JSON" if type_ == "JSON" else "") for name, type_ in fields.items())
    tiers = {
        "hot_rows": f"from_json_strict(question, '[{{{json}}}]')",
        "lake_rows": f"list_transform(question, lambda q: struct_pack({packed}))",
    }
    rows = " UNION ALL ".join(
        f"SELECT number, sitting, total, {answers} AS answers FROM {tier} JOIN {sittings} USING (file_index, "
        "file_row_number)"
        for tier, answers in tiers.items()
    )
    return f"SELECT number, sitting, total, unnest(answers) AS answer FROM ({rows})"


def _texts_sql(needs_options: bool) -> str:
    """The texts of each question, from the answer of the learner with the smallest id: the answers of few attempts."""
    fields = {"id": "VARCHAR", "title": "VARCHAR", "type": "VARCHAR"} | ({"params": "JSON"} if needs_options else {})
    first = "(SELECT * FROM sittings WHERE sitting IN (SELECT first FROM items))"
    return f"""
CREATE TEMP TABLE texts AS
SELECT items.number, items.question_id, answer.*
FROM items JOIN ({_answers_sql(fields, first)}) AS answers
    ON answers.sitting = items.first AND answers.answer.id = items.question_id
"""
