"""`python -m tests.race --seconds 30`: clients write and read by HTTP while slices are archived, verified and cleared.

Two API processes and the stream run. One of the API processes is killed with SIGKILL in the middle, and started again.
An attempt that a client has read once must be in every later answer. In the end, every acknowledged attempt must be
readable, and the balance with the log must be even. `--stores servers` starts Cassandra, Kafka and S3 for the run.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import click
import httpx

from assess_core.settings import Settings
from assess_core.usecases.balance import balance
from assess_core.wiring import open_ledger, open_stores
from tests.api.client import WITHOUT_TLS, api
from tests.api.writes import ATTEMPT_READ, STATE, item, request_body
from tests.forked import Forked
from tests.loop import put_away
from tests.servers import instance

_BATCHES: Final = 4
_TIMEOUT: Final = 30.0
_FOLDED_WITHIN: Final = 120.0
"""Seconds for the stream, at its start and after the last write."""


class Outcome(NamedTuple):
    """What happened."""

    acknowledged: int
    reads: int
    cleared: int
    """Rows deleted from the hot store while clients wrote and read."""
    kills: int
    problems: list[str]


class _Race:
    """What the threads of a run share."""

    def __init__(self, servers: int) -> None:
        self.addresses = [""] * servers
        self.ended = threading.Event()
        self.acknowledged: dict[str, set[str]] = defaultdict(set)
        """Learner -> its acknowledged attempts."""
        self.seen: dict[str, set[str]] = defaultdict(set)
        """Learner -> attempts that an answer had."""
        self.reads = 0
        self.problems: list[str] = []
        self._lock = threading.Lock()

    def client(self, number: int, seed: int, pause: float) -> None:
        """Writes attempts of its own learner and reads those of any, until the end. It pauses after each request."""
        chance, own, written = random.Random(seed * 1000 + number), f"u{number}", 0
        with httpx.Client(verify=WITHOUT_TLS, trust_env=False, timeout=_TIMEOUT) as http:
            while not self.ended.wait(pause):
                try:
                    if chance.random() < 0.5:
                        self._write(http, chance, own, f"t{written}")
                        written += 1
                    else:
                        self.read(http, chance.choice(self.addresses), chance.choice([own, *self.acknowledged]))
                except httpx.TransportError:
                    time.sleep(0.05)  # a server was killed; what it did not acknowledge does not count
                except Exception as error:  # noqa: BLE001 a thread must not end silently
                    self.problems.append(f"{type(error).__name__}: {error}")
                    return

    def _write(self, http: httpx.Client, chance: random.Random, learner: str, attempt: str) -> None:
        sent = item(userId=learner, attemptId=attempt, batchId=batch_of(learner))
        answer = http.patch(f"{chance.choice(self.addresses)}{STATE}", json=request_body(assessments=[sent]))
        if answer.status_code == 200:
            with self._lock:
                self.acknowledged[learner].add(attempt)
        elif answer.status_code not in (429, 503):
            self.problems.append(f"a write was answered with {answer.status_code}: {answer.text[:300]}")

    def read(self, http: httpx.Client, address: str, learner: str) -> set[str]:
        """The attempts of a learner. One that was seen before and is missing is a problem."""
        with self._lock:
            before = set(self.seen[learner])
        asked = {"userId": learner, "contentId": "do_789", "collectionId": "do_123", "contextId": batch_of(learner)}
        answer = http.post(f"{address}{ATTEMPT_READ}", json=request_body(**asked))
        if answer.status_code != 200:
            if answer.status_code not in (429, 503):
                self.problems.append(f"a read was answered with {answer.status_code}: {answer.text[:300]}")
            return before
        found = {attempt["attemptId"] for attempt in answer.json()["result"]["assessments"]}
        if lost := before - found:
            self.problems.append(f"{learner}: {sorted(lost)[:5]} were read before, and are missing now")
        with self._lock:
            self.reads += 1
            self.seen[learner] |= found
        return found


def batch_of(learner: str) -> str:
    """The batch of a learner."""
    return f"b{int(learner[1:]) % _BATCHES}"


def run(
    home: Path,
    seconds: float,
    clients: int = 64,
    seed: int = 0,
    pause: float = 0,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Let the clients race for some seconds, then compare what was acknowledged with what can be read.

    `env` names the stores; without it, they are embedded below `home`.
    """
    settings = Settings.from_env(env, str(home))
    stores, race, cleared, kills = open_stores(settings), _Race(2), 0, 0
    with ExitStack() as stack, ExitStack() as second:
        race.addresses[0] = _address(stack.enter_context(api(home, open_files=None, **env))[1])
        killed, http = second.enter_context(api(home, open_files=None, **env))
        race.addresses[1] = _address(http)
        stack.enter_context(_stream(home, env))
        threads = [threading.Thread(target=race.client, args=(number, seed, pause)) for number in range(clients)]
        for thread in threads:
            thread.start()
        try:
            _wait_for(lambda: bool(stores.hot.slices()))  # the stream needs some seconds to start
            until = time.monotonic() + seconds
            while (time.monotonic() < until or not kills) and not race.problems:
                cleared += put_away(stores)
                time.sleep(pause)
                if not kills and time.monotonic() > until - seconds / 2:
                    kills += 1
                    killed.send_signal(signal.SIGKILL)
                    second.close()
                    race.addresses[1] = _address(stack.enter_context(api(home, open_files=None, **env))[1])
        finally:
            race.ended.set()
            for thread in threads:
                thread.join()
        _compare(race, settings, stores)
    acknowledged = sum(map(len, race.acknowledged.values()))
    return Outcome(acknowledged, race.reads, cleared, kills, race.problems)


def _compare(race: _Race, settings: Settings, stores: Any) -> None:
    """Wait for the stream, then read everything by HTTP and draw up the balance with the log."""
    if not _wait_for(lambda: stores.log.unread() is None):
        race.problems.append("the stream did not fold everything in time")
        return
    put_away(stores)
    with httpx.Client(verify=WITHOUT_TLS, trust_env=False, timeout=_TIMEOUT) as http:
        for learner, attempts in list(race.acknowledged.items()):
            if lost := attempts - race.read(http, race.addresses[0], learner):
                race.problems.append(f"{learner}: {sorted(lost)[:5]} were acknowledged, and cannot be read")
    with open_ledger() as ledger:
        found = balance(stores, ledger, against_log=True)
        if not found.balanced:
            race.problems.append(f"the balance is not even: {found.total}")


def _wait_for(condition: Callable[[], bool]) -> bool:
    """Whether a condition became true in time."""
    until = time.monotonic() + _FOLDED_WITHIN
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def _stream(home: Path, env: Mapping[str, str]) -> Iterator[None]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    command = ["-m", "stream", "tail"]
    process = Forked[bytes](command, env={**clean, "ASSESS_HOME": str(home), **env}, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _address(http: httpx.Client) -> str:
    return str(http.base_url).rstrip("/")


@contextmanager
def _servers(folder: Path) -> Iterator[Mapping[str, str]]:
    """Cassandra, Kafka and S3 of this run alone, with a keyspace; gives the variables that name them."""
    with instance(folder, "cassandra", "kafka", "s3") as own:
        os.environ |= own.env  # the lake reads the keys of S3 from the environment
        subprocess.run([sys.executable, "-m", "assess_cli", "schema", "apply"], check=True, stdout=subprocess.DEVNULL)
        yield own.env


@click.command()
@click.option("--seconds", default=30.0, show_default=True)
@click.option("--clients", default=64, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--stores", default="embedded", show_default=True, type=click.Choice(["embedded", "servers"]))
def main(seconds: float, clients: int, seed: int, stores: str) -> None:
    """Print what happened; exit code 1 if an acknowledged attempt was lost."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end too
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assess-race-")))
        env = stack.enter_context(_servers(folder / "servers")) if stores == "servers" else {}
        found = run(folder / "home", seconds, clients, seed, env=env)
    click.echo(
        f"{clients} clients, {seconds:g} s, {stores}: {found.acknowledged:,} attempts acknowledged, "
        f"{found.reads:,} reads, {found.cleared:,} rows cleared meanwhile, {found.kills} kills"
    )
    for problem in found.problems[:20]:
        click.echo(problem, err=True)
    sys.exit(1 if found.problems or not found.cleared else 0)


if __name__ == "__main__":
    main()
