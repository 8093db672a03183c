"""Processes that run together and end together, tested with small ones of our own."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import psutil
import pytest

from assess_cli.together import HOST, free_port

LASTING = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)"
SHORT = "import sys; print('no room left', flush=True); sys.exit({code})"
STUBBORN = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {LASTING}"
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {child!r}])
time.sleep(60)
"""
DRIVER = """
import os, sys
from assess_cli.together import Part, run_together
parts = [Part(name, [sys.executable, "-c", code]) for name, code in zip(sys.argv[1::2], sys.argv[2::2])]
sys.exit(run_together(parts, os.environ, lambda line: print(line, flush=True)))
"""
LAST = """
import os, sys
from assess_cli.together import Part, run_together
python = [sys.executable, "-c"]
server = Part("api", [*python, sys.argv[1]], int(sys.argv[2]), shown=lambda line: None if "noise" in line else line)
last = Part("last", [*python, "print('on'); print('off')"], shown=lambda line: f"is {line}" if line == "off" else None)
sys.exit(run_together([server], os.environ, lambda line: print(line, flush=True), last))
"""


@contextmanager
def together(**parts: str) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """Small Python programs run together by a process of their own; and what that says."""
    arguments = [argument for part in parts.items() for argument in part]
    command = [sys.executable, "-c", DRIVER, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.terminate()


def pids(lines: IO[str], count: int) -> dict[str, int]:
    """The process ids that the parts said, by part."""
    found: dict[str, int] = {}
    while len(found) < count:
        name, _, text = lines.readline().partition(" | ")
        if text.startswith("pid "):
            found[name.strip()] = int(text.split()[1])
    return found


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # a zombie has ended
    except psutil.NoSuchProcess:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_all_parts(number: signal.Signals) -> None:
    with together(stream=LASTING, api=LASTING) as (process, lines):
        started = pids(lines, 2)
        process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert "assess: stopping\n" in lines
    assert not any(is_running(pid) for pid in started.values())


@pytest.mark.parametrize(("code", "expected"), [(5, 5), (0, 1)])
def test_when_a_part_ends_all_end_and_a_sentence_says_which(code: int, expected: int) -> None:
    with together(api=LASTING, stream=SHORT.format(code=code)) as (process, lines):
        assert process.wait(timeout=10) == expected
        said = lines.read()
    assert "stream | no room left\n" in said
    assert f"assess: stream ended (exit code {code}; see its lines above); stopping the others\n" in said


def test_a_last_part_starts_when_all_ports_answer_and_may_end_and_lines_may_be_dropped() -> None:
    port = free_port(0)
    code = (
        f"import socket, time; server = socket.create_server(('127.0.0.1', {port}))\n"
        "print('noise'); print('a word', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", LAST, code, str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(3)]
        assert sorted(said) == ["api | a word", "assess: everything is up; Ctrl-C stops it", "last | is off"]
        time.sleep(0.5)  # longer than a poll: the end of the last part is no reason to stop
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.stdout.read().startswith("assess: stopping\n")


def test_what_a_part_started_does_not_outlive_it() -> None:
    with together(dagster=PARENT.format(child=LASTING)) as (process, lines):
        (grandchild,) = pids(lines, 1).values()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert within(5, lambda: not is_running(grandchild))


def test_a_second_signal_kills_what_does_not_stop() -> None:
    with together(stream=STUBBORN) as (process, lines):
        (stubborn,) = pids(lines, 1).values()
        process.send_signal(signal.SIGINT)
        assert lines.readline() == "assess: stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 0
    assert not is_running(stubborn)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_no_part_outlives_a_kill() -> None:
    with together(stream=LASTING, api=LASTING) as (process, lines):
        started = pids(lines, 2)
        process.kill()
        assert within(5, lambda: not any(is_running(pid) for pid in started.values()))


def test_a_free_port_is_used_if_the_wanted_one_is_taken() -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_port(taken) not in (taken, 0)
    assert free_port(taken) == taken
