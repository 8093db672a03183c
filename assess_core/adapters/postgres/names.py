"""Names from a table or view `names` of a database in PostgreSQL."""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, connection, parse_dsn

from assess_core.adapters.error_text import first_line
from assess_core.domain.names import CHARACTERS, WITHOUT_NAMES, Named, NameKind, add_name, limited
from assess_core.errors import BadNames, BadSettings, StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.privacy import hidden

TABLE: Final = "CREATE TABLE names (kind text, id text, name text, organisation text, PRIMARY KEY (kind, id))"
# two rows of an id differ only if one of them is empty, so more than two rows for each id cannot be right
_SELECT: Final = f"""
    SELECT DISTINCT id, left(coalesce(name, ''), {CHARACTERS + 1}), left(coalesce(organisation, ''), {CHARACTERS + 1})
    FROM names
    WHERE kind = %s AND id = ANY(%s) LIMIT 2 * %s + 1
"""
_SECONDS: Final = 30.0


class PostgresNames:
    """Names at `postgresql://[USER:PASSWORD@]HOST[:PORT]/DATABASE[?OPTION=VALUE&...]` with the options of libpq."""

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`."""
        self._url = url
        try:
            place = parse_dsn(url)
        except psycopg2.ProgrammingError as error:
            raise self._wrong_url() from error  # the library's message can show the password
        if not {"host", "dbname"} <= place.keys():
            raise self._wrong_url()

    @property
    def source(self) -> str:
        """The URL, without secrets."""
        return hidden(self._url)

    @property
    def sha256(self) -> None:
        """See `OpenedNames.sha256`."""
        return None

    def open(self) -> "PostgresNames":
        """See `Names.open`."""
        return self

    def look_up(self, kind: NameKind, ids: Sequence[str]) -> dict[str, Named]:
        """See `OpenedNames.look_up`."""
        found: dict[str, Named] = {}
        for id_, name, organisation in self._rows(kind, [id_ for id_ in ids if "\0" not in id_]):
            if not all(isinstance(part, str) for part in (id_, name, organisation)):
                raise self._other_table("its columns have other types")
            if (named := Named(limited(name), limited(organisation))) != Named():
                add_name(found, id_, named, kind, self.source)
        return found

    def examine(self) -> Iterator[Finding]:
        """See `Names.examine`."""
        self.look_up(NameKind.COURSE, ["assess-doctor"])
        yield Finding(Level.OK, "names", f"the table names at {self.source} answers")

    def _rows(self, kind: NameKind, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        until = time.monotonic() + _SECONDS
        try:
            # only an asynchronous connection gives up a server that accepts a request and never answers
            with closing(psycopg2.connect(self._url, async_=True, client_encoding="UTF8")) as opened:
                _wait(opened, until)
                cursor = opened.cursor()
                cursor.execute(_SELECT, (kind.value, list(ids), len(ids)))
                _wait(opened, until)
                return cursor.fetchall()
        except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError, UnicodeDecodeError) as error:
            raise self._other_table(first_line(error)) from error
        except psycopg2.Error as error:
            raise StoreUnavailable(
                f"the source of names {self.source} does not answer ({first_line(error)}); wait and try again, or "
                f"check ASSESS_NAMES, {WITHOUT_NAMES}"
            ) from error

    def _other_table(self, why: str) -> BadNames:
        return BadNames(
            f"the source of names {self.source} has no table names that can be read ({why}); create it with {TABLE!r}, "
            f"{WITHOUT_NAMES}"
        )

    def _wrong_url(self) -> BadSettings:
        return BadSettings(
            f"ASSESS_NAMES: {hidden(self._url)!r} cannot be used; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )


def _wait(opened: connection, until: float) -> None:
    """Wait for an answer. Raises `psycopg2.OperationalError` if there is none at this time of `time.monotonic`."""
    while (state := opened.poll()) != POLL_OK:
        waiting = select.poll()
        waiting.register(opened, select.POLLIN if state == POLL_READ else select.POLLOUT)
        if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
            raise psycopg2.OperationalError(f"no answer within {_SECONDS:g} seconds")
