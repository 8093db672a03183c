"""DuckDB as the engine: in memory, never a shared file; the SQL that several stores need."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.duckdb.memory import BUDGET, most_threads
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.ports.cancelling import interruptible
from assess_core.ports.lake import LakeFile

_PATTERN: Final = re.compile(r"([*?\[])")
_MAPS: Final = "MAP(VARCHAR, VARCHAR)[]"

WIRE_QUESTION: Final = (
    "STRUCT(id VARCHAR, assess_ts BIGINT, max_score DOUBLE, score DOUBLE, type VARCHAR, title VARCHAR, "
    f"resvalues {_MAPS}, params {_MAPS}, description VARCHAR, duration DOUBLE)[]"
)
"""The type of `question` as the hot store's JSON text has it: `assess_ts` in epoch milliseconds."""

MACROS: Final = f"""
CREATE MACRO question_of(text) AS list_transform(text::JSON::{WIRE_QUESTION}, lambda q: struct_update(
    q, assess_ts := make_timestamptz(q.assess_ts * 1000)));
CREATE MACRO text_of(question) AS to_json(list_transform(question, lambda q: struct_update(
    q, assess_ts := epoch_ms(q.assess_ts))))::VARCHAR;
CREATE MACRO hash_of(user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on,
                     total_score, total_max_score, grand_total, question) AS
    unhex(left(sha256(json_array(
        user_id, course_id, batch_id, content_id, attempt_id, epoch_ms(last_attempted_on),
        total_score, total_max_score, grand_total,
        to_json(list_transform(question, lambda q: struct_update(q, assess_ts := epoch_ms(q.assess_ts))))
    )::VARCHAR), 32));
"""
"""`question_of` JSON text -> nested, `text_of` its inverse, `hash_of` the content hash (attempts.canonical) in SQL."""


# where `__main__` has no file (`python -c`, a spawned worker) DuckDB would draw a bar on standard output
_QUIET: Final = "SET enable_progress_bar = false"


UNREADABLE: Final = (duckdb.Error, UnicodeDecodeError)
"""What DuckDB raises for a damaged file; the second when it quotes bytes of the file that are no text."""


def first_line(error: BaseException) -> str:
    """What a library says, without the hints and stacks below it."""
    return str(error).partition("\n")[0].strip()


def failure_of(duck: duckdb.DuckDBPyConnection, file: LakeFile) -> Exception | None:
    """What DuckDB raises when it reads every column of a file to its end; it does not always name the file itself."""
    try:
        with cursor(duck) as another:
            another.execute(f"SELECT count(hash(COLUMNS(*))) FROM {parquet([file])}").fetchall()
    except UNREADABLE as error:
        return error
    return None


@contextmanager
def connect(place: Location | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new connection in UTC with a share of the memory budget; it downloads nothing.

    It reads the files at `place`, and local files. It spills to a folder that is deleted when it closes. Raises
    `StoreUnavailable` if there is no room for that folder or no memory, and what the place raises.
    """
    with temporary_folder("assess-duckdb-") as spill, BUDGET.share() as memory:
        config: dict[str, str | bool | int | float | list[str]] = {
            "temp_directory": spill,
            "memory_limit": f"{memory}B",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(_QUIET)
            if most_threads(memory) < (os.cpu_count() or 1):
                connection.execute(f"SET threads = {most_threads(memory)}")
            connection.execute(MACROS)
            if place is not None:
                place.attach(connection)
            yield connection
        finally:
            connection.close()


@contextmanager
def cursor(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the same database, so that a query does not end the one that is read from."""
    with connection.cursor() as another, interruptible(another.interrupt):
        another.execute(_QUIET)
        yield another


_TIME: Final = "TIMESTAMP WITH TIME ZONE"
_COLUMNS: Final = (
    ("batch_id", "VARCHAR"),
    ("year", "INTEGER"),
    ("week", "INTEGER"),
    ("user_id", "VARCHAR"),
    ("course_id", "VARCHAR"),
    ("content_id", "VARCHAR"),
    ("attempt_id", "VARCHAR"),
    ("last_attempted_on", _TIME),
    ("has_answers", "BOOLEAN"),
    ("content_hash", "BLOB"),
    ("total_score", "DOUBLE"),
    ("total_max_score", "DOUBLE"),
    ("grand_total", "VARCHAR"),
    ("updated_on", _TIME),
    ("question", WIRE_QUESTION.replace("assess_ts BIGINT", f"assess_ts {_TIME}")),
)
# year and week are in no file: Delta keeps partition columns in paths. They are computed from the receipt, which is
# what they mean, and not read from the path: above the lake a folder named `year=2000` or `batch_id=x` would win
_COMPUTED: Final = {
    "year": "isoyear(make_timestamp(epoch_us(updated_on)))::INTEGER AS year",
    "week": "week(make_timestamp(epoch_us(updated_on)))::INTEGER AS week",
}


PLACE: Final = ("file_index", "file_row_number")
"""Where DuckDB found a row: the file's number in the list, the row's number in the file."""


def parquet(files: Sequence[LakeFile], *, place: bool = False) -> str:
    """The lake's files as a table expression with the columns of `rows.LAKE_SCHEMA`, in its order; none: no rows.

    With `place`, the columns of `PLACE` follow.
    """
    more = PLACE if place else ()
    if not files:
        columns = ", ".join(f"NULL::{type_} AS {name}" for name, type_ in (*_COLUMNS, *((n, "BIGINT") for n in more)))
        return f"(SELECT {columns} WHERE false)"
    columns = ", ".join((*(_COMPUTED.get(name, name) for name, _ in _COLUMNS), *more))
    return f"(SELECT {columns} FROM read_parquet({urls(files)}, hive_partitioning = false))"


def urls(files: Sequence[LakeFile]) -> str:
    """The places of files as an SQL list."""
    # a name of a folder above the lake is no pattern: `a*b` would read `axb` too; in S3 there are no such names
    patterns = (_PATTERN.sub(r"[\1]", file.url) for file in files)
    return f"[{', '.join(map(literal, patterns))}]"


def literal(text: str) -> str:
    """A text as an SQL literal; the parser would stop at a NUL."""
    return "'" + text.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"
