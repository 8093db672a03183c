"""Use case: write a report file for a batch. Same input, same bytes, whichever tier the rows come from.

One format in both tiers. CSV: RFC 4180 with `\\n` line ends, UTF-8; moments are ISO 8601 in UTC with milliseconds
(`2024-12-30T23:59:59.999Z`); numbers are the shortest text that reads back, `.0` on whole ones; null is nothing between
two commas, an empty text is `""`. Parquet: moments and numbers keep their types, null is null. Cells are the bytes that
learners sent, also where they begin with `=` or `@`: whoever opens a report in a spreadsheet imports its columns as
text. Rows are in the order of learner, course, question set, attempt and question id, by the bytes of UTF-8.
"""

import hashlib
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, cast
from urllib.parse import quote

from assess_core.adapters.files.atomic_write import atomic_write
from assess_core.errors import UnknownBatch
from assess_core.ports.reports import Union
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import known


class Report(StrEnum):
    """What a report has a row for: an answer, or an attempt."""

    RESPONSE = "response"
    SCORE = "score"


class Format(StrEnum):
    """What a report file is."""

    CSV = "csv"
    PARQUET = "parquet"


class Exhaust(NamedTuple):
    """A report that was written."""

    path: str
    """An absolute path, or an s3:// URL."""
    rows: int
    attempts: int
    bytes: int
    seconds: float
    lake_version: int
    """The Delta version of `attempts` that it was read from; -1 where there is no table."""


# The peer's 18 columns in its declared order. The names of course, batch and question set are unknown here: empty.
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
_NAME_BYTES: Final = 255  # what file systems take


def write_exhaust(
    stores: Stores,
    batch_id: str,
    report: Report,
    format: Format = Format.CSV,
    course_id: str | None = None,
    output: Path | None = None,
    look: Callable[[Path], None] | None = None,
) -> Exhaust:
    """Write a batch's report, or that of one of its courses, to `output` or to its place among the exhausts.

    The file appears whole or not at all; `look` is called with a local copy of it just before it appears. A batch that
    has no attempts gives a header alone. Raises `UnknownBatch`, `ReportFailed`, `StoreUnavailable`.
    """
    started = time.perf_counter()
    for id_ in (batch_id, course_id or ""):
        if not _is_text(id_):  # what a shell hands on where bytes are no text
            raise UnknownBatch(f"no store knows {id_!r}, which is not UTF-8; `assess slices` lists what is known")
    name = f"{report}-exhaust/{file_name(batch_id, course_id, format)}"
    with stores.union(batch_id=batch_id) as union:
        attempts = _attempts(union, course_id)
        if not attempts and not _is_known(stores, union, batch_id):
            raise UnknownBatch(f"no store knows batch {batch_id!r}; `assess slices` lists those that are known")
        with atomic_write(output) if output else stores.exhausts.atomic_write(name) as temporary:
            rows = union.copy(_sql(report, format, course_id), temporary, _OPTIONS[format], _parameters(course_id))
            size = temporary.stat().st_size
            if look is not None:
                look(temporary)
    path = str(output) if output else stores.exhausts.path(name)
    return Exhaust(path, rows, attempts, size, time.perf_counter() - started, union.lake_version)


def file_name(batch_id: str, course_id: str | None, format: Format) -> str:
    """A name of at most 255 bytes that no other batch, course or format has.

    Ids are percent-encoded (a leading dot too); `@` stands before the course, `+` before the hash of what is too long:
    neither is left by the encoding.
    """
    ids = [batch_id] if course_id is None else [batch_id, course_id]
    name = "@".join(_encoded(id_) for id_ in ids)
    ending = f".{format}"
    if len(name) + len(ending) > _NAME_BYTES:
        digest = hashlib.sha256(name.encode()).hexdigest()
        name = f"{name[: _NAME_BYTES - len(ending) - len(digest) - 1]}+{digest}"
    return name + ending


def _is_text(id_: str) -> bool:
    try:
        id_.encode()
    except UnicodeEncodeError:
        return False
    return True


def _encoded(id_: str) -> str:
    text = quote(id_, safe="")
    return "%2E" + text[1:] if text.startswith(".") else text


def _attempts(union: Union, course_id: str | None) -> int:
    sql = f"SELECT count(*) AS attempts FROM newest WHERE {_of_course(course_id)}"
    (row,) = union.rows(sql, _parameters(course_id))
    return cast(int, row["attempts"])


def _is_known(stores: Stores, union: Union, batch_id: str) -> bool:
    return any(slice_.batch_id == batch_id for slice_ in known(stores)) or any(
        union.rows("SELECT 1 AS known FROM copies LIMIT 1")
    )


def _sql(report: Report, format: Format, course_id: str | None) -> str:
    """Moments as text for CSV; version time 1970-01-01 stands for "no clock" and is shown as empty."""
    shown = {column: f"nullif({column}, to_timestamp(0))" for column in ("last_attempted_on", "updated_on")}
    if format is Format.CSV:
        shown = {column: _text(moment) for column, moment in shown.items()}
    return _SQL[report].format(of_course=_of_course(course_id), **shown)


def _text(moment: str) -> str:
    return f"strftime(make_timestamp(epoch_us({moment})), '%Y-%m-%dT%H:%M:%S.%gZ')"


def _of_course(course_id: str | None) -> str:
    return "true" if course_id is None else "course_id = $course_id"


def _parameters(course_id: str | None) -> dict[str, object]:
    return {} if course_id is None else {"course_id": course_id}
