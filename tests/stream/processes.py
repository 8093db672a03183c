"""The stream as a process of its own, as people start, stop and kill it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from assess_core.settings import Settings

PATIENCE = 90.0  # seconds; what is waited for takes some tenths of one, and more where a machine is shared


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process: the settings, and no other variable of ours."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSESS_")}
    return {**inherited, **settings.env()}


def assess(
    settings: Settings,
    *arguments: str | bytes | Path,
    cwd: Path | None = None,
    given: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run `assess` and wait until it ends."""
    command: Sequence[str | bytes | Path] = [sys.executable, "-m", "assess_cli", *arguments]
    return subprocess.run(
        command, cwd=cwd, input=given, env=environment(settings), capture_output=True, timeout=PATIENCE, check=False
    )


@contextmanager
def tailing(settings: Settings, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m stream tail`; killed at the end if it still runs."""
    command = [sys.executable, "-m", "stream", "tail", *options]
    process = subprocess.Popen(command, env=environment(settings), stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Ask a process to end; returns its exit code and its output."""
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, said.decode()


def wait_until(true: Callable[[], bool]) -> None:
    """Check repeatedly until it is true."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, "it did not become true"
        time.sleep(0.01)
