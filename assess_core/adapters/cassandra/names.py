"""Names from the table `names` of a keyspace in Cassandra."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.driver import column_types
from assess_core.adapters.cassandra.url import as_setting, parse_cassandra_url
from assess_core.domain.names import WITHOUT_NAMES, Named, NameKind, limited
from assess_core.errors import BadNames, NotOurTable, StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.privacy import hidden

TABLE: Final = "CREATE TABLE {ks}.names (kind text, id text, name text, organisation text, PRIMARY KEY ((kind, id)))"
_SELECT: Final = "SELECT name, organisation FROM {ks}.names WHERE kind = ? AND id = ?"
_TYPES: Final = {"kind": "text", "id": "text", "name": "text", "organisation": "text"}
_SETTING: Final = "ASSESS_NAMES"


class CassandraNames:
    """Names at `cassandra://...` (see `parse_cassandra_url`). It connects when a report needs names."""

    def __init__(self, url: str) -> None:
        """Raises `BadSettings`."""
        self._url = url
        with as_setting(_SETTING):
            self._place = parse_cassandra_url(url)

    @property
    def source(self) -> str:
        """The URL, without secrets."""
        return hidden(self._url)

    @property
    def sha256(self) -> None:
        """See `OpenedNames.sha256`."""
        return None

    def open(self) -> "CassandraNames":
        """See `Names.open`."""
        return self

    def look_up(self, kind: NameKind, ids: Sequence[str]) -> dict[str, Named]:
        """See `OpenedNames.look_up`. Every id is a partition, so no id has two names."""
        usable = [id_ for id_ in ids if id_]  # a part of a key cannot be empty
        try:
            with as_setting(_SETTING):
                connection = self._connection
                statement = connection.prepared(_SELECT)
                results = connection.execute_all([statement.bind((kind.value, id_)) for id_ in usable])
        except StoreUnavailable as error:
            raise StoreUnavailable(f"the source of names {self.source}: {error}, {WITHOUT_NAMES}") from error
        found = {
            id_: Named(*(limited(part or "") for part in rows[0]))
            for id_, rows in zip(usable, results, strict=True)
            if rows
        }
        return {id_: named for id_, named in found.items() if named != Named()}

    def examine(self) -> Iterator[Finding]:
        """See `Names.examine`."""
        self.look_up(NameKind.COURSE, ["assess-doctor"])
        place = self._place
        yield Finding(Level.OK, "names", f"the table names in {place.keyspace} at {place.servers} answers")

    @cached_property
    def _connection(self) -> Connection:
        """The connection to a table of our shape. Raises `BadNames`, `StoreUnavailable`."""
        connection = Connection(self._place)
        try:
            types = column_types(connection.prepared(_SELECT).statement)
        except NotOurTable as error:
            raise self._bad("has no table names with these columns") from error
        if any(types.get(name, type_) != type_ for name, type_ in _TYPES.items()):
            raise self._bad("has a table names with other types")
        return connection

    def _bad(self, what: str) -> BadNames:
        table = TABLE.replace("{ks}", self._place.keyspace)
        return BadNames(f"the keyspace {self._place.keyspace!r} {what}; create it with {table!r}, {WITHOUT_NAMES}")
