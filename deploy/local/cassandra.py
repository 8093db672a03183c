"""Cassandra: one node, or a ring of three."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Final

from deploy.local import packages
from deploy.local.addresses import Addresses
from deploy.local.errors import CannotServe
from deploy.local.server import Server

KEYSPACE: Final = "sunbird_courses"
_OPTIONS: Final = b"\x04\x00\x00\x00\x05\x00\x00\x00\x00"  # CQL version 4: an OPTIONS request
_SUPPORTED: Final = 0x06


class Cassandra:
    """The ring of an instance; the folders of the first start fix its number of nodes."""

    def __init__(self, folder: Path, addresses: Addresses, nodes: int, notify: packages.Notify) -> None:
        self._folder, self._addresses, self._nodes, self._notify = folder, addresses, nodes, notify

    def servers(self) -> Sequence[Server]:
        numbers = range(1, self._nodes + 1)
        names = [f"cassandra-{number}" for number in numbers]
        at = [self._addresses.at("cql", number) for number in numbers]
        return [Server(name, self._folder / name, address) for name, address in zip(names, at, strict=True)]

    def fetch(self) -> None:
        packages.java()
        packages.jars("cassandra", self._notify)

    def command(self, server: Server) -> Sequence[str]:
        number = _number(server)
        ports = self._addresses.ports
        values = {
            "TOKEN": -(2**63) + (number - 1) * (2**64 // self._nodes),
            "SEEDS": ",".join(self._addresses.at("cassandra", n) for n in range(1, self._nodes + 1)),
            "HOST": self._addresses.host(number),
            "STORAGE_PORT": ports["cassandra"],
            "CQL_PORT": ports["cql"],
            "DATA": server.home / "data",
        }
        template = Template((packages.CONF / "cassandra.yaml").read_text(encoding="utf-8"))
        (server.home / "cassandra.yaml").write_text(template.substitute(values), encoding="utf-8")
        lib = packages.jars("cassandra", self._notify)
        jamm = next(lib.glob("jamm-*.jar"))
        return [
            *_java(server.home),
            f"@{packages.CONF / 'cassandra.jvm'}",
            f"-javaagent:{jamm}",
            f"-Dcassandra.config=file://{server.home}/cassandra.yaml",
            f"-Dlogback.configurationFile=file://{packages.CONF}/cassandra.logback.xml",
            f"-XX:ErrorFile={server.home}/hs_err.log",
            f"-Dcassandra.jmx.local.port={ports[f'jmx-{number}']}",
            *("-cp", f"{lib}/*", "org.apache.cassandra.service.CassandraDaemon"),
        ]

    def answers(self, server: Server) -> bool:
        host, _, port = server.address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(_OPTIONS)
                reply = connection.recv(5)
        except OSError:
            return False
        return len(reply) == 5 and reply[4] == _SUPPORTED

    def settle(self) -> None:
        """Wait until every node sees all others. Before that, a quorum write fails although CQL is open."""
        if self._nodes == 1:
            return
        for server in self.servers():
            for _ in range(30):
                status = subprocess.run(self.nodetool(server, "status"), capture_output=True, text=True, check=False)
                if status.stdout.count("\nUN ") == self._nodes:
                    break
            else:
                output = f"{status.stdout}{status.stderr}"
                raise CannotServe(f"{server.name} does not see all {self._nodes} nodes up:\n{output}")
        self._notify(f"the {self._nodes} nodes see each other")

    def nodetool(self, server: Server, *words: str) -> Sequence[str]:
        """The command that runs nodetool on a node."""
        return [
            *_java(server.home),
            *("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
            f"-Dlogback.configurationFile=file://{packages.CONF}/nodetool.logback.xml",
            f"-Duser.home={server.home}",  # nodetool writes its history there
            *("-cp", f"{packages.jars('cassandra', self._notify)}/*", "org.apache.cassandra.tools.NodeTool"),
            *("-h", "127.0.0.1", "-p", str(self._addresses.ports[f"jmx-{_number(server)}"]), *words),
        ]

    def exports(self) -> dict[str, str]:
        hosts = ",".join(server.address for server in self.servers())
        return {"ASSESS_HOT_STORE": f"cassandra://{hosts}/{KEYSPACE}?dc=datacenter1"}


def _number(server: Server) -> int:
    return int(server.name.rpartition("-")[2])


def _java(home: Path) -> Sequence[str]:
    """The Java command of Cassandra's programs, which writes no file outside the node's folder."""
    return [
        packages.java(),
        f"@{packages.CONF / 'cassandra.modules'}",
        f"-Dcassandra.storagedir={home}/data",
        f"-Dcassandra.logdir={home}",
        f"-Djava.io.tmpdir={home}",
    ]
