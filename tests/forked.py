"""Processes of the product for tests, forked from a process that has imported everything.

The imports of a command take a second of processor time, a fork takes some milliseconds. Apart from that, a forked
process is like one that was started: it has its own arguments, environment, folder, files, signals and exit code. A
test starts Python itself if it is about imports, limits of resources, or what /proc says about the process.
"""

import atexit
import gc
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, AnyStr, Final, NamedTuple, NoReturn

ROOT: Final = Path(__file__).parents[1]
PATIENCE: Final = 120.0  # seconds
_LARGEST: Final = 1 << 17  # bytes of the arguments and the environment of a process
_PROGRAMS: Final = ("assess_cli", "stream.__main__", "graphql_api.__main__")
_LATE: Final = (
    *("assess_core.adapters.files.intake", "assess_core.adapters.duckdb.union", "assess_core.adapters.duckdb.pages"),
    *("assess_core.adapters.lake.copies", "assess_core.adapters.lake.rewriting", "assess_core.adapters.sqlite.batches"),
    *("tests.loop", "assess_core.usecases.queries", "pyarrow.dataset", "pyarrow.json", "rich.progress", "tenacity"),
)
"""Modules that commands import only when they run."""


class Forked(subprocess.Popen[AnyStr]):
    """A process that runs `-m MODULE ...` or `-c CODE ...`, the words after `python`; all else is as with `Popen`."""

    _status: socket.socket

    def _execute_child(
        self, args: Sequence[str | bytes | Path], executable: None, preexec_fn: None, close_fds: bool, pass_fds: object,
        cwd: str | Path | None, env: Mapping[str, str] | None, startupinfo: None, creationflags: int, shell: bool,
        *pipes: Any,
    ) -> None:  # fmt: skip
        words = list(map(os.fsdecode, args))
        request = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(os.environ if env is None else env)}
        given = (pipes[0], pipes[3], pipes[5])  # standard input, output and error; -1: the one of this process
        files: list[int] = [number if file == -1 else file for number, file in enumerate(given)]
        self._status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(_forking().requests, [json.dumps(request).encode()], [*files, theirs.fileno()])
            self.pid = int(self._status.recv(64))
        finally:
            self._close_pipe_fds(*pipes[:6])  # type: ignore[attr-defined]

    def _internal_poll(self, **_: object) -> int | None:
        with suppress(BlockingIOError):
            self._hear(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        try:
            return self._hear(timeout)
        except (TimeoutError, BlockingIOError):
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None

    def _hear(self, timeout: float | None) -> int:
        """The exit code, which the forking process sends."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            self.returncode = int(self._status.recv(64))
            self._status.close()
        return self.returncode


def run_forked(
    words: Sequence[str | bytes | Path], given: Any = None, **options: Any
) -> "subprocess.CompletedProcess[Any]":
    """`subprocess.run` for a forked process, with its output. `given` is its standard input."""
    pipe = subprocess.PIPE
    with Forked[Any](words, stdin=pipe, stdout=pipe, stderr=pipe, **options) as process:
        try:
            printed, errors = process.communicate(given, timeout=PATIENCE)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, printed, errors)


class _Forking(NamedTuple):
    """The forking process of this worker. It ends when the connection is closed."""

    process: "subprocess.Popen[bytes]"
    requests: socket.socket

    def end(self) -> None:
        self.requests.shutdown(socket.SHUT_RDWR)  # processes that a test forked may hold the connection open
        self.requests.close()
        self.process.wait(PATIENCE)


@cache
def _forking() -> _Forking:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    words = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(words, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    forking = _Forking(process, ours)
    atexit.register(forking.end)
    return forking


# --- in the forking process ---


def _fork(requests: socket.socket) -> Sequence[str]:
    """Fork for each request, and send the pid and later the exit code. Returns the words in each new process only."""
    children: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready in select.select([requests.fileno(), *children], [], [])[0]:
            if ready not in children:
                request, files, _, _ = socket.recv_fds(requests, _LARGEST, 4)
                if not request:
                    os._exit(0)
                if (pid := os.fork()) == 0:
                    requests.close()
                    return _become(files, **json.loads(request))
                for file in files[:3]:
                    os.close(file)
                status = socket.socket(fileno=files[3])
                status.send(b"%d" % pid)
                children[os.pidfd_open(pid)] = pid, status
            else:
                pid, status = children.pop(ready)
                os.close(ready)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with status, suppress(OSError):  # the test may have ended
                    status.send(b"%d" % code)


def _become(files: Sequence[int], words: Sequence[str], cwd: str, env: Mapping[str, str]) -> Sequence[str]:
    """Take files, folder and environment of the request."""
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    for file in files:
        os.close(file)
    # Python's own streams depend on the kind of the file: only some can be sought, a terminal has short buffers
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    tempfile.tempdir = None
    return words


def _run(words: Sequence[str]) -> int:
    """Run a module or code as Python does. Returns the exit code."""
    option, what, *arguments = words
    sys.argv[:] = [option, *arguments]
    try:
        if option == "-m":
            for name in (what, "stream"):  # `assess ingest` runs the stream
                sys.modules.pop(f"{name}.__main__", None)  # Python warns if it is there already
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            sys.modules["__main__"] = module = ModuleType("__main__")
            exec(compile(what, "<string>", "exec"), vars(module))
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 Python prints all others too
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> NoReturn:
    """End as Python does, but without destructors of drivers: they would wait for threads of the forking process."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 ends executors, and waits for threads
    atexit._run_exitfuncs()  # noqa: SLF001 nothing else runs them before `os._exit`
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for name in (*_PROGRAMS, *_LATE):
        import_module(name)
    from assess_cli import COMMANDS

    for name, _ in COMMANDS.values():
        import_module(f"assess_cli.{name}")
    gc.freeze()  # a garbage collection in a child would otherwise copy every page
    _end(_run(_fork(socket.socket(fileno=int(sys.argv[1])))))
