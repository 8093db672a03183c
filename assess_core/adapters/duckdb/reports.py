"""The SQL of the reports, over the views of the union."""

from typing import Final

from assess_core.ports.reports import Format, Report

# Sunbird's 18 columns in their declared order. Names of course, batch and question set are unknown, so they are empty.
# Duration is rounded half away from zero, as Spark does; `+ 0.0` makes -0.0 a plain zero.
_RESPONSE: Final = """
SELECT
    course_id AS "Collection Id",
    NULL::VARCHAR AS "Collection Name",
    'BatchId_' || batch_id AS "Batch Id",
    NULL::VARCHAR AS "Batch Name",
    user_id AS "User UUID",
    content_id AS "QuestionSet Id",
    NULL::VARCHAR AS "QuestionSet Title",
    attempt_id AS "Attempt Id",
    attempted_on AS "Attempted On",
    answer.id AS "Question Id",
    answer.type AS "Question Type",
    answer.title AS "Question Title",
    answer.description AS "Question Description",
    round(answer.duration) + 0.0 AS "Question Duration",
    answer.score AS "Question Score",
    answer.max_score AS "Question Max Score",
    to_json(answer.params)::VARCHAR AS "Question Options",
    to_json(answer.resvalues)::VARCHAR AS "Question Response"
FROM (
    SELECT *, {last_attempted_on} AS attempted_on,
        unnest(CASE WHEN has_answers THEN question ELSE [NULL] END) AS answer
    FROM newest WHERE {of_course}
)
ORDER BY user_id, course_id, content_id, attempt_id, answer.id
"""

_SCORE: Final = """
SELECT
    batch_id, course_id, user_id, content_id, attempt_id, grand_total, total_score, total_max_score,
    {last_attempted_on} AS last_attempted_on, {updated_on} AS updated_on, len(question) AS answers, versions
FROM newest WHERE {of_course}
ORDER BY user_id, course_id, content_id, attempt_id
"""

_SQL: Final = {Report.RESPONSE: _RESPONSE, Report.SCORE: _SCORE}
_OPTIONS: Final = {Format.CSV: "FORMAT csv, HEADER", Format.PARQUET: "FORMAT parquet, COMPRESSION zstd"}

# Texts that a spreadsheet program runs as a formula or changes. It shows 12 digits as 1.2E+11, rounds more than 15,
# drops zeros at the beginning, and reads 12e5 as a number
_UNSAFE: Final = r"^(\s*[=+@\t\r-]|0[0-9]+$|[0-9]{12,}$|[0-9]+[eE][0-9]+$)"
_BYTE_ORDER_MARK: Final = "\ufeff"


def report_sql(report: Report, format: Format, course_id: str | None, spreadsheet: bool) -> str:
    """The rows of a report. Version time 1970-01-01 means "no clock" and is shown as empty."""
    shown = {column: f"nullif({column}, to_timestamp(0))" for column in ("last_attempted_on", "updated_on")}
    if format is Format.CSV:
        shown = {column: _text(moment) for column, moment in shown.items()}
    sql = _SQL[report].format(of_course=of_course(course_id), **shown)
    return _for_spreadsheets(sql, report) if spreadsheet else sql


def copy_options(format: Format, versions: dict[str, str]) -> str:
    """How DuckDB's COPY writes a format; a Parquet file names the versions that its bytes depend on."""
    if format is Format.CSV:
        return _OPTIONS[format]
    metadata = ", ".join(f"{name}: '{version}'" for name, version in versions.items())
    return f"{_OPTIONS[format]}, KV_METADATA {{{metadata}}}"


def of_course(course_id: str | None) -> str:
    """The condition for the attempts of a course; its parameter is `$course_id`."""
    return "true" if course_id is None else "course_id = $course_id"


def _for_spreadsheets(sql: str, report: Report) -> str:
    """The same rows, with an apostrophe before unsafe texts, and a byte order mark before the first name."""
    first = _FIRST_COLUMN[report]
    columns = ", ".join(
        f"CASE WHEN regexp_matches({name}, '{_UNSAFE}') THEN chr(39) || {name} ELSE {name} END AS {name}"
        for name in _TEXTS[report]
    )
    named = f'{first} AS "{_BYTE_ORDER_MARK}{first.strip(chr(34))}"'
    return f"SELECT * RENAME ({named}) FROM (SELECT * REPLACE ({columns}) FROM ({sql}))"


def _text(moment: str) -> str:
    return f"strftime(make_timestamp(epoch_us({moment})), '%Y-%m-%dT%H:%M:%S.%gZ')"


_TEXTS: Final = {
    Report.RESPONSE: (
        *('"Collection Id"', '"Collection Name"', '"Batch Id"', '"Batch Name"', '"User UUID"', '"QuestionSet Id"'),
        *('"QuestionSet Title"', '"Attempt Id"', '"Question Id"', '"Question Type"', '"Question Title"'),
        *('"Question Description"', '"Question Options"', '"Question Response"'),
    ),
    Report.SCORE: ("batch_id", "course_id", "user_id", "content_id", "attempt_id", "grand_total"),
}
"""The columns with texts that people or other systems wrote."""
_FIRST_COLUMN: Final = {Report.RESPONSE: '"Collection Id"', Report.SCORE: "batch_id"}
