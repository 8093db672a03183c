"""An instance: the servers that have their addresses, data and logs in one folder."""

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
"""Seconds for a server to answer: 2 to 6 on two idle cores, three nodes 14, and everything beside full tests."""
_PATIENCE_BEFORE: Final = 10.0
"""Seconds for one that ran already."""
_SCRIPT: Final = Path(__file__).parent / "servers"
Notify = Callable[[str], None]


class State(NamedTuple):
    """One server as it is now."""

    server: Server
    pid: int | None
    answers: bool


class Instance:
    """The servers in a folder, which may be moved only while none of them runs."""

    def __init__(self, folder: Path, notify: Notify) -> None:
        self.folder, self._say = folder.resolve(), notify

    def up(self, names: Sequence[str], nodes: int | None, parent: int | None, interrupts: Interrupts) -> dict[str, str]:
        """Start what does not run, and say by which variables all that runs here is reached.

        When one of them does not start, those that this call started are stopped again. With `parent` the instance ends
        when that process does, however it ends. Raises `CannotServe`.
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
        """Stop all servers, last started first, and say how many ran."""
        if not self.folder.is_dir():
            return 0
        with exclusively(self.folder / "lock"):
            ended = self._stop([server for kind in self._all() for server in kind.servers()])
            watcher = self.folder / "watcher"
            if processes.running(watcher) != os.getpid():
                processes.stop(watcher, 1.0)
            return ended

    def states(self) -> Sequence[State]:
        """All servers that the instance has, in the order in which they start."""
        found = [(kind, server) for kind in self._all() for server in kind.servers()]
        pids = [processes.running(server.home) for _, server in found]
        return [
            State(server, pid, pid is not None and kind.answers(server))
            for (kind, server), pid in zip(found, pids, strict=True)
        ]

    def nodetool(self, number: int, words: Sequence[str]) -> Sequence[str]:
        """The command that asks one Cassandra node. Raises `CannotServe`."""
        ring = Cassandra(self.folder, addresses_of(self.folder), self._nodes(), self._say)
        for server in ring.servers():
            if server.name == f"cassandra-{number}" and processes.running(server.home):
                return ring.nodetool(server, *words)
        raise CannotServe(f"there is no node {number} running in {self.folder}; `status` lists what is there")

    def _kinds(self, names: Sequence[str], nodes: int | None) -> list[Kind]:
        addresses = addresses_of(self.folder)
        there = self._nodes()
        if there and nodes not in (None, there):
            raise CannotServe(
                f"Cassandra in {self.folder} has {there} nodes for good; give --data a folder of its own for {nodes}"
            )
        makers: dict[str, Callable[[], Kind]] = {
            "cassandra": lambda: Cassandra(self.folder, addresses, there or nodes or 1, self._say),
            "kafka": lambda: Kafka(self.folder, addresses, self._say),
            "s3": lambda: S3(self.folder, addresses, self._say),
        }
        return [make() for name, make in makers.items() if name in names]

    def _all(self) -> list[Kind]:
        """The kinds of servers that were started here at some time."""
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
                    self._say(f"starting {server.name} at {server.address}, log {server.home / 'log'}")
        self._wait([(kind, server) for kind in kinds for server in kind.servers()], children)

    def _wait(self, waiting: list[tuple[Kind, Server]], children: "Mapping[str, subprocess.Popen[bytes]]") -> None:
        """Until all of them answer; one that ran before this call has done so already."""
        begun = time.monotonic()
        while waiting:
            for kind, server in waiting.copy():
                child = children.get(server.name)
                seconds = time.monotonic() - begun
                if kind.answers(server):
                    waiting.remove((kind, server))
                    if child is not None:
                        self._say(f"{server.name} answers after {time.monotonic() - begun:.1f} s")
                elif child is not None and child.poll() is not None:
                    raise _failed(server, f"ended with exit code {child.returncode}")
                elif seconds > (patience := _PATIENCE if child is not None else _PATIENCE_BEFORE):
                    raise _failed(server, f"does not answer after {patience:.0f} s")
            time.sleep(0.05)

    def _stop(self, servers: Sequence[Server]) -> int:
        """Stop those that run, last first: the nodes of a ring at once, each takes 2.5 s."""
        with ThreadPoolExecutor(NODES) as pool:
            ended = list(pool.map(lambda server: processes.stop(server.home, server.patience), reversed(servers)))
        for server, ran in zip(reversed(servers), ended, strict=True):
            for path in server.litter:
                path.unlink(missing_ok=True)
            if ran:
                self._say(f"stopped {server.name}")
        return sum(ended)

    def _watch(self, parent: int, interrupts: Interrupts) -> None:
        """Start a daemon that takes the instance down when the process has ended."""
        home = self.folder / "watcher"
        home.mkdir(exist_ok=True)
        if processes.running(home) is None:
            command = [sys.executable, str(_SCRIPT), "watch", "--data", str(self.folder), str(parent), f"{home}/"]
            with interrupts.held():
                processes.launch(home, command)


def _failed(server: Server, how: str) -> CannotServe:
    log = server.home / "log"
    return CannotServe(f"{server.name} {how}; the end of its log {log}:\n{processes.tail(server.home)}")
