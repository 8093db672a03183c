"""Processes that live and die together: one signal stops all of them, and so does the end of any one."""

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

_TICK: Final = 0.2  # seconds between two looks at the processes
_PATIENCE: Final = 15.0  # seconds that a process has to stop; Dagster takes 2-3 of them
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
HOST: Final = "127.0.0.1"


class Part(NamedTuple):
    """One of the processes."""

    name: str
    command: Sequence[str]
    port: int | None = None
    """Where it answers on the loopback interface once it is up."""
    folder: Path | None = None
    """Where it runs; None is where we do."""


class _Running:
    """A started part: its lines go to `say` with its name before them."""

    def __init__(self, part: Part, env: Mapping[str, str], notify: Callable[[str], None], width: int) -> None:
        self.part = part
        self._say = notify
        self._prefix = f"{part.name:<{width}} | "
        self._cut = b""  # the beginning of a line that is not over
        parent = os.getpid()
        # its own session, so that Ctrl-C on a terminal reaches us alone and we stop them in order
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
        """Pass on what it said; False at its end."""
        try:
            chunk = os.read(self.output.fileno(), 65536)
        except BlockingIOError:
            return True
        *lines, self._cut = (self._cut + chunk).split(b"\n")
        if not chunk and self._cut:
            lines, self._cut = [self._cut], b""
        for line in lines:
            self._say(self._prefix + line.decode(errors="replace").rstrip("\r"))
        return bool(chunk)

    def signal(self, number: int) -> None:
        """Send a signal to the process, or with SIGKILL to all that it started too."""
        try:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        except ProcessLookupError:
            pass


def run_together(parts: Sequence[Part], env: Mapping[str, str], notify: Callable[[str], None]) -> int:
    """Start the parts, pass their lines on, and stop all in reverse order on SIGINT, SIGTERM or when one ends.

    Returns the exit code: 0 when a signal asked for the end, else that of the part that ended (1 where it has none).
    They do not outlive us either when we are killed (Linux). A second signal kills what is still there.
    """
    width = max(len(part.name) for part in parts)
    with _signals() as asked, selectors.DefaultSelector() as selector:
        running: list[_Running] = []
        try:
            for part in parts:
                running.append(_Running(part, env, notify, width))
                selector.register(running[-1].output, selectors.EVENT_READ, running[-1])
            return _watch(running, selector, asked, notify)
        finally:
            for one in reversed(running):
                _stop(one, selector, asked)
            for one in running:
                one.output.close()


def free_port(wanted: int) -> int:
    """This port where nobody listens there, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            # as servers do: a port whose last connections are still closing is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            bound: int = probe.getsockname()[1]
            return bound
    raise OSError(f"no port of {HOST} is free; close what holds them")


def _watch(
    running: list[_Running], selector: selectors.BaseSelector, asked: list[int], notify: Callable[[str], None]
) -> int:
    waiting = [one.part.port for one in running if one.part.port is not None]
    while not asked:
        _forward(selector)
        for one in running:
            if (code := one.process.poll()) is not None:
                notify(
                    f"assess: {one.part.name} ended by itself ({_how(code)}; see its lines above); stopping the rest"
                )
                return code if code > 0 else 1
        if waiting:
            waiting = [port for port in waiting if not _answers(port)]
            if not waiting:
                notify("assess: everything is up; Ctrl-C stops it")
    notify("assess: stopping")
    return 0


def _forward(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(_TICK):
        if not key.data.forward():
            selector.unregister(key.fileobj)


def _stop(one: _Running, selector: selectors.BaseSelector, asked: list[int]) -> None:
    one.signal(signal.SIGINT)
    deadline = time.monotonic() + _PATIENCE
    while one.process.poll() is None and time.monotonic() < deadline and len(asked) < 2:
        _forward(selector)
    one.signal(signal.SIGKILL)  # what it started and did not stop itself, too
    one.process.wait()
    _forward(selector)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects the signals that ask for the end, in place of what they do otherwise."""
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
    """In the child: be told to stop when the parent ends, however it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
