"""Processes that run together: a signal, or the end of one process, stops all of them."""

import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from assess_core.errors import BadSettings

_TICK: Final = 0.2  # seconds between two polls of the processes
_GRACE: Final = 15.0  # seconds that a process has to stop; Dagster takes 2-3 of them
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
HOST: Final = "127.0.0.1"


class Part(NamedTuple):
    """One of the processes."""

    name: str
    command: Sequence[str]
    port: int | None = None
    """The loopback port on which it answers when it is up."""
    folder: Path | None = None
    """Its working directory; if None, the current one."""
    shown: Callable[[str], str | None] | None = None
    """Returns the text to show for a line of its output, None to hide the line. Without it every line is shown."""


class _Running:
    """A started part: its lines go to `notify` with its name before them."""

    def __init__(self, part: Part, env: Mapping[str, str], notify: Callable[[str], None], width: int) -> None:
        self.part = part
        self._notify = notify
        self._prefix = f"{part.name:<{width}} | "
        self._rest = b""  # the beginning of a line whose end has not arrived
        self._interrupted: InterruptedLines | None = None
        parent = os.getpid()
        # its own session: Ctrl-C on a terminal reaches only us, and we stop the parts in order
        self.process = subprocess.Popen(
            part.command,
            env=env,
            cwd=part.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 nothing here runs threads
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        os.set_blocking(self.output.fileno(), False)

    def forward(self) -> bool:
        """Show the lines that have arrived; False at the end of the output."""
        try:
            chunk = os.read(self.output.fileno(), 65536)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk and self._rest:
            lines, self._rest = [self._rest], b""
        for line in lines:
            text: str | None = line.decode(errors="replace").rstrip("\r")
            if self.part.shown is not None:
                text = self.part.shown(text or "")
            if text is not None and self._interrupted is not None:
                text = self._interrupted(text)
            if text is not None:
                self._notify(self._prefix + text)
        return bool(chunk)

    def interrupt(self) -> None:
        """Ask the process to stop, as Ctrl-C does."""
        self._interrupted = InterruptedLines()
        self.signal(signal.SIGINT)

    def signal(self, number: int) -> None:
        """Send a signal to the process; SIGKILL also goes to its children."""
        try:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except ProcessLookupError:
            pass


class InterruptedLines:
    """Hides the stack trace that Python prints when Ctrl-C meets a program that is still starting.

    The last line of a trace, which names the error, is shown unless it is `KeyboardInterrupt`.
    """

    def __init__(self) -> None:
        self._within = False

    def __call__(self, line: str) -> str | None:
        """The line as it is shown, or None."""
        begins = line.startswith(("Traceback (most recent call last)", "During handling", "The above exception"))
        self._within = self._within or begins
        if not self._within:
            return line
        if begins or not line or line.startswith(" "):
            return None
        self._within = False
        return None if line == "KeyboardInterrupt" else line


def run_together(
    parts: Sequence[Part], env: Mapping[str, str], notify: Callable[[str], None], last: Part | None = None
) -> int:
    """Start the parts, show their lines, and stop all in reverse order on SIGINT, SIGTERM or when one ends.

    `last` starts when all ports answer, and may end. Returns the exit code: 0 after a signal, otherwise that of the
    part that ended (1 if it has none). A second signal kills the parts. On Linux they also stop if we are killed.
    """
    width = max(len(part.name) for part in parts)
    with _signals() as asked, selectors.DefaultSelector() as selector:
        running: list[_Running] = []

        def start(part: Part) -> None:
            running.append(_Running(part, env, notify, width))
            selector.register(running[-1].output, selectors.EVENT_READ, running[-1])

        try:
            for part in parts:
                start(part)
            return _watch(running, selector, asked, notify, None if last is None else lambda: start(last))
        finally:
            for one in reversed(running):
                _stop(one, selector, asked)
            for one in running:
                one.output.close()


def free_port(wanted: int) -> int:
    """This port if it is free, otherwise any free one. Raises `BadSettings`."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # servers set this too: a port whose last connections are closing counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            bound: int = probe.getsockname()[1]
            return bound
    raise BadSettings(f"no port of {HOST} is free; stop programs that listen there")


def _watch(
    running: Sequence[_Running],
    selector: selectors.BaseSelector,
    asked: list[int],
    notify: Callable[[str], None],
    start_last: Callable[[], None] | None,
) -> int:
    required = list(running)
    waiting = [one.part.port for one in required if one.part.port is not None]
    while not asked:
        _forward(selector)
        for one in required:
            if (code := one.process.poll()) is not None:
                notify(f"assess: {one.part.name} ended ({_how(code)}; see its lines above); stopping the others")
                return code if code > 0 else 1
        if waiting:
            waiting = [port for port in waiting if not _answers(port)]
            if not waiting:
                notify("assess: everything is up; Ctrl-C stops it")
                if start_last is not None:
                    start_last()
    notify("assess: stopping")
    return 0


def _forward(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(_TICK):
        if not key.data.forward():
            selector.unregister(key.fileobj)


def _stop(one: _Running, selector: selectors.BaseSelector, asked: list[int]) -> None:
    one.interrupt()
    deadline = time.monotonic() + _GRACE
    while one.process.poll() is None and time.monotonic() < deadline and len(asked) < 2:
        _forward(selector)
    one.signal(signal.SIGKILL)  # also its children, if it left some
    one.process.wait()
    _forward(selector)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of ending the process."""
    asked: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        asked.append(number)

    kept = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _die_with(parent: int) -> None:
    """In the child: get SIGTERM when the parent ends, also when it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
