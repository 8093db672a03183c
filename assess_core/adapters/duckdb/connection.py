"""DuckDB connections, always in memory, and the SQL that several stores need."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import duckdb
import pyarrow as pa

from assess_core.adapters.arrow.freed import return_freed_memory
from assess_core.adapters.duckdb.databases import DATABASES, QUIET, WIRE_QUESTION, open_database
from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.duckdb.memory import BUDGET, most_threads
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.ports.cancelling import interruptible
from assess_core.ports.lake import LakeFile

_PATTERN: Final = re.compile(r"([*?\[])")
UNREADABLE: Final = (duckdb.Error, UnicodeDecodeError)
"""DuckDB raises these for a damaged file. The second one occurs if its message quotes bytes that are not UTF-8."""


_KINDS: Final = {
    "INTERRUPT Error": duckdb.InterruptException,
    "IO Error": duckdb.IOException,
    "Invalid Input Error": duckdb.InvalidInputException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
}
"""How the text of an error begins -> its class. Other errors become a plain `duckdb.Error`."""


def batches_of(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The batches of a result of DuckDB. Raises `duckdb.Error`: Arrow makes an `OSError` of what DuckDB raises."""
    try:
        yield from reader
    except OSError as error:
        raise _KINDS.get(str(error).partition(":")[0], duckdb.Error)(str(error)) from error


def failure_of(duck: duckdb.DuckDBPyConnection, file: LakeFile) -> Exception | None:
    """Read all columns of a file; returns DuckDB's error, or None. DuckDB's errors do not always name the file.

    A file that is too large for the memory has no fault.
    """
    try:
        with cursor(duck) as another:
            another.execute(f"SELECT count(hash(COLUMNS(*))) FROM {parquet([file])}").fetchall()
    except duckdb.OutOfMemoryException:
        return None
    except UNREADABLE as error:
        return error
    return None


def sha256_of(duck: duckdb.DuckDBPyConnection, file: LakeFile) -> str | None:
    """The SHA-256 (hex) of a file's bytes; None if the file is missing in a folder. Raises DuckDB's errors."""
    with cursor(duck) as another:
        found = another.execute(f"SELECT sha256(content) FROM read_blob({urls([file])})").fetchone()
    return None if found is None else str(found[0])


_SMALL: Final = 1024 * 1024
"""Bytes of files that one thread reads as fast as two: a second one only makes a query take a fifth more CPU time."""


def is_small(place: Location | None, size: int) -> bool:
    """Whether one thread reads files of this size (bytes) as fast as several."""
    return size <= _SMALL and not (place is not None and place.url.startswith("s3://"))


@contextmanager
def connect(place: Location | None = None, *, size: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in UTC to an empty database, with a share of the memory budget; it downloads nothing.

    It can read the files at `place` and local files. `size`: the bytes of the files that it will read, if known. For
    few bytes it has one thread, unless they are in a bucket, where threads wait for answers; and its database is used
    again afterwards. It spills to a folder that is deleted when it closes. Raises `StoreUnavailable` if there is no
    room for that folder or no memory, and the errors of `place.attach`.
    """
    with temporary_folder("assess-duckdb-") as spill, BUDGET.share() as memory:
        is_few = size is not None and is_small(place, size)
        with _lent(memory, spill) if is_few else _new(memory, spill) as connection:
            if place is not None:
                place.attach(connection)
            with _ended_by_signals(connection):
                yield connection


@contextmanager
def connect_warm(place: Location) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with one thread that cannot spill, for a short read by key; otherwise as `connect`.

    Its database is used again afterwards, also if the files are in a bucket.
    """
    with BUDGET.share() as memory, DATABASES.lend(memory) as connection:
        place.attach(connection)
        yield connection


@contextmanager
def _lent(memory: int, spill: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with DATABASES.lend(memory) as connection:
        connection.execute(f"SET GLOBAL temp_directory = {literal(spill)}")
        yield connection


@contextmanager
def _new(memory: int, spill: str) -> Iterator[duckdb.DuckDBPyConnection]:
    threads = min(most_threads(memory), os.cpu_count() or 1)
    connection = open_database({"temp_directory": spill, "memory_limit": f"{memory}B", "threads": str(threads)})
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def cursor(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the same database, so that a query does not end the one that is read from."""
    with connection.cursor() as another, interruptible(another.interrupt), _ended_by_signals(another):
        another.execute(QUIET)
        yield another


@contextmanager
def _ended_by_signals(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let Ctrl-C end a query. DuckDB hides it in another error, and its threads go on until the query ends."""
    try:
        yield
    except KeyboardInterrupt:
        connection.interrupt()
        raise
    except RuntimeError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            connection.interrupt()
            raise error.__cause__ from None
        raise


def release_memory(duck: duckdb.DuckDBPyConnection) -> None:
    """Return to the system what DuckDB, Arrow and the C library freed and keep: 120 MB after a large query."""
    # setting the limit makes DuckDB return memory. It shows a limit with one decimal and cuts the others off: without
    # the 5 the limit would become lower each time
    [(limit,)] = duck.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = limit.split()
    duck.execute(f"SET memory_limit = '{number}5 {unit}'")
    return_freed_memory()


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
# Delta stores year and week in paths, not in files. They are computed from the receipt, which defines them. DuckDB must
# not read them from paths, because a parent folder named `year=2000` or `batch_id=x` would override the columns
_COMPUTED: Final = {
    "year": "isoyear(make_timestamp(epoch_us(updated_on)))::INTEGER AS year",
    "week": "week(make_timestamp(epoch_us(updated_on)))::INTEGER AS week",
}


PLACE: Final = ("file_index", "file_row_number")
"""Where DuckDB found a row: the file's number in the list, the row's number in the file."""


_KEPT: Final = (("answers", "BIGINT"), ("corrected_score", "DOUBLE"), ("corrected_max_score", "DOUBLE"))


def parquet(files: Sequence[LakeFile], *, place: bool = False, kept: bool = False) -> str:
    """The lake's files as a table expression with the columns of `rows.LAKE_SCHEMA`, in its order.

    Without files, it has no rows. With `kept`, the files are of `scores`, and its other columns follow
    (`rows.SCORES_SCHEMA`). With `place`, the columns of `PLACE` follow.
    """
    declared = (*_COLUMNS, *(_KEPT if kept else ()))
    more = PLACE if place else ()
    if not files:
        columns = ", ".join(f"NULL::{type_} AS {name}" for name, type_ in (*declared, *((n, "BIGINT") for n in more)))
        return f"(SELECT {columns} WHERE false)"
    columns = ", ".join((*(_COMPUTED.get(name, name) for name, _ in declared), *more))
    return f"(SELECT {columns} FROM read_parquet({urls(files)}, hive_partitioning = false))"


def urls(files: Sequence[LakeFile]) -> str:
    """The URLs of files as an SQL list."""
    return url_list([file.url for file in files])


def url_list(names: Sequence[str]) -> str:
    """URLs as an SQL list."""
    # DuckDB expands patterns: a folder named `a*b` would also match `axb`. S3 prefixes have no such characters
    patterns = (_PATTERN.sub(r"[\1]", name) for name in names)
    return f"[{', '.join(map(literal, patterns))}]"


def literal(text: str) -> str:
    """A text as an SQL literal. A NUL is written as chr(0), because the parser stops at a NUL."""
    return "'" + text.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"
