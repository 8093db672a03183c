"""The SQL of the response report as text: for each attempt one text, with the row of each answer.

DuckDB's writers would need all answers in order, and sorting them takes longer than writing them. Here DuckDB sorts
only the places of the attempts, and writes their texts in any order (`files.records`). The bytes are the same.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from assess_core.adapters.duckdb.reports.columns import Column, shown
from assess_core.adapters.duckdb.reports.encodings import Encoding, cells_sql, encoding_of, text_literal
from assess_core.adapters.duckdb.reports.naming import joined
from assess_core.adapters.duckdb.reports.response import ANSWER_COLUMNS, ATTEMPT_COLUMNS
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Naming, Report, ReportSpec, Versions

_NUMBERED: Final = """
CREATE TEMP TABLE numbered AS
SELECT row_number() OVER (ORDER BY user_id, course_id, batch_id, content_id, attempt_id) - 1 AS number,
    file_index, file_row_number
FROM ({picked})
"""

_RECORDS: Final = """
SELECT encode(concat(number, ' ', strlen(lines), ' ', rows, chr(10), lines)) AS record FROM ({lines})
"""

# Each level computes its columns once, however often the level above uses them. `question` is sorted by question id.
# An answer that is NULL is the row of an attempt without answers
_LINES: Final = """
SELECT number, coalesce(len(answers), 0) AS rows, coalesce(array_to_string(list_transform(
    answers, lambda answer: concat(attempt, {answer_cells}, {end})), ''), '') AS lines
FROM (
    SELECT number, concat({start}, {attempt_cells}, {between}) AS attempt,
        list_transform(answers, lambda answer: struct_pack({answer_values})) AS answers
    FROM (
        SELECT number, {attempt_values}, CASE WHEN has_answers THEN {answers} ELSE [NULL] END AS answers
        FROM {rows} JOIN numbered USING (file_index, file_row_number) {joins}
        WHERE file_row_number % $parts = $part
    )
)
"""

# The hot store has options and responses as the text that the report shows: it is not parsed
_HOT_ANSWERS: Final = """from_json_strict(question, '[{"id": "VARCHAR", "type": "VARCHAR", "title": "VARCHAR",
    "description": "VARCHAR", "duration": "DOUBLE", "score": "DOUBLE", "max_score": "DOUBLE", "params": "JSON",
    "resvalues": "JSON"}]')"""


def can_write(spec: ReportSpec) -> bool:
    """Whether a report can be written in lines: the response report of newest versions, as text in its own columns."""
    return (
        spec.report is Report.RESPONSE
        and spec.format is not Format.PARQUET
        and spec.versions is Versions.NEWEST
        and not spec.columns
        and not spec.originals
        and spec.names is not Naming.LEARNERS
    )


def numbered_sql(picked: str) -> str:
    """Number the picked attempts in the order of the report."""
    return _NUMBERED.format(picked=picked)


def records_sql(spec: ReportSpec) -> str:
    """The attempts that are numbered, as `files.records` in one column, in any order.

    With the parameters `$parts` and `$part` it is a part of them, which takes less memory: DuckDB handles up to 2,048
    rows of a file at a time.
    """
    hot, lake = _lines("hot_rows", _HOT_ANSWERS, spec), _lines("lake_rows", "question", spec)
    return " UNION ALL ".join(_RECORDS.format(lines=lines) for lines in (hot, lake))


def _lines(rows: str, answers: str, spec: ReportSpec) -> str:
    encoding = encoding_of(spec)
    columns, joins = joined(ATTEMPT_COLUMNS)
    attempt = [shown(column, spec) for column in columns]
    answer = [shown(column, spec) for column in ANSWER_COLUMNS]
    return _LINES.format(
        rows=rows,
        joins=joins,
        answers=answers,
        attempt_values=_list(f"{column.sql} AS {_value(column)}" for column in attempt),
        attempt_cells=_cells(encoding, attempt, ""),
        answer_values=_list(f"{_value(column)} := {column.sql}" for column in answer),
        answer_cells=_cells(encoding, answer, "answer."),
        **{name: text_literal(getattr(encoding, name)) for name in ("start", "between", "end")},
    )


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _value(column: Column) -> str:
    return column.name.lower().replace(" ", "_")


def _cells(encoding: Encoding, columns: Sequence[Column], prefix: str) -> str:
    return cells_sql(encoding, columns, [prefix + _value(column) for column in columns])
