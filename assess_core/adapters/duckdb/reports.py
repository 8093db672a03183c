"""The columns of the reports, and their SQL over the views of the union."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from assess_core.ports.reports import Format, Report


class Column(NamedTuple):
    """A column of a report."""

    name: str
    sql: str
    is_text: bool = True
    """Whether the column contains texts that people or other systems wrote."""


# Sunbird's 18 columns in their declared order. Names of course, batch and question set are unknown, so they are empty.
# Duration is rounded half away from zero, as Spark does; `+ 0.0` makes -0.0 a plain zero.
ATTEMPT_COLUMNS: Final = (
    Column("Collection Id", "course_id"),
    Column("Collection Name", "NULL::VARCHAR"),
    Column("Batch Id", "'BatchId_' || batch_id"),
    Column("Batch Name", "NULL::VARCHAR"),
    Column("User UUID", "user_id"),
    Column("QuestionSet Id", "content_id"),
    Column("QuestionSet Title", "NULL::VARCHAR"),
    Column("Attempt Id", "attempt_id"),
    Column("Attempted On", "{last_attempted_on}", is_text=False),
)
"""The first columns of the response report."""
ANSWER_COLUMNS: Final = (
    Column("Question Id", "answer.id"),
    Column("Question Type", "answer.type"),
    Column("Question Title", "answer.title"),
    Column("Question Description", "answer.description"),
    Column("Question Duration", "round(answer.duration) + 0.0", is_text=False),
    Column("Question Score", "answer.score", is_text=False),
    Column("Question Max Score", "answer.max_score", is_text=False),
    Column("Question Options", "answer.params::JSON::VARCHAR"),
    Column("Question Response", "answer.resvalues::JSON::VARCHAR"),
)
"""The other columns of the response report. The cast to JSON is free for values of that type."""
_SCORE_COLUMNS: Final = (
    *(Column(name, name) for name in ("batch_id", "course_id", "user_id", "content_id", "attempt_id", "grand_total")),
    *(Column(name, name, is_text=False) for name in ("total_score", "total_max_score")),
    *(Column(name, f"{{{name}}}", is_text=False) for name in ("last_attempted_on", "updated_on")),
    Column("answers", "len(question)", is_text=False),
    Column("versions", "versions", is_text=False),
)
_COLUMNS: Final = {Report.RESPONSE: (*ATTEMPT_COLUMNS, *ANSWER_COLUMNS), Report.SCORE: _SCORE_COLUMNS}

_ROWS: Final = {
    Report.RESPONSE: """
        SELECT {columns}
        FROM (
            SELECT *, unnest(CASE WHEN has_answers THEN question ELSE [NULL] END) AS answer
            FROM newest WHERE {of_course}
        )
        ORDER BY user_id, course_id, content_id, attempt_id, answer.id
    """,
    Report.SCORE: """
        SELECT {columns}
        FROM newest WHERE {of_course}
        ORDER BY newest.user_id, newest.course_id, newest.content_id, newest.attempt_id
    """,
}
_OPTIONS: Final = {Format.CSV: "FORMAT csv, HEADER", Format.PARQUET: "FORMAT parquet, COMPRESSION zstd"}

# Texts that a spreadsheet program runs as a formula or changes. It shows 12 digits as 1.2E+11, rounds more than 15,
# drops zeros at the beginning, and reads 12e5 as a number
_UNSAFE: Final = r"^(\s*[=+@\t\r-]|0[0-9]+$|[0-9]{12,}$|[0-9]+[eE][0-9]+$)"
_BYTE_ORDER_MARK: Final = "\ufeff"


def report_sql(report: Report, format: Format, course_id: str | None, spreadsheet: bool) -> str:
    """The rows of a report."""
    columns = shown(_COLUMNS[report], format, spreadsheet)
    names = header(report, spreadsheet)
    listed = ", ".join(f'{column.sql} AS "{name}"' for column, name in zip(columns, names, strict=True))
    return _ROWS[report].format(columns=listed, of_course=of_course(course_id))


def header(report: Report, spreadsheet: bool) -> list[str]:
    """The names of the columns; a spreadsheet program needs a byte order mark before the first one."""
    first, *others = (column.name for column in _COLUMNS[report])
    return [_BYTE_ORDER_MARK + first if spreadsheet else first, *others]


def shown(columns: Iterable[Column], format: Format, spreadsheet: bool) -> list[Column]:
    """The columns as a format shows them. Version time 1970-01-01 means "no clock" and is shown as empty.

    For a spreadsheet program an apostrophe precedes unsafe texts.
    """
    moments = {column: f"nullif({column}, to_timestamp(0))" for column in ("last_attempted_on", "updated_on")}
    if format is Format.CSV:
        moments = {column: _text(moment) for column, moment in moments.items()}
    plain = (column._replace(sql=column.sql.format(**moments)) for column in columns)
    return [column._replace(sql=_safe(column.sql)) if spreadsheet and column.is_text else column for column in plain]


def copy_options(format: Format, versions: dict[str, str]) -> str:
    """How DuckDB's COPY writes a format; a Parquet file names the versions that its bytes depend on."""
    if format is Format.CSV:
        return _OPTIONS[format]
    metadata = ", ".join(f"{name}: '{version}'" for name, version in versions.items())
    return f"{_OPTIONS[format]}, KV_METADATA {{{metadata}}}"


def of_course(course_id: str | None) -> str:
    """The condition for the attempts of a course; its parameter is `$course_id`."""
    return "true" if course_id is None else "course_id = $course_id"


def _safe(text: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{_UNSAFE}') THEN chr(39) || {text} ELSE {text} END"


def _text(moment: str) -> str:
    return f"strftime(make_timestamp(epoch_us({moment})), '%Y-%m-%dT%H:%M:%S.%gZ')"
