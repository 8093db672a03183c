"""The option analysis: a row per option of a question, with the number of learners who chose it."""

from typing import Final

from assess_core.adapters.duckdb.reports import analysis
from assess_core.adapters.duckdb.reports.analysis import LEAST, finite
from assess_core.adapters.duckdb.reports.columns import Column, Declaration, Type
from assess_core.adapters.duckdb.reports.naming import TITLES
from assess_core.domain.report_spec import ReportSpec

_MAPS: Final = """from_json_strict({text}, '["MAP(VARCHAR, VARCHAR)"]')"""
# an option is a member `N: {"text": ...}`, or has a value; several chosen options are a list in a value
_IDS: Final = """
CASE WHEN map_contains(m, 'value') THEN
    CASE WHEN m['value'] LIKE '[%' AND json_valid(m['value']) THEN json_extract_string(m['value'], '$[*].value')
    ELSE [m['value']] END
ELSE map_keys(m) END
"""
_DECLARED: Final = f"""
CREATE TEMP TABLE declared AS
SELECT number, question_id, unnest(options).id AS option, unnest(options).text AS text,
    CASE WHEN len(keys) > 0 THEN list_contains(keys, unnest(options).id) END AS is_key
FROM (
    SELECT number, question_id,
        flatten(list_transform(list_filter(maps, lambda m: map_contains(m, 'answer')), lambda m:
            CASE WHEN json_valid(m['answer']) THEN json_extract_string(m['answer'], '$.correct[*]') ELSE [] END
        )) AS keys,
        flatten(list_transform(list_filter(maps, lambda m: NOT map_contains(m, 'answer')), lambda m:
            list_transform({_IDS}, lambda id: {{'id': id, 'text': CASE WHEN map_contains(m, 'value') THEN m['label']
                WHEN json_valid(m[id]) THEN json_extract_string(m[id], '$.text') END}})
        )) AS options
    FROM (
        SELECT *, {_MAPS.format(text="params::VARCHAR")} AS maps
        FROM texts WHERE coalesce(lower(type) NOT IN ('ftb', 'mtf'), true)
    )
)
"""
_RESPONSES: Final = f"""
CREATE TEMP TABLE responses AS
SELECT response, list_distinct(flatten(list_transform({_MAPS.format(text="response")}, lambda m: {_IDS}))) AS options
FROM (SELECT DISTINCT response FROM marks WHERE response IS NOT NULL)
"""
_CHOSEN: Final = f"""
CREATE TEMP TABLE chosen AS
SELECT number, question_id, option, sum(learners)::BIGINT AS choices,
    list_sum(list(learners * rest ORDER BY rest)) AS rest
FROM (
    SELECT number, question_id, option, round(total - score, {analysis.DECIMALS}) AS rest, sum(learners) AS learners
    FROM marks JOIN (SELECT response, unnest(options) AS option FROM responses) USING (response)
    WHERE NOT is_duration
    GROUP BY number, question_id, option, rest
)
GROUP BY number, question_id, option
"""
_SILENT: Final = """
CREATE TEMP TABLE silent AS
SELECT number, question_id, sum(learners)::BIGINT AS silent
FROM marks JOIN responses USING (response) WHERE NOT is_duration AND len(options) = 0
GROUP BY number, question_id
"""
# for one small count, all counts of the question are suppressed except that of the key, which the mean tells anyway
_OPTIONS: Final = f"""
CREATE TEMP TABLE options AS
SELECT *, is_small OR is_hidden OR is_risky OR NOT coalesce(is_key, false) AND any_risky AS is_suppressed
FROM (
    SELECT *, bool_or(is_risky OR silent BETWEEN 1 AND {LEAST} - 1) OVER (PARTITION BY number, question_id) AS any_risky
    FROM (
        SELECT *, choices BETWEEN 1 AND {LEAST} - 1 OR learners - choices BETWEEN 1 AND {LEAST} - 1 AS is_risky,
            CASE WHEN choices > 0 AND choices < learners AND NOT is_rest_constant THEN (rest - choices * mean_rest)
                / (sqrt(choices * (learners - choices) / learners) * sqrt(rest_squares)) END AS correlation
        FROM (
            SELECT declared.*, batch_id, course_id, content_id, week, is_small, is_hidden, items.learners, mean_rest,
                is_rest_constant, rest_squares, coalesce(choices, 0) AS choices, rest,
                coalesce(silent, 0) AS silent
            FROM (SELECT DISTINCT ON (number, question_id, option) * FROM declared ORDER BY text) AS declared
            JOIN items USING (number, question_id)
            JOIN assessments USING (number)
            LEFT JOIN chosen USING (number, question_id, option)
            LEFT JOIN silent USING (number, question_id)
        )
    )
)
"""


def _prepare(spec: ReportSpec) -> list[str]:
    return [*analysis.prepare(spec), _DECLARED, _RESPONSES, _CHOSEN, _SILENT, _OPTIONS]


def _figure(name: str, sql: str) -> Column:
    return Column(name, f"CASE WHEN NOT is_suppressed THEN {sql} END", Type.VALUE)


OPTION_ANALYSIS: Final = Declaration(
    columns=(
        *(Column(name, name) for name in ("batch_id", "course_id", "content_id", "week", "question_id", "option")),
        Column("text", "text"),
        Column("is_key", "is_key", Type.VALUE),
        Column("suppressed", "is_suppressed", Type.VALUE),
        _figure("choices", "choices"),
        _figure("share", "choices / learners"),
        _figure("correlation", finite("correlation")),
        _figure("likely_wrong_key", "is_key IS NOT NULL AND NOT is_key AND coalesce(is_suspect, false)"),
    ),
    titles=TITLES,
    prepare=_prepare,
    # the key is likely wrong if those who chose it did worse on the rest, and those who chose this option did best
    rows="""
        SELECT *, correlation > 0 AND correlation = max(correlation) OVER question
            AND max(correlation) FILTER (WHERE is_key) OVER question < 0
            AND NOT bool_or(is_suppressed) FILTER (WHERE is_key) OVER question AS is_suspect
        FROM options WINDOW question AS (PARTITION BY number, question_id)
    """,
    order="batch_id, course_id, content_id, week, question_id, option",
)
