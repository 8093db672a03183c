"""Grants from the table `grants` of a SQLite file, which another program writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from assess_core.domain.access import Granted, granted_by
from assess_core.errors import BadGrants, BadSettings, StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.ports.grants import MOST

TABLE: Final = "CREATE TABLE grants (mentor TEXT, kind TEXT, id TEXT, PRIMARY KEY (mentor, kind, id)) WITHOUT ROWID"
_OF: Final = "SELECT kind, id FROM grants WHERE mentor = ? LIMIT ?"
_WAIT: Final = 2.0  # seconds for a program that writes
_PREFIX: Final = "sqlite:///"


class SqliteGrants:
    """Grants at `sqlite:///PATH`. The file is opened for each question, and is never written."""

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`."""
        name = url.removeprefix(_PREFIX)
        if not name or name.endswith("/"):
            raise BadSettings("ASSESS_GRANTS: sqlite:/// needs a file; write sqlite:///PATH")
        self._path = Path(name).absolute()

    def of(self, mentor: str) -> Granted:
        """See `Grants.of`."""
        rows = self._rows(mentor)
        if len(rows) > MOST:
            raise BadGrants(f"ASSESS_GRANTS: {self._path} grants one mentor more than {MOST:,} batches and courses")
        return granted_by(rows)

    def examine(self) -> Iterator[Finding]:
        """See `Grants.examine`."""
        self._rows("assess-doctor")
        yield Finding(Level.OK, "grants", f"the table grants in {self._path} answers")

    def _rows(self, mentor: str) -> list[tuple[object, object]]:
        try:
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=_WAIT)) as connection:
                return connection.execute(_OF, (mentor, MOST + 1)).fetchall()
        except sqlite3.DatabaseError as error:
            if "no such table" in str(error) or "no such column" in str(error):
                raise BadGrants(f"ASSESS_GRANTS: {self._path} has no such table; create it with {TABLE!r}") from error
            raise StoreUnavailable(
                f"ASSESS_GRANTS: {self._path} cannot be read: {error}; check that it is a SQLite file that this user "
                "can read"
            ) from error
