"""Creates and upgrades the schema of the hot store on Cassandra, and checks it before each use."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.driver import Host
from assess_core.adapters.cassandra.maps import texts
from assess_core.adapters.cassandra.slices import SliceTables
from assess_core.adapters.cassandra.tables import (
    SCHEMA_VERSION,
    Column,
    Tables,
    added_columns,
    declared,
    in_keyspace,
    statements,
    versions,
)
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.domain.counts import counted
from assess_core.errors import BadSettings, NotOurTable, StoreUnavailable

SHARD_HASH: Final = "first 4 bytes of SHA-256"
# A partition of 10-50 MB has 4,000 to 20,000 attempts, so 16 shards hold 320,000 attempts of a batch in a week. Up to
# 1.6 million can be cleared before a read exceeds a node's tombstone limit (100,000). An empty shard costs a scan
# 0.2 ms
DEFAULT_SHARDS: Final = 16
MAX_SHARDS: Final = 1024

_REPLICATION = re.compile(r"[1-9][0-9]?|[^:,]+:[1-9][0-9]?(?:,[^:,]+:[1-9][0-9]?)*")
_APPLY: Final = "type `assess schema apply`"


def _stored(db: Connection) -> Tables:
    rows = db.execute(
        "SELECT table_name, column_name, type, kind, position FROM system_schema.columns WHERE keyspace_name = ?",
        (db.place.keyspace,),
    )
    tables: dict[str, dict[str, Column]] = {}
    for table, name, type_, kind, position in rows:
        tables.setdefault(table, {})[name] = Column(type_, kind, position)
    return tables


def _missing(stored: Tables, wanted: Tables) -> Iterator[str]:
    """What `assess schema apply` would add, one sentence each."""
    if tables := [table for table in wanted if table not in stored]:
        yield f"there is no table {', '.join(tables)}"
    for table, name in sorted(added_columns()):
        if table in stored and name not in stored[table]:
            yield f"there is no column {name} in {table}"


def _differences(stored: Tables, wanted: Tables) -> Iterator[str]:
    """The differences of existing tables, one sentence each. Columns that a later version adds may be missing."""
    added = added_columns()
    for table, columns in wanted.items():
        found = stored.get(table)
        if found is None:
            continue
        for name in sorted(columns.keys() | found.keys()):
            if name not in found:
                if (table, name) not in added:
                    yield f"table {table} has no column {name} {columns[name]}"
            elif name not in columns:
                yield f"table {table} has a column {name} {found[name]} that is not ours"
            elif found[name] != columns[name]:
                yield f"table {table} has {name} {found[name]}, not {columns[name]}"


def replication(db: Connection) -> dict[str, int] | None:
    """The replication factor of each data centre (SimpleStrategy: under ''); None if there is no keyspace."""
    rows = db.execute("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", (db.place.keyspace,))
    if not rows:
        return None
    options = texts(rows[0][0])
    options.pop("class")
    return {"" if dc == "replication_factor" else dc: int(copies.partition("/")[0]) for dc, copies in options.items()}


def _meta(db: Connection) -> dict[str, str]:
    return dict(db.execute("SELECT name, value FROM {ks}.meta"))


def _early_meta(db: Connection) -> dict[str, str]:
    """The settings; empty while another process creates the table, which is listed before a node can read it."""
    try:
        return _meta(db)
    except NotOurTable:
        return {}


class CassandraSchema:
    """The tables of a hot store on Cassandra (see `parse_cassandra_url`)."""

    def __init__(self, url: str) -> None:
        self._place = parse_cassandra_url(url)

    def show(self) -> str:
        """What `apply` does on a single node, as CQL. Replace DATACENTER by the name of the data centre."""
        make = _create_keyspace(self._place.keyspace, {self._place.servers.dc or "DATACENTER": 1})
        meta = [
            f"INSERT INTO meta (name, value) VALUES ('{name}', '{value}') IF NOT EXISTS;"
            for name, value in _new_settings(DEFAULT_SHARDS).items()
        ]
        files = [text.rstrip() for text in versions().values()]
        return "\n".join([f"{make};", f'USE "{self._place.keyspace}";', "", *files, "", *meta])

    def apply(self, replication: str | None, shards: int | None) -> str:
        """See `apply`."""
        return apply(Connection(self._place), replication, shards)

    def check(self) -> Iterator[str]:
        """See `check`."""
        return check(Connection(self._place))


def check(db: Connection) -> Iterator[str]:
    """The reasons why the store cannot use the keyspace, one sentence each."""
    if replication(db) is None:
        yield f"there is no keyspace {db.place.keyspace}"
        return
    stored, wanted = _stored(db), declared()
    yield from _missing(stored, wanted)
    different = list(_differences(stored, wanted))
    yield from different
    if "meta" in stored and not any(" meta " in sentence for sentence in different):
        yield from _settings_of(_meta(db))


def _settings_of(meta: Mapping[str, str]) -> Iterator[str]:
    version = meta.get("schema_version", str(SCHEMA_VERSION))
    if _is_older(version):
        yield f"it has schema version {version}, and this program needs {SCHEMA_VERSION}"
    elif version != str(SCHEMA_VERSION):
        yield f"it was made with schema version {version}, not {SCHEMA_VERSION}"
    if meta.get("shard_hash", SHARD_HASH) != SHARD_HASH:
        yield f"it was made with shard hash {meta['shard_hash']}, not {SHARD_HASH}"
    if absent := [name for name in ("schema_version", "shard_hash", "shards", "applied_at") if name not in meta]:
        yield f"`apply` did not finish: {', '.join(absent)} is missing in meta"
    elif not meta["shards"].isdecimal() or not 1 <= int(meta["shards"]) <= MAX_SHARDS:
        yield f"it was made with {meta['shards']} shards, which is not a number from 1 to {MAX_SHARDS}"


def _is_older(version: str) -> bool:
    return version.isdecimal() and 1 <= int(version) < SCHEMA_VERSION


def require(db: Connection) -> int:
    """The number of shards of a keyspace that the store can use.

    Raises `BadSettings` if something is missing or a fixed setting differs, `NotOurTable` if a table differs.
    """
    different = list(check(db))
    if not different:
        return int(_meta(db)["shards"])
    message = f"keyspace {db.place.keyspace} at {db.place.servers}: {'; '.join(different)}"
    if any(sentence.startswith("table ") for sentence in different):
        raise NotOurTable(f"{message}; name another keyspace in ASSESS_HOT_STORE, and {_APPLY}")
    if any(sentence.startswith("it was made") for sentence in different):
        raise BadSettings(
            f"ASSESS_HOT_STORE: {message}; use the version of this program that made it, or name another keyspace"
        )
    raise BadSettings(f"ASSESS_HOT_STORE: {message}; {_APPLY}")


def _new_settings(shards: int) -> dict[str, str]:
    return {
        "shards": str(shards),
        "shard_hash": SHARD_HASH,
        "applied_at": str(time.time_ns() // 1_000_000),
        "schema_version": str(SCHEMA_VERSION),
    }


def apply(db: Connection, copies: str | None, shards: int | None) -> str:
    """Create or upgrade the keyspace and its tables; returns a sentence that describes them.

    `copies`: one replication factor for every data centre, or one for each (`dc1:3,dc2:2`). `shards` never changes
    after the first apply. Repeated and concurrent calls are safe. Raises `BadSettings`, `NotOurTable` and
    `StoreUnavailable`.
    """
    node = _first_node(db)
    _make_keyspace(db, node, copies)
    stored = _stored(db)
    different = list(_differences(stored, declared()))
    if not different and "meta" in stored:  # a newer version may have changed it in a way unknown to this version
        different = [sentence for sentence in _settings_of(_early_meta(db)) if sentence.startswith("it was made with")]
    if different:
        raise NotOurTable(
            f"keyspace {db.place.keyspace} at {db.place.servers}: {'; '.join(different)}; nothing was changed: "
            "name another keyspace in ASSESS_HOT_STORE"
        )
    for statement in statements():
        db.define(in_keyspace(statement, db.place.keyspace), node)
    slices = SliceTables(db)
    by_week, by_batch = slices.count()
    if by_week != by_batch:
        slices.fill_by_batch()
    # if several processes apply concurrently, the first one decides
    claim = "INSERT INTO {ks}.meta (name, value) VALUES (?, ?) IF NOT EXISTS"
    for name, value in _new_settings(shards or DEFAULT_SHARDS).items():
        db.execute(claim, (name, value))
    # last, because everything that this version needs must exist first
    if _is_older(version := _meta(db)["schema_version"]):
        raised = "UPDATE {ks}.meta SET value = ? WHERE name = 'schema_version' IF value = ?"
        db.execute(raised, (str(SCHEMA_VERSION), version))
    made = require(db)
    if shards is not None and shards != made:
        raise BadSettings(
            f"keyspace {db.place.keyspace} was made with {made} shards, not {shards}; leave --shards out, or name "
            "another keyspace in ASSESS_HOT_STORE and fold the log into it"
        )
    copies = _text(replication(db))
    return f"keyspace {db.place.keyspace}: schema version {SCHEMA_VERSION}, {counted(made, 'shard')}, copies {copies}"


def _first_node(db: Connection) -> Host:
    """The node that changes the schema: the same one for every process, so that their changes do not conflict."""
    up = [host for host in db.session.cluster.metadata.all_hosts() if host.is_up]
    if not up:
        raise StoreUnavailable(f"no node of Cassandra at {db.place.servers} is up; start one, and run again")
    return min(up, key=lambda host: str(host.endpoint))


def _make_keyspace(db: Connection, node: Host, copies: str | None) -> None:
    existing = replication(db)
    hosts = db.session.cluster.metadata.all_hosts()
    centres = sorted({host.datacenter for host in hosts})
    if existing is not None:
        wanted = _by_centre(copies, centres) if copies else existing
        if wanted != existing:
            raise BadSettings(
                f"keyspace {db.place.keyspace} has copies {_text(existing)}, not {_text(wanted)}; leave --replication "
                "out, or ALTER KEYSPACE and repair it with nodetool"
            )
        return
    if copies is None and len(hosts) > 1:
        raise BadSettings(
            f"there are {len(hosts)} nodes at {db.place.servers}: set the number of copies, e.g. "
            f"`assess schema apply --replication {centres[0]}:{min(3, len(hosts))}`"
        )
    db.define(_create_keyspace(db.place.keyspace, _by_centre(copies or "1", centres)), node)


def _by_centre(copies: str, centres: list[str]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for centre in centres:
        wanted |= _parse_copies(copies, centre)
    if unknown := wanted.keys() - set(centres):
        raise BadSettings(f"--replication: {sorted(unknown)[0]!r} is not a data centre; there are {', '.join(centres)}")
    return wanted


def _parse_copies(text: str, centre: str) -> dict[str, int]:
    """Copies by data centre; a bare number is for `centre`."""
    if not _REPLICATION.fullmatch(text):
        raise BadSettings(f"--replication: {text!r} is neither a number nor like dc1:3,dc2:2")
    if text.isdecimal():
        return {centre: int(text)}
    return {dc: int(count) for dc, _, count in (part.partition(":") for part in text.split(","))}


def _create_keyspace(keyspace: str, copies: Mapping[str, int]) -> str:
    named = "".join(", '{}': {}".format(dc.replace("'", "''"), count) for dc, count in copies.items())
    return (
        f"CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\" WITH replication = {{'class': 'NetworkTopologyStrategy'{named}}}"
    )


def _text(copies: Mapping[str, int] | None) -> str:
    return ", ".join(f"{dc}:{count}" if dc else str(count) for dc, count in (copies or {}).items())
