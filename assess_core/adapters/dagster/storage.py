"""Dagster's storage in a folder: SQLite files with runs and events, and the output of steps.

Its events have previews of tables, which can show ids of learners. Dagster's own package is not needed to read them.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from assess_core.adapters.files.decoding import decoded
from assess_core.errors import StoreUnavailable
from assess_core.ports.erasures import StoredFile, Text

_OWN: Final = ("artifacts", "compute_logs", "history", "logs", "schedules", "storage")
"""The folders that Dagster makes, by default or with our dagster.yaml."""
_BUSY_SECONDS: Final = 30
_DATABASES: Final = (".db", ".sqlite")
_KEPT: Final = {"asset_keys": ("last_materialization", "asset_details", "cached_status_data")}
"""Tables whose rows stay: these columns are emptied. Without its row, an asset would lose its place in the UI."""
_POSTGRES: Final = (
    "Dagster keeps its events in PostgreSQL: there, type `DELETE FROM event_logs WHERE event LIKE '%ID%'; "
    "UPDATE asset_keys SET last_materialization = NULL WHERE last_materialization LIKE '%ID%'; VACUUM FULL event_logs`"
)


class DagsterStorage:
    """A `ports.RunHistory` in the folder of DAGSTER_HOME and in that of `assess up`; they need not exist.

    The first one can be any folder of a person, so only Dagster's own folders in it are read and changed.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = tuple(dict.fromkeys(folders))

    @property
    def remaining(self) -> str:
        configs = [folder / "dagster.yaml" for folder in self._folders]
        found = (config.read_text(errors="replace") for config in configs if config.is_file())
        return _POSTGRES if any("postgres" in text for text in found) else ""

    def texts(self) -> Iterator[tuple[str, Iterator[Text]]]:
        for name, path in self._files():
            yield name, decoded(path, _as_database(path))

    def erase(self, are_in: Callable[[bytes], bool]) -> list[StoredFile]:
        """Delete rows of databases that mention learners, and other files that do; returns what they were."""
        changed: list[StoredFile] = []
        for name, path in self._files():
            is_database = path.name.endswith(_DATABASES)
            if not any(are_in(text.bytes) for text in decoded(path, _as_database(path)) if not text.is_raw):
                continue
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size, rows = path.stat().st_size, 0
            if is_database:
                rows = _erase_rows(path, are_in)
            elif not path.name.endswith(("-wal", "-shm", "-journal")):
                path.unlink(missing_ok=True)
            changed.append(StoredFile(f"dagster/{name}", digest, rows, size))
        return changed

    def _files(self) -> list[tuple[str, Path]]:
        """Dagster's files, each with its name within its folder."""
        return [
            (str(path.relative_to(folder)), path)
            for folder in self._folders
            for own in _OWN
            for path in sorted((folder / own).rglob("*"))
            if path.is_file() and not path.is_symlink()
        ]


def _as_database(path: Path) -> str:
    return "file.sqlite" if path.name.endswith(_DATABASES) else path.name


def _erase_rows(path: Path, are_in: Callable[[bytes], bool]) -> int:
    """Delete the rows of a database that mention learners, with their bytes; returns their number."""
    erased = 0
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.text_factory = bytes
            connection.execute("PRAGMA secure_delete = ON")
            tables = [
                row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            for table in tables:
                erased += _erase_of(connection, table, are_in)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StoreUnavailable(
            f"Dagster's database {path} cannot be changed ({error}); stop Dagster if it locks it, then erase again"
        ) from error
    return erased


def _erase_of(connection: sqlite3.Connection, table: str, are_in: Callable[[bytes], bool]) -> int:
    quoted = '"' + table.replace('"', '""') + '"'
    try:
        rows = connection.execute(f"SELECT rowid, * FROM {quoted}")
    except sqlite3.OperationalError:  # it has no row ids, and is none of Dagster's
        return 0
    found = [row[0] for row in rows if are_in(b"\0".join(value for value in row if isinstance(value, bytes)))]
    names = {row[1].decode() for row in connection.execute(f"PRAGMA table_info({quoted})")}
    if emptied := [name for name in _KEPT.get(table, ()) if name in names]:
        change = f"UPDATE {quoted} SET {', '.join(f'{name} = NULL' for name in emptied)} WHERE rowid = ?"
    else:
        change = f"DELETE FROM {quoted} WHERE rowid = ?"
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(change, [(row,) for row in found])
    connection.execute("COMMIT")
    return len(found)
