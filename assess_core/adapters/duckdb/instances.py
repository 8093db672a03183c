"""DuckDB instances that connections use one after the other: to open one takes 13 ms of CPU time, to clean one 3 ms."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import duckdb

_IDLE: Final = 4
"""Idle instances that are kept. They have no share of the memory budget, so they hold no table and no file."""
_LEFT: Final = """
SELECT 'DROP VIEW ' || view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary
UNION ALL SELECT 'DROP TABLE ' || table_name FROM duckdb_tables() WHERE NOT temporary
"""
# switched off, the cache forgets the files that it holds
_FORGET: Final = """
SET GLOBAL enable_external_file_cache = false; SET GLOBAL enable_external_file_cache = true;
RESET GLOBAL disabled_optimizers
"""

# if `__main__` has no file (`python -c`, a spawned worker), DuckDB draws a progress bar on standard output
QUIET: Final = "SET enable_progress_bar = false"

_of_parent: Final[list[object]] = []
"""Instances of the parent process. A child must not close them, because their threads do not exist in the child."""


class Instances:
    """Lends instances that `open_instance` opens. Each has one user at a time. Any thread may call."""

    def __init__(self, open_instance: Callable[[Mapping[str, str]], duckdb.DuckDBPyConnection]) -> None:
        self._open = open_instance
        self._process = os.getpid()
        self._idle: deque[duckdb.DuckDBPyConnection] = deque()

    @contextmanager
    def lend(self, config: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to an instance without tables and with these global settings.

        Afterwards the instance is cleaned. It is closed instead if the block fails, or if DuckDB has used the folder
        for temporary files, which it cannot leave.
        """
        self._forget_parent()
        try:
            instance = self._idle.pop()
        except IndexError:
            instance = self._open({})
        try:
            for name, value in config.items():
                instance.execute(f"SET GLOBAL {name} = '{_escaped(value)}'")
            with instance.cursor() as connection:
                connection.execute(QUIET)
                yield connection
            is_clean = len(self._idle) < _IDLE and _clean(instance)
        except BaseException:
            instance.close()
            raise
        if is_clean:
            self._idle.append(instance)
        else:
            instance.close()

    def _forget_parent(self) -> None:
        if self._process != os.getpid():
            _of_parent.append(self._idle)
            self._idle, self._process = deque(), os.getpid()


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def _clean(instance: duckdb.DuckDBPyConnection) -> bool:
    """Drop what the connections have left. Returns False if the instance can have no other user."""
    for (drop,) in instance.execute(_LEFT).fetchall():
        instance.execute(drop)
    instance.execute(_FORGET)
    try:
        instance.execute("SET GLOBAL temp_directory = ''")
    except duckdb.Error:
        return False
    return True
