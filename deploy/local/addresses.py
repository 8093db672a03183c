"""The addresses of an instance: its own 127.a.b.1 to 127.a.b.3, chosen once and stored in its folder."""

import json
import os
import random
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.errors import CannotServe

NODES: Final = 3
"""The number of addresses of an instance, and the most nodes of Cassandra."""
USUAL: Final = {
    "cassandra": 7000,
    "cql": 9042,
    "jmx-1": None,
    "jmx-2": None,
    "jmx-3": None,
    "kafka": 9092,
    "controller": 9093,
    "s3": None,
    "s3-grpc": None,
    "master": None,
    "master-grpc": None,
    "volume": None,
    "volume-grpc": None,
    "filer": None,
    "filer-grpc": None,
}
"""The usual ports. An instance gets a usual port if the port is free on its own addresses, otherwise a random one.
A port without a usual number (None) is always random, because other instances would conflict: Cassandra's JMX listens
only on 127.0.0.1, and SeaweedFS's parts use /tmp/seaweedfs-*-PORT.sock."""
_OTHERS: Final = range(20_000, 32_000)  # below the ports that the system gives to clients


class Addresses(NamedTuple):
    """The addresses of an instance. On Linux all of 127/8 is loopback, so instances do not collide."""

    prefix: str
    """`127.a.b`."""
    ports: dict[str, int]
    """Name in `USUAL` -> port, the same on every address."""

    def host(self, number: int = 1) -> str:
        return f"{self.prefix}.{number}"

    def at(self, port: str, number: int = 1) -> str:
        """`127.a.b.N:PORT`."""
        return f"{self.host(number)}:{self.ports[port]}"


def addresses_of(folder: Path) -> Addresses:
    """The addresses of an instance, chosen at the first call. Raises `CannotServe`."""
    file = folder / "addresses.json"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return Addresses(stored["prefix"], stored["ports"])
    except FileNotFoundError:
        chosen = _choose()
        half = file.with_suffix(".part")
        half.write_text(json.dumps(chosen._asdict()) + "\n", encoding="utf-8")
        os.replace(half, file)
        return chosen


def _choose() -> Addresses:
    prefix = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}"  # one of 64,516
    hosts = ["127.0.0.1", *(f"{prefix}.{number}" for number in range(1, NODES + 1))]
    others = iter(random.sample(_OTHERS, 1000))
    ports: dict[str, int] = {}
    for name, usual in USUAL.items():
        if usual is not None and _free(hosts[1:], usual):
            ports[name] = usual
        elif (port := next((port for port in others if _free(hosts, port)), None)) is not None:
            ports[name] = port
        else:
            raise CannotServe(f"no port is free on {hosts[1]}: this system has only 127.0.0.1, or all ports are in use")
    return Addresses(prefix, ports)


def _free(hosts: Sequence[str], port: int) -> bool:
    for host in hosts:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignores closing connections
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
