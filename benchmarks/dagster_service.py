"""Dagster as `assess up` runs it, for a benchmark or a test: on a free port, observed, and stopped at the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final, NamedTuple

from assess_assets.backfill import Dagster
from assess_cli.serve import install_dagster_home, with_dagster
from assess_cli.together import HOST, free_port
from assess_core.errors import StoreUnavailable
from assess_core.settings import Settings

_PATIENCE: Final = 180  # seconds
_SAMPLE: Final = 0.25  # seconds between two samples of the processes
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LOCATIONS: Final = "{repositoriesOrError {... on RepositoryConnection {nodes {name}}}}"
_START: Final = "mutation($sensor: SensorSelector!) {startSensor(sensorSelector: $sensor) {__typename}}"
_OURS: Final = {"repositoryName": "__repository__", "repositoryLocationName": "assessment-lakehouse"}


class Service(Dagster):
    """A running Dagster instance."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        super().__init__(f"http://{HOST}:{port}")
        self.process = process

    def wait(self, what: str, done: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Wait until the condition holds. Raises `TimeoutError`, `ChildProcessError`."""
        end = time.monotonic() + patience
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} took more than {patience:.0f} s")
            if self.process.poll() is not None:
                raise ChildProcessError(f"Dagster ended with {self.process.returncode}")
            time.sleep(0.5)

    def start_sensor(self, name: str) -> None:
        """Start a sensor, as an operator does in the UI."""
        self.ask(_START, sensor={**_OURS, "sensorName": name})

    @property
    def answers(self) -> bool:
        """Whether it has loaded our definitions."""
        try:
            return bool(self.ask(_LOCATIONS)["repositoriesOrError"].get("nodes"))
        except StoreUnavailable:
            return False


@contextmanager
def running(settings: Settings, log: Path, instance: str | None = None) -> Iterator[Service]:
    """Dagster's web server and daemon over these stores; their output goes to `log`.

    `instance`: another dagster.yaml than that of `assess up`.
    """
    folder, port = install_dagster_home(settings.home), free_port(0)
    if instance is not None:
        (folder / "dagster.yaml").write_text(instance, encoding="utf-8")
    env = with_dagster({**os.environ, **settings.env()}, folder)
    command = [sys.executable, "-P", "-m", "dagster", "dev", "-h", HOST, "-p", str(port)]
    with log.open("ab") as said:
        # its own session: processes that it leaves behind are found by the session id
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=said, start_new_session=True)
    service = Service(process, port)
    try:
        service.wait("Dagster's start", lambda: service.answers)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        kill_session(process.pid)
        process.wait()


def kill_session(session: int) -> None:
    """Send SIGKILL to every process of a session of ours."""
    for process in descendants(session):
        try:
            if os.getsid(process) == session:
                os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(session: int) -> list[int]:
    """The processes of a session, which outlives the process that began it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                found.append(int(folder.name))
        except ProcessLookupError:
            continue
    return found


class Used(NamedTuple):
    """The cost of one process."""

    command: str
    peak: int
    """Peak memory in bytes, including shared pages."""
    seconds: float
    """Processor time in seconds."""


class Watch:
    """Samples the processes of a session inside the block."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.used: dict[int, Used] = {}
        """By process id; a process that lived less than a quarter of a second may be missing."""

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE):
            for process in descendants(self._session):
                try:
                    self.used[process] = used_by(Path(f"/proc/{process}"))
                except (OSError, IndexError, KeyError):
                    continue  # it ended


def used_by(folder: Path) -> Used:
    """The cost of the process with this folder below /proc. Raises `OSError` if it ended."""
    status = dict(line.partition(":")[::2] for line in (folder / "status").read_text(encoding="utf-8").splitlines())
    fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return Used(command, int(status["VmHWM"].split()[0]) * 1024, (int(fields[11]) + int(fields[12])) / _TICKS)
