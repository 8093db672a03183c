"""The state of a Cassandra hot store, for `assess doctor`."""

import time
from collections.abc import Iterator
from typing import Final

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.driver import Host
from assess_core.adapters.cassandra.schema import replication
from assess_core.adapters.cassandra.slices import SliceTables
from assess_core.domain.counts import counted
from assess_core.domain.moments import iso
from assess_core.errors import BadSettings
from assess_core.ports.findings import Finding, Level

_OLDEST: Final = 5
_READS: Final = 5
_SETTINGS: Final = "SELECT value FROM system_views.settings WHERE name = ?"


def examine(db: Connection, shards: int) -> Iterator[Finding]:
    """Findings about servers, schema, replication and the durability of acknowledged writes."""
    hosts = sorted(db.session.cluster.metadata.all_hosts(), key=lambda host: str(host.endpoint))
    yield _servers(db, hosts)
    yield _schema(db, shards)
    if away := [str(host.endpoint) for host in hosts if not host.is_up]:
        yield Finding(
            Level.WARN, "hot store nodes", f"{', '.join(away)} is down", "start it; nodetool status shows more"
        )
    copies = replication(db) or {}
    yield _replication(db, copies)
    yield from _durability(db, [host for host in hosts if host.is_up], copies)


def _servers(db: Connection, hosts: list[Host]) -> Finding:
    releases = sorted({host.release_version for host in hosts if host.release_version})
    centres = sorted({host.datacenter for host in hosts})
    message = (
        f"Cassandra {', '.join(releases)} at {db.place.servers}: {counted(len(hosts), 'node')} in "
        f"{', '.join(centres)}, a read "
        f"takes {_latency(db):.1f} ms"
    )
    if any(int(release.partition(".")[0]) < _OLDEST for release in releases):
        return Finding(Level.BAD, "hot store", message, f"upgrade every node to Cassandra {_OLDEST}")
    return Finding(Level.OK, "hot store", message)


def _latency(db: Connection) -> float:
    """The shortest round trip of some reads by key, in ms."""
    taken = []
    for _ in range(_READS):
        started = time.perf_counter()
        db.execute("SELECT value FROM {ks}.meta WHERE name = ?", ("shards",))
        taken.append(time.perf_counter() - started)
    return min(taken) * 1000


def _schema(db: Connection, shards: int) -> Finding:
    meta: dict[str, str] = dict(db.execute("SELECT name, value FROM {ks}.meta"))
    slices, by_batch = SliceTables(db).count()
    message = (
        f"keyspace {db.place.keyspace}: version {meta['schema_version']} applied at {iso(int(meta['applied_at']))}, "
        f"{counted(shards, 'shard')}, {counted(slices, 'slice')}"
    )
    if by_batch < slices:
        return Finding(
            Level.BAD,
            "schema",
            f"{message}; slices_by_batch lacks {slices - by_batch:,} of them, so pages and reports of their batches "
            "miss rows: a worker of an older version wrote them",
            "stop every worker of an older version, then type `assess schema apply`",
        )
    return Finding(Level.OK, "schema", message)


def _replication(db: Connection, copies: dict[str, int]) -> Finding:
    message = ", ".join(f"{count} in {dc}" if dc else str(count) for dc, count in copies.items())
    message = f"copies: {message}; reads and writes at {db.place.consistency}"
    return Finding(Level.OK, "replication", message)


def _durability(db: Connection, hosts: list[Host], copies: dict[str, int]) -> Iterator[Finding]:
    try:
        setting = db.prepared(_SETTINGS).bind(("commitlog_sync",))
        found = [(host, db.execute_at(host, setting)) for host in hosts]
    except BadSettings as error:  # other reads worked, so the user may not read this table
        message = f"the setting commitlog_sync cannot be read: {error}"
        yield Finding(
            Level.WARN, "durability", message, f"GRANT SELECT ON system_views.settings TO {db.place.servers.user}"
        )
        return
    periodic = [str(host.endpoint) for host, rows in found if rows and rows[0][0] == "periodic"]
    if not periodic:
        yield Finding(Level.OK, "durability", "acknowledged writes are on disk")
    elif max(copies.values(), default=1) > 1:
        message = "acknowledged writes are in the memory of several nodes, and on their disks within seconds"
        yield Finding(Level.OK, "durability", message)
    else:
        yield Finding(
            Level.WARN,
            "durability",
            f"there is one copy, and {', '.join(periodic)} acknowledges before it writes to disk (commitlog_sync: "
            "periodic): if a node is killed, it loses its last acknowledged writes",
            "set commitlog_sync: batch in cassandra.yaml, or keep 3 copies on 3 nodes",
        )
