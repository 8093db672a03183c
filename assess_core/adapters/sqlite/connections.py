"""Connections to the SQLite file: one per thread, none shared across a fork, with translated errors."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from assess_core.errors import AssessError, NotOurTable, StoreUnavailable
from assess_core.retrying import retrying

BUSY_SECONDS: Final = 30


class _ThreadConnection:
    """The connection of one thread. The lock is held while a statement or a transaction runs."""

    def __init__(self) -> None:
        self.in_use = threading.RLock()
        self.connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


_registry = threading.Lock()
_all: "weakref.WeakSet[_ThreadConnection]" = weakref.WeakSet()
_held: list[_ThreadConnection] = []  # by the thread that forks


def _close_before_fork() -> None:
    """Close every connection of this process before it forks; parent and child open new ones at their next call.

    File locks do not survive a fork, but SQLite's record of them does: a child would believe that it holds the locks
    of its parent, and the parent would delete the write-ahead log while the child uses it.
    """
    _registry.acquire()
    _held[:] = _all
    for each in _held:
        each.in_use.acquire()
        each.close()


def _release_after_fork() -> None:
    for each in _held:
        each.in_use.release()
    _held.clear()
    _registry.release()


os.register_at_fork(before=_close_before_fork, after_in_parent=_release_after_fork, after_in_child=_release_after_fork)


class _Use:
    """Locks a connection for a block, and translates SQLite's errors into ours, which say what to do.

    A class, because two generators took 5 us more for each statement.
    """

    def __init__(self, mine: _ThreadConnection, path: Path, busy_seconds: float) -> None:
        self._mine = mine
        self._path = path
        self._busy_seconds = busy_seconds

    def __enter__(self) -> sqlite3.Connection:
        self._mine.in_use.acquire()
        try:
            if self._mine.connection is None:
                self._mine.connection = connect(self._path, self._busy_seconds)
            return self._mine.connection
        except BaseException as error:
            self._mine.in_use.release()
            if isinstance(error, sqlite3.Error):
                raise _translate(error, self._path) from error
            raise

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._mine.in_use.release()
        if isinstance(error, sqlite3.Error):
            raise _translate(error, self._path) from error


class Connections:
    """Connections to one file, one per thread. A connection is closed when its thread ends."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self._path = path
        self._busy_seconds = busy_seconds
        self._local = threading.local()

    def use(self) -> AbstractContextManager[sqlite3.Connection]:
        """This thread's connection. Raises `StoreUnavailable`."""
        mine: _ThreadConnection | None = getattr(self._local, "mine", None)
        if mine is None:
            mine = self._local.mine = _ThreadConnection()
            with _registry:
                _all.add(mine)
        return _Use(mine, self._path, self._busy_seconds)

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        mine: _ThreadConnection | None = getattr(self._local, "mine", None)
        if mine is not None:
            with mine.in_use:
                mine.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction. It takes the write lock before it reads, so it never has to restart.

        Within another transaction of this thread it is a part of that one.
        """
        with self.use() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def connect(path: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """A connection in autocommit mode: a writer must execute BEGIN IMMEDIATE. It waits so long for locks."""
    # the thread that forks closes the connections of other threads
    connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection, busy_seconds)
        connection.execute("PRAGMA synchronous = FULL")  # acknowledged writes survive a power cut
        connection.execute("PRAGMA cache_size = -32768")  # 32 MiB
        connection.execute("PRAGMA wal_autocheckpoint = 8000")  # 32 MiB: a fifth less is written than with 4 MiB
        # some builds of SQLite write zeros into every page that a deletion frees: clear wrote eight times as much. An
        # erasure turns it on (erasing.py)
        connection.execute("PRAGMA secure_delete = FAST")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Switch to WAL mode, in which readers work beside a writer. The busy timeout does not apply to this PRAGMA."""
    switch = partial(connection.execute, "PRAGMA journal_mode = WAL")
    try:
        switch()
    except sqlite3.OperationalError as error:
        if not busy_seconds or not _is_busy(error):
            raise
        retrying(_is_busy, deadline_seconds=busy_seconds, first_wait=0.01)(switch)


_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: f"another process has kept it locked for {BUSY_SECONDS} s; run again when that is done",
    sqlite3.SQLITE_LOCKED: f"another process has kept it locked for {BUSY_SECONDS} s; run again when that is done",
    sqlite3.SQLITE_FULL: "there is no room left; free some space and run again",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; let this user write the file and its folder, then run again",
    sqlite3.SQLITE_PERM: "it may not be used; let this user write the file and its folder, then run again",
    sqlite3.SQLITE_READONLY: "it may not be written; let this user write the file and its folder, then run again",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check the disk and its free space, then run again",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore a copy of it, or move it away and ingest the log again",
}


def _translate(error: sqlite3.Error, path: Path) -> AssessError:
    code = _code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return NotOurTable(f"{str(path)!r} is not a SQLite database; name another file in ASSESS_HOT_STORE")
    advice = _ADVICE.get(code, "run again, and report this if it comes back")
    return StoreUnavailable(f"the hot store {str(path)!r} failed ({error}): {advice}; nothing acknowledged is lost")


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and _code(error) == sqlite3.SQLITE_BUSY


def _code(error: sqlite3.Error) -> int:
    # the primary code is the low byte; errors that Python raises itself carry none
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
