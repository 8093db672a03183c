"""Grants from the table `grants` of a keyspace in Cassandra, which another program writes."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.driver import column_types
from assess_core.adapters.cassandra.url import as_setting, parse_cassandra_url
from assess_core.domain.access import NOTHING, Granted, granted_by
from assess_core.errors import BadGrants, NotOurTable
from assess_core.ports.findings import Finding, Level
from assess_core.ports.grants import MOST

TABLE: Final = "CREATE TABLE {ks}.grants (mentor text, kind text, id text, PRIMARY KEY (mentor, kind, id))"
_OF: Final = "SELECT kind, id FROM {ks}.grants WHERE mentor = ? LIMIT ?"
_SETTING: Final = "ASSESS_GRANTS"


class CassandraGrants:
    """Grants at `cassandra://...` (see `parse_cassandra_url`). It connects when it is asked first."""

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`."""
        with as_setting(_SETTING):
            self._place = parse_cassandra_url(url)

    def of(self, mentor: str) -> Granted:
        """See `Grants.of`."""
        if not mentor:  # a part of a key cannot be empty
            return NOTHING
        with as_setting(_SETTING):
            rows = self._connection.execute(_OF, (mentor, MOST + 1))
        if len(rows) > MOST:
            raise self._bad(f"grants one mentor more than {MOST:,} batches and courses; grant fewer")
        return granted_by(rows)

    def examine(self) -> Iterator[Finding]:
        """See `Grants.examine`."""
        self.of("assess-doctor")
        place = self._place
        yield Finding(Level.OK, "grants", f"the table grants in {place.keyspace} at {place.servers} answers")

    @cached_property
    def _connection(self) -> Connection:
        """The connection to a table of our shape. Raises `BadGrants`, `StoreUnavailable`."""
        connection = Connection(self._place)
        table = TABLE.replace("{ks}", self._place.keyspace)
        try:
            types = column_types(connection.prepared(_OF).statement)
        except NotOurTable as error:
            raise self._bad(f"has no table grants with these columns; create it with {table!r}") from error
        if any(types.get(name, "text") != "text" for name in ("mentor", "kind", "id")):
            raise self._bad(f"has a table grants with other types; create it with {table!r}")
        return connection

    def _bad(self, what: str) -> BadGrants:
        return BadGrants(f"{_SETTING}: the keyspace {self._place.keyspace!r} {what}")
