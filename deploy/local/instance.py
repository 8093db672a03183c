"""An instance: the servers whose addresses, data and logs are in one folder."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local import processes
from deploy.local.addresses import NODES, addresses_of
from deploy.local.cassandra import Cassandra
from deploy.local.errors import CannotServe
from deploy.local.interrupts import Interrupts
from deploy.local.kafka import Kafka
from deploy.local.packages import exclusively
from deploy.local.s3 import S3
from deploy.local.server import Kind, Server

NAMES: Final = ("cassandra", "kafka", "s3")
_PATIENCE: Final = 180.0
"""Seconds that a server has to answer: 2 to 6 on two idle cores, 14 for three nodes, more while tests run."""
_PATIENCE_BEFORE: Final = 10.0
"""Seconds for a server that was already running."""
_SCRIPT: Final = Path(__file__).parent / "servers"
Notify = Callable[[str], None]


class State(NamedTuple):
    """The current state of one server."""

    server: Server
    pid: int | None
    answers: bool


class Instance:
    """The servers in a folder. Move the folder only while no server runs."""

    def __init__(self, folder: Path, notify: Notify) -> None:
        self.folder, self._notify = folder.resolve(), notify

    def up(self, names: Sequence[str], nodes: int | None, parent: int | None, interrupts: Interrupts) -> dict[str, str]:
        """Start servers that do not run; returns the variables of all running servers.

        If one does not start, the servers that this call started are stopped again. With `parent` the instance stops
        when that process ends. Raises `CannotServe`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with exclusively(self.folder / "lock"):
            kinds = self._kinds(names, nodes)
            started: list[Server] = []
            try:
                if parent is not None:
                    self._watch(parent, interrupts)
                self._start(kinds, started, interrupts)
                for kind in kinds:
                    kind.settle()
            except BaseException:
                self._stop(started)
                raise
            return {name: value for kind in self._running() for name, value in kind.exports().items()}

    def down(self) -> int:
        """Stop all servers, last started first; returns the number of servers that were running."""
        if not self.folder.is_dir():
            return 0
        with exclusively(self.folder / "lock"):
            ended = self._stop([server for kind in self._all() for server in kind.servers()])
            watcher = self.folder / "watcher"
            if processes.running(watcher) != os.getpid():
                processes.stop(watcher, 1.0)
            return ended

    def states(self) -> Sequence[State]:
        """All servers of the instance, in the order of their start."""
        found = [(kind, server) for kind in self._all() for server in kind.servers()]
        pids = [processes.running(server.home) for _, server in found]
        return [
            State(server, pid, pid is not None and kind.answers(server))
            for (kind, server), pid in zip(found, pids, strict=True)
        ]

    def nodetool(self, number: int, words: Sequence[str]) -> Sequence[str]:
        """The command that runs nodetool on one Cassandra node. Raises `CannotServe`."""
        ring = Cassandra(self.folder, addresses_of(self.folder), self._nodes(), self._notify)
        for server in ring.servers():
            if server.name == f"cassandra-{number}" and processes.running(server.home):
                return ring.nodetool(server, *words)
        raise CannotServe(f"node {number} does not run in {self.folder}; `status` lists the servers")

    def _kinds(self, names: Sequence[str], nodes: int | None) -> list[Kind]:
        addresses = addresses_of(self.folder)
        there = self._nodes()
        if there and nodes not in (None, there):
            raise CannotServe(
                f"Cassandra in {self.folder} has {there} nodes, which cannot change; use another --data for {nodes}"
            )
        makers: dict[str, Callable[[], Kind]] = {
            "cassandra": lambda: Cassandra(self.folder, addresses, there or nodes or 1, self._notify),
            "kafka": lambda: Kafka(self.folder, addresses, self._notify),
            "s3": lambda: S3(self.folder, addresses, self._notify),
        }
        return [make() for name, make in makers.items() if name in names]

    def _all(self) -> list[Kind]:
        """The kinds of servers that were ever started here."""
        return self._kinds([name for name in NAMES if any(self.folder.glob(f"{name}*/pid"))], None)

    def _running(self) -> list[Kind]:
        return [kind for kind in self._all() if any(processes.running(server.home) for server in kind.servers())]

    def _nodes(self) -> int:
        return sum((self.folder / f"cassandra-{number}").is_dir() for number in range(1, NODES + 1))

    def _start(self, kinds: Sequence[Kind], started: list[Server], interrupts: Interrupts) -> None:
        for kind in kinds:
            kind.fetch()
        children: dict[str, subprocess.Popen[bytes]] = {}
        for kind in kinds:
            for server in kind.servers():
                server.home.mkdir(exist_ok=True)
            for server in kind.servers():
                if processes.running(server.home) is None:
                    command = kind.command(server)
                    with interrupts.held():
                        started.append(server)
                        children[server.name] = processes.launch(server.home, command)
                    self._notify(f"starting {server.name} at {server.address}, log {server.home / 'log'}")
        self._wait([(kind, server) for kind in kinds for server in kind.servers()], children)

    def _wait(self, waiting: list[tuple[Kind, Server]], children: "Mapping[str, subprocess.Popen[bytes]]") -> None:
        """Wait until all servers answer."""
        begun = time.monotonic()
        while waiting:
            for kind, server in waiting.copy():
                child = children.get(server.name)
                seconds = time.monotonic() - begun
                if kind.answers(server):
                    waiting.remove((kind, server))
                    if child is not None:
                        self._notify(f"{server.name} answers after {time.monotonic() - begun:.1f} s")
                elif child is not None and child.poll() is not None:
                    raise _failed(server, f"ended with exit code {child.returncode}")
                elif seconds > (patience := _PATIENCE if child is not None else _PATIENCE_BEFORE):
                    raise _failed(server, f"does not answer after {patience:.0f} s")
            time.sleep(0.05)

    def _stop(self, servers: Sequence[Server]) -> int:
        """Stop running servers, last started first, without waiting in between: a Cassandra node takes 2.5 s."""
        with ThreadPoolExecutor(NODES) as pool:
            ended = list(pool.map(lambda server: processes.stop(server.home, server.patience), reversed(servers)))
        for server, ran in zip(reversed(servers), ended, strict=True):
            for path in server.litter:
                path.unlink(missing_ok=True)
            if ran:
                self._notify(f"stopped {server.name}")
        return sum(ended)

    def _watch(self, parent: int, interrupts: Interrupts) -> None:
        """Start a daemon that stops the instance when the process ends."""
        home = self.folder / "watcher"
        home.mkdir(exist_ok=True)
        if processes.running(home) is None:
            command = [sys.executable, str(_SCRIPT), "watch", "--data", str(self.folder), str(parent), f"{home}/"]
            with interrupts.held():
                processes.launch(home, command)


def _failed(server: Server, how: str) -> CannotServe:
    log = server.home / "log"
    return CannotServe(f"{server.name} {how}; the end of its log {log}:\n{processes.tail(server.home)}")
