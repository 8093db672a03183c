"""Creates, checks and upgrades the file of the embedded hot store."""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from assess_core.adapters.sqlite.connections import Connections
from assess_core.adapters.sqlite.tables import SCHEMA_VERSION, VERSIONS
from assess_core.adapters.sqlite.url import SqlitePlace, parse_sqlite_url
from assess_core.domain.counts import counted
from assess_core.errors import BadSettings, NotOurTable, StoreUnavailable

SHARD_HASH: Final = "first 4 bytes of SHA-256"
# Shards limit the size of a partition, which SQLite does not need. Reading 1,500 slices of 10 rows took 3.4 times as
# long with 4 shards and 7 times with 8. A slice in one shard is read in the order of learners
DEFAULT_SHARDS: Final = 1


def prepare(connections: Connections, place: SqlitePlace) -> int:
    """Create the file and its folder, or upgrade an older file; returns the number of shards.

    Raises `NotOurTable`, `StoreUnavailable`, and `BadSettings` if the store was made with other settings.
    """
    _make_private(place.path)
    try:
        with connections.transaction() as connection:
            return _create_or_check(connection, place)
    finally:
        connections.close()  # moves the tables from the write-ahead log into the file


def _make_private(path: Path) -> None:
    """Create the file and missing folders for this user alone, whatever the umask. Existing ones are not changed.

    SQLite gives its other files (-wal and -shm) the same mode.
    """
    path = path.resolve()
    try:
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {str(path.parent)!r} of the hot store cannot be made: {error.strerror}; "
            "make it, or name another file in ASSESS_HOT_STORE"
        ) from error
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError:  # it exists, or SQLite gives a better reason why it cannot be opened
        return
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def readable_by_others(path: Path) -> list[Path]:
    """The files of the store that other users of this machine may read or write."""
    files = [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm"))]
    return [file for file in files if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077]


class SqliteSchema:
    """The tables of an embedded hot store. They are created when the file is first opened, or by `apply`."""

    def __init__(self, url: str) -> None:
        self._place = parse_sqlite_url(url)

    def show(self) -> str:
        """The statements that create the tables."""
        return "\n".join(f"{sql};" for statements in VERSIONS.values() for sql in statements)

    def apply(self, replication: str | None, shards: int | None) -> str:
        """Create a missing file, or upgrade an older one."""
        if replication is not None:
            raise BadSettings("--replication: a SQLite file has no copies; leave it out")
        place = self._place._replace(shards=shards or self._place.shards)
        made = prepare(Connections(place.path), place)
        return f"{place.path}: schema version {SCHEMA_VERSION}, {counted(made, 'shard')}"

    def check(self) -> Iterator[str]:
        """The differences. A missing file is not a difference, because it is created when it is first opened."""
        if self._place.path.exists():
            try:
                prepare(Connections(self._place.path), self._place)
            except (BadSettings, NotOurTable) as error:
                yield str(error)


def _create_or_check(connection: sqlite3.Connection, place: SqlitePlace) -> int:
    """Create the tables in an empty file; check and upgrade an existing store. Returns the number of shards."""
    found = _shapes(connection)
    if not found:
        _upgrade(connection, 0)
        return _store_settings(connection, place.shards or DEFAULT_SHARDS)
    if found.get("meta") != _declared(1)["meta"]:
        raise NotOurTable(
            f"{str(place.path)!r} holds tables of another program (e.g. {min(found)!r}); "
            "name another file in ASSESS_HOT_STORE"
        )
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    shards = int(meta.get("shards", 0))
    version = meta.get("schema_version", "")
    if not version.isdecimal() or not 1 <= int(version) <= SCHEMA_VERSION:
        _require_same(place, "schema version", version, str(SCHEMA_VERSION))
    _require_same(place, "hash of shards", meta.get("shard_hash"), SHARD_HASH)
    _require_same(place, "number of shards", str(shards), str(place.shards or shards))
    for name, shape in _declared(int(version)).items():
        if found.get(name) != shape:
            raise NotOurTable(
                f"table {name!r} of {str(place.path)!r} is missing or has another shape; "
                "name another file in ASSESS_HOT_STORE and ingest the log into it"
            )
    _upgrade(connection, int(version))
    return shards


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Run the statements of all later versions; version 0 is an empty file."""
    for later in range(version + 1, SCHEMA_VERSION + 1):
        for sql in VERSIONS[later]:
            connection.execute(sql)
    if 0 < version < SCHEMA_VERSION:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema_version'", (str(SCHEMA_VERSION),))


def _store_settings(connection: sqlite3.Connection, shards: int) -> int:
    """Store the settings that never change; returns the number of shards."""
    meta = {
        "shards": str(shards),
        "shard_hash": SHARD_HASH,
        "schema_version": str(SCHEMA_VERSION),
        "applied_at": str(time.time_ns() // 1_000_000),
    }
    connection.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", meta.items())
    return shards


@cache
def _declared(version: int) -> Mapping[str, str]:
    """The SQL of a version's tables and indexes. It is made in memory, because SQLite rewrites it for new columns."""
    connection = sqlite3.connect(":memory:")
    try:
        for earlier in range(1, version + 1):
            for sql in VERSIONS[earlier]:
                connection.execute(sql)
        return _shapes(connection)
    finally:
        connection.close()


def _shapes(connection: sqlite3.Connection) -> dict[str, str]:
    """The SQL of each table and index, with single spaces."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows if not name.startswith("sqlite_")}


def _require_same(place: SqlitePlace, what: str, made_with: str | None, asked_for: str) -> None:
    if made_with != asked_for:
        raise BadSettings(
            f"ASSESS_HOT_STORE: {str(place.path)!r} was made with {what} {made_with}, not {asked_for}; "
            f"use that {what}, or name another file and ingest the log into it"
        )
