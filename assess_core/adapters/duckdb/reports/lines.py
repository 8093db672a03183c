"""The SQL of the response report as text: for each attempt one text, with the row of each answer.

DuckDB's writers would need all answers in order, and sorting them takes longer than writing them. Here DuckDB sorts
only the places of the attempts, and writes their texts in any order (`files.records`). The bytes are the same.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from assess_core.adapters.duckdb.reports.columns import Column, name_joins, shown
from assess_core.adapters.duckdb.reports.encodings import Encoding, cells_sql, encoding_of, text_literal
from assess_core.adapters.duckdb.reports.numbers import numbered_rows
from assess_core.adapters.duckdb.reports.response import ANSWER_COLUMNS, ATTEMPT_COLUMNS
from assess_core.adapters.files.records import RECORD_END
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Naming, Report, ReportSpec, Versions

# DuckDB handles 2,048 rows at a time. Each answer is a row as soon as it was read, because the texts of 2,048 attempts
# take 125 MB. A thread writes the answers of an attempt one after the other. `question` is sorted by question id. An
# answer that is NULL is the row of an attempt without answers
_ANSWERS: Final = """
SELECT number, rows, place, attempt, {answer_values}
FROM (
    SELECT number, concat({start}, {attempt_cells}, {between}) AS attempt, len(answers) AS rows,
        generate_subscripts(answers, 1) AS place, unnest(answers) AS answer
    FROM (
        SELECT number, {attempt_values}, CASE WHEN has_answers THEN {answers} ELSE [NULL] END AS answers
        FROM {rows} AS numbered {joins}
    )
)
"""
# each level computes its columns once, however often the level above uses them
_RECORDS: Final = """
SELECT CASE WHEN place = rows THEN line || {record_end} ELSE line END AS line
FROM (
    SELECT place, rows, encode(concat(
        CASE WHEN place = 1 THEN concat(number, ' ', rows, chr(10)) END, attempt, {answer_cells}, {end})) AS line
    FROM ({found})
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


def records_sql(spec: ReportSpec) -> str:
    """The attempts that are `numbered`, as `files.records` in one column, in any order.

    With the parameters `$parts` and `$part` it is a part of them, which takes less memory: DuckDB handles up to 2,048
    rows of a file at a time.
    """
    hot, lake = _lines("hot_rows", _HOT_ANSWERS, spec), _lines("lake_rows", "question", spec)
    return f"{hot} UNION ALL {lake}"


def _lines(rows: str, answers: str, spec: ReportSpec) -> str:
    encoding = encoding_of(spec)
    attempt = [shown(column, spec) for column in ATTEMPT_COLUMNS]
    answer = [shown(column, spec) for column in ANSWER_COLUMNS]
    found = _ANSWERS.format(
        rows=numbered_rows(f"{rows} WHERE file_row_number % $parts = $part"),
        joins=name_joins(ATTEMPT_COLUMNS),
        answers=answers,
        attempt_values=_values(attempt),
        attempt_cells=_cells(encoding, attempt),
        answer_values=_values(answer),
        start=text_literal(encoding.start),
        between=text_literal(encoding.between),
    )
    return _RECORDS.format(
        found=found,
        answer_cells=_cells(encoding, answer),
        end=text_literal(encoding.end),
        record_end=f"unhex('{RECORD_END.hex()}')",
    )


def _values(columns: Iterable[Column]) -> str:
    return ", ".join(f"{column.sql} AS {_value(column)}" for column in columns)


def _value(column: Column) -> str:
    return column.name.lower().replace(" ", "_")


def _cells(encoding: Encoding, columns: Sequence[Column]) -> str:
    return cells_sql(encoding, columns, [_value(column) for column in columns])
