"""Folding events into the embedded hot store, beside the ancestor's pattern and plain upserts in the same database.

Ours does everything that folding a batch does: it reads the learners of the batch, decides, and writes slices, rows,
map entries, summaries and activities, in one transaction that is on disk when it returns. The peer works as the
ancestor's job does, event by event: look up the attempt, insert it, read all attempts of the learner in the batch,
write the aggregate; each event has its own transaction. The limit is `executemany` of only the prepared attempt rows,
into the same table with the same settings, one transaction per batch. Decoding is not measured.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Accepted, Decoded
from assess_core.domain.shards import shard_of
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, fold
from benchmarks.data import decoded, events
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_EVENTS: Final = 30_000
_ANCESTOR_SHARE: Final = 10  # the ancestor's pattern is slow: it gets a tenth of the events
_UPSERT: Final = """
    INSERT INTO assessment_aggregator VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET updated_on = excluded.updated_on WHERE excluded.updated_on < updated_on"""
_ANCESTOR_TABLES: Final = """
    CREATE TABLE attempts (user_id, course_id, batch_id, content_id, attempt_id, last_attempted_on, total_score,
        total_max_score, grand_total, updated_on, question,
        PRIMARY KEY (user_id, course_id, batch_id, content_id, attempt_id));
    CREATE TABLE activities (user_id, course_id, batch_id, aggregates, PRIMARY KEY (user_id, course_id, batch_id))"""
_OF_BATCH: Final = "FROM attempts WHERE user_id = ? AND course_id = ? AND batch_id = ?"

_SqlRow = tuple[str | int | float | bytes, ...]


def _sql_rows(batch: Sequence[Decoded], shards: int) -> list[_SqlRow]:
    """The rows of a batch as sqlite3 takes them, in the order of the table's key."""
    return sorted(
        (
            *(row.key.batch_id, *row.slice.week, shard_of(row.key.user_id, shards), row.key.user_id, row.key.course_id),
            *(row.key.content_id, row.key.attempt_id, row.version.last_attempted_on, row.version.content_hash),
            *(row.total_score, row.total_max_score, row.grand_total, row.received_at, row.question),
        )
        for row in _versions(batch)
    )


def _versions(batch: Sequence[Decoded]) -> Iterator[AttemptVersion]:
    return (event.version for event in batch if isinstance(event, Accepted))


@contextmanager
def _store() -> Iterator[tuple[SqliteHot, Path]]:
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        path = Path(folder) / "hot.sqlite"
        yield SqliteHot(f"sqlite:///{path}"), path


@contextmanager
def _ours(count: int) -> Iterator[Work]:
    batches = list(decoded(events(count)))
    with _store() as (hot, _):

        def folded() -> None:
            for batch in batches:
                fold(batch, hot, Checks(NoFacts()))

        yield folded


@contextmanager
def _limit(count: int) -> Iterator[Work]:
    with _store() as (hot, path):
        batches = [_sql_rows(batch, hot.shards) for batch in decoded(events(count))]
        connection = _connect(path)

        def upsert() -> None:
            for batch in batches:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(_UPSERT, batch)
                connection.execute("COMMIT")

        yield upsert
        connection.close()


@contextmanager
def _ancestor(count: int) -> Iterator[Work]:
    versions = [version for batch in decoded(events(count)) for version in _versions(batch)]
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        connection = _connect(Path(folder) / "ancestor.sqlite")
        connection.executescript(f"PRAGMA journal_mode = WAL; {_ANCESTOR_TABLES}")

        def work() -> None:
            for version in versions:
                _work_as_the_ancestor(connection, version)

        yield work
        connection.close()


def _work_as_the_ancestor(connection: sqlite3.Connection, version: AttemptVersion) -> None:
    key = version.key
    of_batch = (key.user_id, key.course_id, key.batch_id)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(
        f"SELECT last_attempted_on {_OF_BATCH} AND content_id = ? AND attempt_id = ?",
        (*of_batch, key.content_id, key.attempt_id),
    ).fetchone()
    numbers = (version.version.last_attempted_on, version.total_score, version.total_max_score, version.grand_total)
    connection.execute(
        f"INSERT OR REPLACE INTO attempts VALUES ({', '.join('?' * 11)})",
        (*of_batch, key.content_id, key.attempt_id, *numbers, version.received_at, version.question),
    )
    best: dict[str, float] = {}
    for content_id, score in connection.execute(f"SELECT content_id, total_score {_OF_BATCH}", of_batch):
        best[content_id] = max(best.get(content_id, 0.0), score)
    connection.execute("INSERT OR REPLACE INTO activities VALUES (?, ?, ?, ?)", (*of_batch, msgspec.json.encode(best)))
    connection.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def fold_row(size: Size) -> Row:
    """Decoded events into SQLite."""
    count = size.of(_EVENTS)
    few = max(10, count // _ANCESTOR_SHARE)
    sides = {
        "ours": partial(alone, _ours, count),
        "ancestor": partial(alone, _ancestor, few),
        "limit": partial(alone, _limit, count),
    }
    runs = in_turn(size, sides)
    return Row(
        "fold-sqlite",
        "events/s",
        Side("fold", count, runs["ours"]),
        Side("the ancestor's access pattern, an event at a time", few, runs["ancestor"]),
        Side("upserts of the attempt rows alone", count, runs["limit"]),
        "memory includes the decoded events",
    )
