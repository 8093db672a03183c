"""The file of the embedded hot store: its tables, who may open it, and what its errors mean."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from assess_core.errors import AssessError, BadSettings, NotOurTable, StoreUnavailable

SCHEMA_VERSION: Final = 1
SHARD_HASH: Final = "first 4 bytes of SHA-256"
# Reading 1,500 slices of 10 rows took 3.4 times as long with 4 shards and 7 times with 8, and one shard hands a slice
# on in the order of learners; what more shards are for, partitions of bounded size, SQLite does not need
DEFAULT_SHARDS: Final = 1
MAX_SHARDS: Final = 1024
BUSY_SECONDS: Final = 30

_TABLES: Final = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "slices": """CREATE TABLE slices (
        year INTEGER NOT NULL, week INTEGER NOT NULL, batch_id TEXT NOT NULL,
        PRIMARY KEY (year, week, batch_id)
    ) WITHOUT ROWID""",
    "assessment_aggregator": """CREATE TABLE assessment_aggregator (
        batch_id TEXT NOT NULL, year INTEGER NOT NULL, week INTEGER NOT NULL, shard INTEGER NOT NULL,
        user_id TEXT NOT NULL, course_id TEXT NOT NULL, content_id TEXT NOT NULL, attempt_id TEXT NOT NULL,
        last_attempted_on INTEGER NOT NULL, content_hash BLOB NOT NULL,
        total_score REAL NOT NULL, total_max_score REAL NOT NULL, grand_total TEXT NOT NULL,
        updated_on INTEGER NOT NULL, question TEXT NOT NULL,
        PRIMARY KEY (batch_id, year, week, shard, user_id, course_id, content_id, attempt_id,
                     last_attempted_on, content_hash)
    )""",
    "assessment_aggregator_v2": """CREATE TABLE assessment_aggregator_v2 (
        user_id TEXT NOT NULL, assessment_id TEXT NOT NULL, course_id TEXT NOT NULL, batch_id TEXT NOT NULL,
        last_attempted_score REAL NOT NULL, total_max_score REAL NOT NULL, best_score REAL NOT NULL,
        min_score REAL NOT NULL, average_score REAL NOT NULL, attempts_count INTEGER NOT NULL,
        updated_on INTEGER NOT NULL, versions INTEGER NOT NULL,
        PRIMARY KEY (user_id, assessment_id, course_id, batch_id)
    ) WITHOUT ROWID""",
    "assessment_aggregator_v2_attempts": """CREATE TABLE assessment_aggregator_v2_attempts (
        user_id TEXT NOT NULL, assessment_id TEXT NOT NULL, course_id TEXT NOT NULL, batch_id TEXT NOT NULL,
        attempt_id TEXT NOT NULL, last_attempted_on INTEGER NOT NULL, content_hash BLOB NOT NULL,
        has_answers INTEGER NOT NULL, score REAL NOT NULL, max_score REAL NOT NULL, received_at INTEGER NOT NULL,
        PRIMARY KEY (user_id, assessment_id, course_id, batch_id, attempt_id, last_attempted_on, content_hash)
    ) WITHOUT ROWID""",
    "user_activity_agg": """CREATE TABLE user_activity_agg (
        user_id TEXT NOT NULL, activity_type TEXT NOT NULL, activity_id TEXT NOT NULL, context_id TEXT NOT NULL,
        aggregates TEXT NOT NULL, agg_details TEXT NOT NULL, agg_last_updated TEXT NOT NULL, versions INTEGER NOT NULL,
        PRIMARY KEY (user_id, activity_type, activity_id, context_id)
    ) WITHOUT ROWID""",
    "failed_events": """CREATE TABLE failed_events (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, raw_hash BLOB NOT NULL,
        received_at INTEGER, reason TEXT, message TEXT, mended INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (topic, partition, "offset", raw_hash)
    ) WITHOUT ROWID""",
    "failed_events_raw": """CREATE TABLE failed_events_raw (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, "offset" INTEGER NOT NULL, raw_hash BLOB NOT NULL,
        part INTEGER NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY (topic, partition, "offset", raw_hash, part)
    )""",
    "positions": """CREATE TABLE positions (
        topic TEXT PRIMARY KEY, line INTEGER NOT NULL, byte INTEGER NOT NULL
    ) WITHOUT ROWID""",
}
"""A change here is a new `SCHEMA_VERSION`: a file whose tables differ is not ours.

Rows of 4 kB with a rowid: written with a third less CPU than without, and counted 15 times faster (by the key alone).
"""

_URL = re.compile(r"sqlite:///(?P<path>.*?)(?:\?(?P<options>[^/]*))?\Z", re.DOTALL)
_SHARDS = re.compile(r"shards=([0-9]{1,4})\Z", re.ASCII)


class Database(NamedTuple):
    """What an `ASSESS_HOT_STORE` of this kind names."""

    path: Path
    shards: int | None
    """How many shards were asked for; None takes what the store was made with."""


def parse_url(url: str) -> Database:
    """`sqlite:///relative`, `sqlite:////absolute`, then `?shards=N` or nothing.

    A path is taken as it stands: nothing is percent-decoded, for a home folder may be named `50%20off` or `why?`.
    Only a `?` in the last part begins options. Raises `BadSettings`.
    """
    found = _URL.match(url)
    if not found or not found["path"] or found["path"].endswith("/"):
        raise BadSettings(
            f"ASSESS_HOT_STORE: {url!r} does not name a file; write sqlite:///PATH or sqlite:////ABSOLUTE"
        )
    path, options = Path(found["path"]).absolute(), found["options"]
    if options is None:
        return Database(path, None)
    asked = _SHARDS.match(options)
    if not asked or not 1 <= int(asked[1]) <= MAX_SHARDS:
        raise BadSettings(
            f"ASSESS_HOT_STORE: {options!r} is not an option; write ?shards=N (1 to {MAX_SHARDS}) or nothing after PATH"
        )
    return Database(path, int(asked[1]))


def prepare(place: Database) -> int:
    """Make the file and its folder where they are missing; returns the number of shards.

    Raises `NotOurTable`, `BadSettings` where the store was made with other settings, `StoreUnavailable`.
    """
    try:
        place.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {str(place.path.parent)!r} of the hot store cannot be made: {error.strerror}; "
            "make it, or name another file in ASSESS_HOT_STORE"
        ) from error
    with translated(place.path):
        connection = connect(place.path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            shards = _claim(connection, place)
            connection.execute("COMMIT")
        finally:
            connection.close()
    return shards


class SqliteSchema:
    """The tables of an embedded hot store: the file gets them when it is first opened, or here."""

    def __init__(self, url: str) -> None:
        self._place = parse_url(url)

    def show(self) -> str:
        """The statements that make them."""
        return "\n".join(f"{sql};" for sql in _TABLES.values())

    def apply(self, replication: str | None, shards: int | None) -> str:
        """Make the file where it is missing."""
        if replication is not None:
            raise BadSettings("--replication: a SQLite file has no copies; leave it out")
        made = prepare(self._place._replace(shards=shards or self._place.shards))
        return f"{self._place.path}: schema version {SCHEMA_VERSION}, {made} shards"

    def check(self) -> Iterator[str]:
        """What differs; a file that is missing is made when it is first opened."""
        if self._place.path.exists():
            try:
                prepare(self._place)
            except (BadSettings, NotOurTable) as error:
                yield str(error)


def connect(path: Path) -> sqlite3.Connection:
    """A connection for one thread, in autocommit mode: who writes says BEGIN IMMEDIATE."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power cut
        connection.execute("PRAGMA cache_size = -32768")  # 32 MiB
        connection.execute("PRAGMA wal_autocheckpoint = 8000")  # 32 MiB: a fifth less is written than with 4
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _write_ahead(connection: sqlite3.Connection) -> None:
    """WAL mode: readers beside a writer. The busy timeout does not cover this switch, so it is tried again."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _claim(connection: sqlite3.Connection, place: Database) -> int:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    tables = {name: _words(sql) for name, sql in rows if not name.startswith("sqlite_")}
    if not tables:
        return _create(connection, place.shards or DEFAULT_SHARDS)
    if tables.get("meta") != _words(_TABLES["meta"]):
        raise NotOurTable(
            f"{str(place.path)!r} holds tables of something else (e.g. {min(tables)!r}); "
            "name another file in ASSESS_HOT_STORE"
        )
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    shards = int(meta.get("shards", 0))
    _same(place, "schema version", meta.get("schema_version"), str(SCHEMA_VERSION))
    _same(place, "hash of shards", meta.get("shard_hash"), SHARD_HASH)
    _same(place, "number of shards", str(shards), str(place.shards or shards))
    for name, sql in _TABLES.items():
        if tables.get(name) != _words(sql):
            raise NotOurTable(
                f"table {name!r} of {str(place.path)!r} is missing or has another shape; "
                "name another file in ASSESS_HOT_STORE and ingest the log into it"
            )
    return shards


def _create(connection: sqlite3.Connection, shards: int) -> int:
    for sql in _TABLES.values():
        connection.execute(sql)
    meta = {
        "shards": str(shards),
        "shard_hash": SHARD_HASH,
        "schema_version": str(SCHEMA_VERSION),
        "applied_at": str(time.time_ns() // 1_000_000),
    }
    connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
    return shards


def _same(place: Database, what: str, made_with: str | None, asked_for: str) -> None:
    if made_with != asked_for:
        raise BadSettings(
            f"ASSESS_HOT_STORE: {str(place.path)!r} was made with {what} {made_with}, not {asked_for}; "
            "ask for that, or name another file and ingest the log into it"
        )


def _words(sql: str) -> str:
    return " ".join(sql.split())


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """What SQLite says, as an error of ours that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, path) from error


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


def _code(error: sqlite3.Error) -> int:
    # the primary code is the low byte; errors that Python raises itself carry none
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
