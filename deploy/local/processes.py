"""Daemons with a folder each: their pid is in `pid`, their output in `log`.

It uses only the standard library, so `deploy/local/servers` runs on Python 3.11 or newer before `make setup`.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.errors import CannotServe

TAIL: Final = 30
"""The number of last lines of a log that show why a server ended."""
# JAVA_TOOL_OPTIONS adds options to every Java program. AWS_... is missing, because SeaweedFS would use it
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "JAVA_TOOL_OPTIONS")


def launch(home: Path, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a daemon in its own session; its command must contain its folder, which `running` looks for."""
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=home,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            start_new_session=True,
        )
    (home / "pid").write_text(f"{process.pid}\n", encoding="ascii")
    # while a process executes its program, its command line is empty for a moment, and `running` would not recognise it
    while running(home) is None and process.poll() is None:
        time.sleep(0.001)
    return process


def running(home: Path) -> int | None:
    """The pid of a folder's daemon; None if it ended, even if another process has its pid now."""
    try:
        pid = int((home / "pid").read_text(encoding="ascii"))
        # a zombie has no command line
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if f"{home}/".encode() in words else None


def stop(home: Path, patience: float) -> bool:
    """Stop a folder's daemon; kill it after `patience` seconds. False if none was running."""
    pid = running(home)
    if pid is None:
        return False
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if running(home) != pid:  # it ended before the pidfd was open, and another process has its pid
            return False
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, None)):
            signal.pidfd_send_signal(process, number)
            signal.pidfd_send_signal(process, signal.SIGCONT)  # a stopped process handles no other signal
            if select.select([process], [], [], seconds)[0]:
                break
    except ProcessLookupError:
        pass
    finally:
        os.close(process)
    return True


def wait_for_end(pid: int) -> None:
    """Wait until a process ends that is not our child."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([process], [], [])
    finally:
        os.close(process)


def tail(home: Path) -> str:
    """The last lines of a daemon's output."""
    try:
        with (home / "log").open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 300 * TAIL))
            return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-TAIL:])
    except FileNotFoundError:
        return "(no output)"


def memory(pid: int) -> int:
    """Resident memory in bytes; 0 if the process ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(command: Sequence[str], what: str) -> None:
    """Run a program to its end. Raises `CannotServe` with the end of its output if it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        lines = "\n".join(done.stdout.decode("utf-8", "replace").splitlines()[-TAIL:])
        raise CannotServe(f"{what} failed (exit code {done.returncode}):\n{lines}")
