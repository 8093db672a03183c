"""Boundaries around the effects of a worker, where it waits for its turn or is killed. Runs in the worker."""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple

from assess_core.adapters.cassandra.corrected_totals import CassandraCorrectedTotals
from assess_core.adapters.cassandra.hot_store import CassandraHot
from assess_core.adapters.cassandra.register import CassandraRegister
from assess_core.adapters.files import log_lines
from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.files.log import FolderFeed
from assess_core.adapters.lake import copies, manifest_table, tables
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.erasing import DeltaTraces
from assess_core.adapters.lake.register import LakeRegister
from assess_core.adapters.sqlite import connections
from assess_core.adapters.sqlite.corrected_totals import SqliteCorrectedTotals
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.adapters.sqlite.register import SqliteRegister
from assess_core.ports.log import LogBatch
from assess_core.usecases import applying, balance
from stream import sources

WRITES: Final = (
    *("add_slices", "add_rows", "add_entries", "put_summaries", "put_activities", "add_failed", "resolve", "delete"),
    *("transaction", "commit", "append", "record", "replace", "vacuum", "compact_small_tables", "atomic_write"),
    *("add", "put", "remove"),  # of the register and of corrected totals
    *("erase", "scrub", "remove_failed", "put_back", "announce", "forget_history"),
)
"""Modifying calls. A kill before a read has the same effect as a kill after the previous write."""
ADAPTERS: Final = (
    *(SqliteHot, CassandraHot, DeltaLake, FolderExhausts, FolderFeed, SqliteRegister, CassandraRegister, LakeRegister),
    *(SqliteCorrectedTotals, CassandraCorrectedTotals, DeltaTraces),
)
SMALL: Final[tuple[tuple[Any, str, object], ...]] = (
    (log_lines, "BATCH_RECORDS", 3),
    (copies, "_DELETED", 2),
    (balance, "_REREAD_WAITS", (0.0,)),
    (applying, "_ROWS", 2),
    (manifest_table, "_COMPACTION", 8),
    (tables, "_CHECKPOINT", "5"),
    (sources, "POLL", sources.POLL / 25),
)
"""Small sizes, so that a few rows need several batches, deletes and checkpoints; and shorter pauses."""


class Link(NamedTuple):
    """The worker's ends of the pipes to the driver. Messages are lines or single bytes."""

    messages: int
    turns: int | None
    """None: the worker never waits."""

    def notify(self, text: str) -> None:
        os.write(self.messages, text.encode() + b"\n")


def watch(link: Link, effects: int | None) -> None:
    """Report every boundary to the driver and wait there. SIGKILL this process after this many effects, if given."""
    for module, name, value in SMALL:
        assert hasattr(module, name), f"{module.__name__} no longer has {name}"
        setattr(module, name, value)
    _acknowledge(link)
    waiting = link.turns is not None
    holding = False

    def boundary(name: str = "") -> None:
        nonlocal waiting
        if waiting and link.turns is not None and not holding:
            link.notify("write" if name in WRITES else "turn")
            waiting = os.read(link.turns, 1) == b"1"

    @contextmanager
    def transaction(hot: SqliteHot) -> Iterator[bool]:
        """It holds the write lock, so a worker that waited for its turn inside would stop all others."""
        nonlocal holding
        with began(hot) as alone:
            holding = True
            try:
                yield alone
            finally:
                holding = False

    began = SqliteHot.transaction
    setattr(SqliteHot, began.__name__, transaction)
    for adapter in ADAPTERS:
        for name, method in list(vars(adapter).items()):
            if callable(method) and not name.startswith("_"):
                setattr(adapter, name, _watched(method, boundary))
    if effects is not None:
        _die_after(effects)


def _watched(method: Callable[..., Any], boundary: Callable[..., None]) -> Callable[..., Any]:
    """The method with a boundary before and after it, or before each yielded item."""

    @wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        boundary(method.__name__)
        result = method(*arguments, **named)
        if isinstance(result, Iterator):
            return _each(result, boundary)
        boundary()
        if method.__name__ == "scan":
            return [_each(shard, boundary) for shard in result]
        return result

    return call


def _each(items: Iterator[Any], boundary: Callable[..., None]) -> Iterator[Any]:
    for item in items:
        boundary()
        yield item


def _acknowledge(link: Link) -> None:
    """Report the position in a file to the driver after it was stored."""
    done = FolderFeed.done

    def acknowledged(feed: FolderFeed, batch: LogBatch, failed: Any) -> None:
        done(feed, batch, failed)
        link.notify(json.dumps({topic: position.line for topic, position in batch.ends.items()}))

    setattr(FolderFeed, done.__name__, acknowledged)


def _die_after(effects: int) -> None:
    """Count effects: modifying SQLite statements, including COMMIT, and file changes made in Python."""
    left = effects

    def count(statement: str = "") -> None:
        nonlocal left
        left -= not statement.startswith(("SELECT", "PRAGMA"))
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            count()

    def traced(path: Path, busy_seconds: float) -> sqlite3.Connection:
        connection = connect(path, busy_seconds)
        connection.set_trace_callback(count)
        return connection

    connect = connections.connect
    setattr(connections, connect.__name__, traced)
    sys.addaudithook(audit)
