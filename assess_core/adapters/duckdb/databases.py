"""DuckDB databases in memory. Small ones are emptied and used again: a new one takes 17 ms of processor time."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

import duckdb

_IDLE: Final = 4
"""Idle databases that are kept. They have no share of the memory budget, so they must not cache files."""
_CONFIG: Final = {"temp_directory": "", "threads": "1", "enable_external_file_cache": "false"}
"""With one thread, a read of a few rows takes 10 ms of processor time instead of 18."""
_MAP: Final = "MAP(VARCHAR, VARCHAR)"
_QUESTION: Final = (
    ("id", "VARCHAR"),
    ("assess_ts", "BIGINT"),
    ("max_score", "DOUBLE"),
    ("score", "DOUBLE"),
    ("type", "VARCHAR"),
    ("title", "VARCHAR"),
    ("resvalues", f"{_MAP}[]"),
    ("params", f"{_MAP}[]"),
    ("description", "VARCHAR"),
    ("duration", "DOUBLE"),
)
WIRE_QUESTION: Final = f"STRUCT({', '.join(f'{name} {type_}' for name, type_ in _QUESTION)})[]"
"""The type of `question` as the hot store's JSON text has it: `assess_ts` in epoch milliseconds."""


def _json_type(type_: str) -> str:
    """A type in the notation of DuckDB's JSON functions: a list is an array of its one element."""
    return f'["{type_[:-2]}"]' if type_.endswith("[]") else f'"{type_}"'


_JSON_QUESTION: Final = f"""[{{{", ".join(f'"{name}": {_json_type(type_)}' for name, type_ in _QUESTION)}}}]"""
"""`WIRE_QUESTION` as DuckDB's JSON functions write a type."""

MACROS: Final = f"""
CREATE MACRO question_of(text) AS list_transform(from_json_strict(text, '{_JSON_QUESTION}'), lambda q: struct_update(
    q, assess_ts := make_timestamptz(q.assess_ts * 1000)));
CREATE MACRO text_of(question) AS to_json(list_transform(question, lambda q: struct_update(
    q, assess_ts := epoch_ms(q.assess_ts))))::VARCHAR;
CREATE MACRO canonical_of(user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on,
                          total_score, total_max_score, grand_total, question) AS
    left(json_array(user_id, course_id, batch_id, content_id, attempt_id, epoch_ms(last_attempted_on),
                    total_score, total_max_score, grand_total)::VARCHAR, -1) || ',' || text_of(question) || ']';
"""
"""`question_of` JSON text -> nested, `text_of` its inverse, `canonical_of` the text under the content hash
(`attempts.canonical`). Casting text to JSON first would parse it twice, and so would a JSON array around `text_of`."""


# if `__main__` has no file (`python -c`, a spawned worker), DuckDB draws a progress bar on standard output
QUIET: Final = "SET enable_progress_bar = false"


def open_database(config: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """A connection in UTC to a new database with the macros; the caller closes it."""
    offline = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    connection = duckdb.connect(":memory:", config={**config, **offline})
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute(QUIET)
    connection.execute(MACROS)
    return connection


_of_parent: Final[list[object]] = []
"""Connections of the parent process. A child must not close them, because their threads do not exist in the child."""


class _Idle(NamedTuple):
    connection: duckdb.DuckDBPyConnection
    memory: int | None
    """Its limit (bytes), if it was set."""


class Databases:
    """Lends empty databases with one thread. Each is used by one caller at a time. Any thread may call."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._idle: deque[_Idle] = deque()

    @contextmanager
    def lend(self, memory: int) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an empty database with so many bytes of memory, and no folder for temporary files.

        The database is closed if the block fails. The caller removes the functions and macros that it creates.
        """
        database, limit = self._take()
        try:
            if memory != limit:  # setting it also gives what is free back to the system, which takes longer
                database.execute(f"SET GLOBAL memory_limit = '{memory}B'")
            with database.cursor() as connection:  # closing it drops what is temporary
                connection.execute(QUIET)
                yield connection
            is_empty = _clear(database)
        except BaseException:
            database.close()
            raise
        if is_empty and len(self._idle) < _IDLE:
            self._idle.append(_Idle(database, memory))
        else:
            database.close()

    def _take(self) -> _Idle:
        if self._process != os.getpid():
            _of_parent.append(self._idle)
            self._idle, self._process = deque(), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return _Idle(open_database(_CONFIG), None)


_CREATED: Final = {
    "VIEW": "SELECT view_name FROM duckdb_views() WHERE NOT internal",
    "TABLE": "SELECT table_name FROM duckdb_tables()",
}


def _clear(database: duckdb.DuckDBPyConnection) -> bool:
    """Drop all tables and views, and reset what a report sets; returns False if the database cannot be used again."""
    try:
        for kind, names in _CREATED.items():
            for (name,) in database.execute(names).fetchall():
                database.execute(f"DROP {kind} {name}")
        database.execute("RESET GLOBAL disabled_optimizers; SET GLOBAL temp_directory = ''")
    except duckdb.Error:  # e.g. it has spilled, and DuckDB keeps the folder from then on. The caller's work is done
        return False
    return True


DATABASES: Final = Databases()
"""The databases of this process."""
