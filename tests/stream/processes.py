"""The stream as a separate process that tests start, stop and kill."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from assess_core.settings import Settings
from tests.forked import Forked, run_forked

PATIENCE = 90.0  # seconds; usually less than one is enough, but a busy machine needs more


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process with these settings and no other `ASSESS_` variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    return {**inherited, **settings.env()}


def assess(
    settings: Settings,
    *arguments: str | bytes | Path,
    cwd: Path | None = None,
    given: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run `assess` and wait until it ends."""
    return run_forked(["-m", "assess_cli", *arguments], given, cwd=cwd, env=environment(settings))


@contextmanager
def tailing(settings: Settings, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m stream tail`. It is killed at the end if it still runs."""
    command = ["-m", "stream", "tail", *options]
    process = Forked[bytes](command, env=environment(settings), stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Send a signal to a process. Returns its exit code and its standard error."""
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors.decode()


def wait_until(condition: Callable[[], bool], explain: Callable[[], object] = str) -> None:
    """Poll until the condition holds. If it never does, the failure says what `explain` returns."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"the condition did not become true {explain()}"
        time.sleep(0.01)
