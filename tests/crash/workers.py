"""Workers: processes that run commands of the product, forked from a process that has imported everything.

A command then costs milliseconds instead of a second of imports. The forking process must not use DuckDB, Delta or the
driver of a server itself, because a child does not inherit threads.
"""

import ctypes
import gc
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

import stream.__main__
from assess_cli import COMMANDS, main
from assess_core.errors import AssessError
from assess_core.settings import Settings
from assess_core.wiring import open_queries
from tests.crash.watch import Link, watch
from tests.loop import pages

_LATE: Final = (
    *("assess_core.adapters.files.intake", "assess_core.adapters.duckdb.union", "assess_core.adapters.duckdb.pages"),
    *("assess_core.adapters.lake.copies", "assess_core.adapters.lake.rewriting", "assess_core.adapters.sqlite.batches"),
    *("assess_core.usecases.queries", "pyarrow.dataset", "pyarrow.json", "rich.progress", "tenacity"),
    *("rich._emoji_codes", "dateutil.relativedelta", "zoneinfo"),
    *sorted({f"assess_cli.{module}" for module, _ in COMMANDS.values()}),
)
"""Modules that commands import only when they run."""

for _module in _LATE:
    import_module(_module)
gc.freeze()  # a garbage collection in a child would otherwise copy every page

PATIENCE: Final = 180.0
"""A worker that sends no message for this many seconds counts as hanging."""
_PARENT_DIED: Final = 1  # PR_SET_PDEATHSIG
_END: Final = "\x1e\n"
"""Printed after each command."""
_OURS: Final = 70
"""The exit code after an uncaught exception, which no command of the product may raise."""


class Hangs(Exception):
    """A worker stopped sending messages."""


class Worker:
    """A process that runs commands in sequence until one fails."""

    def __init__(
        self, number: int, name: str, commands: Sequence[Sequence[str]], folder: Path, env: Mapping[str, str],
        turns: bool = False, effects: int | None = None,
    ) -> None:  # fmt: skip
        self.number, self.name, self.commands = number, name, commands
        self.out = folder / f"{number:02}-{name}.out"
        self.err = folder / f"{number:02}-{name}.err"
        self.temporary = folder / f"{number:02}-{name}.tmp"
        self.temporary.mkdir(parents=True)
        self.boundaries = self.writes = 0
        """The number of boundaries at which the worker waited, and the number of writes among them."""
        self.acknowledged: dict[str, int] = {}
        self.code: int | None = None
        """The exit code, negative for a signal. None while the worker runs."""
        messages, turn = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(messages[0])
            os.close(turn[1])
            self._work(Link(messages[1], turn[0] if turns else None), env, effects)
        os.close(messages[1])
        os.close(turn[0])
        self._messages, self._turn = messages[0], turn[1]
        self._unread = b""

    # --- in the driver ---

    @property
    def ended(self) -> bool:
        return self.code is not None

    @property
    def killed(self) -> bool:
        return self.code in (-signal.SIGKILL, -signal.SIGTERM)

    def fileno(self) -> int:
        return self._messages

    def hear(self, patience: float = PATIENCE) -> bool:
        """Read messages until the worker waits at a boundary or has ended. Returns False after `patience` seconds."""
        until = time.monotonic() + patience
        while not self.ended:
            while b"\n" in self._unread:
                word, self._unread = self._unread.split(b"\n", 1)
                if word in (b"turn", b"write"):
                    self.boundaries += 1
                    self.writes += word == b"write"
                    return True
                self.acknowledged |= json.loads(word)
            ready, _, _ = select.select([self], [], [], max(until - time.monotonic(), 0))
            if not ready:
                return False
            if more := os.read(self._messages, 65536):
                self._unread += more
            else:
                self._reap()
        return True

    def go(self, boundaries: int, write: int | None = None) -> None:
        """Let a waiting worker continue for some boundaries, until its end or the given write. Raises `Hangs`."""
        for _ in range(boundaries):
            if self.ended or self.writes == write:
                return
            self._next(b"1")

    def finish(self) -> None:
        """Let the worker run to its end without turns. Raises `Hangs`."""
        while not self.ended:
            self._next(b"0")

    def _next(self, turn: bytes) -> None:
        with suppress(BrokenPipeError):  # the worker was killed, or takes no turns and has just ended
            os.write(self._turn, turn)
        if not self.hear():
            raise Hangs(f"{self} sent no message for {PATIENCE:g} s")

    def worked(self) -> float:
        """The used processor seconds, or 0 if the worker has ended."""
        return 0.0 if self.ended else time.clock_gettime(~self.pid << 3 | 2)  # the processor clock of another process

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal. After SIGKILL, wait until the process has ended."""
        if not self.ended:
            os.kill(self.pid, number)
        if number == signal.SIGKILL:
            while not self.ended:  # messages that it sent before the kill count
                self.hear()

    def _reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        os.close(self._messages)
        os.close(self._turn)

    def printed(self) -> list[str]:
        """The output of each command. The last one can be incomplete."""
        return self.out.read_text("utf-8").split(_END)[: len(self.commands)]

    def errors(self) -> str:
        """The standard error of the worker."""
        return self.err.read_text("utf-8", "replace") if self.err.exists() else ""

    def __str__(self) -> str:
        words = " && ".join(" ".join(words) for words in self.commands)
        state = "runs" if self.code is None else "was killed" if self.killed else f"exited with {self.code}"
        return f"worker {self.number} ({words}), which {state}"

    # --- in the process itself ---

    def _work(self, link: Link, env: Mapping[str, str], effects: int | None) -> NoReturn:
        code = _OURS
        try:
            ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
            for path, descriptor in ((self.out, 1), (self.err, 2)):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
            os.environ |= {**env, "TMPDIR": str(self.temporary)}
            tempfile.tempdir = None
            watch(link, effects)
            code = next(filter(None, map(_run, self.commands)), 0)
        except BaseException:  # noqa: BLE001 a forked process must not return to the code of the driver
            traceback.print_exc()
            code = _OURS
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _run(words: Sequence[str]) -> int:
    """Run a command as if it were its own process. Returns the exit code."""
    program = _PROGRAMS[words[0]]
    sys.argv = list(words)
    try:
        program()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    finally:
        print(_END, end="")
    return 0


def _attempts() -> None:
    """Print the attempts of a learner, read page by page as in the API."""
    ask = open_queries(Settings.from_env(os.environ))
    try:
        for attempt in (attempt for page in pages(ask, 2, user_id=sys.argv[1]) for attempt in page):
            answers = [answer.id for answer in attempt.answers]
            shown = attempt.last_attempted_on, attempt.grand_total, answers, attempt.updated_on
            print(json.dumps([attempt.key, *shown]))
    except AssessError as error:
        print(f"assess: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


_PROGRAMS: Final[Mapping[str, Callable[[], object]]] = {
    "assess": main,
    "stream": stream.__main__.main,
    "attempts": _attempts,
}


def in_a_child(work: Callable[[], object]) -> None:
    """Run work that needs drivers in a separate process. Raises `Hangs` if it fails."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 a forked process must not return to the code of the driver
            traceback.print_exc()
            os._exit(_OURS)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise Hangs("the stores could not be prepared")
