"""Processes that run together and end together, tested with small Python programs."""

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
    """Starts a process that runs small Python programs together. Yields the process and its output."""
    arguments = [argument for part in parts.items() for argument in part]
    command = [sys.executable, "-c", DRIVER, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.terminate()


def pids(lines: IO[str], count: int) -> dict[str, int]:
    """The process ids that the parts printed, by part."""
    found: dict[str, int] = {}
    while len(found) < count:
        line = lines.readline()
        assert line, "the programs ended too early"
        name, _, text = line.partition(" | ")
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
def test_all_parts_end_when_one_ends_and_a_message_says_which(code: int, expected: int) -> None:
    with together(api=LASTING, stream=SHORT.format(code=code)) as (process, lines):
        assert process.wait(timeout=10) == expected
        output = lines.read()
    assert "stream | no room left\n" in output
    assert f"assess: stream ended (exit code {code}; see its lines above); stopping the others\n" in output


def test_the_last_part_starts_when_all_ports_answer_and_its_end_stops_nothing() -> None:
    port = free_port(0)
    code = (
        f"import socket, time; server = socket.create_server(('127.0.0.1', {port}))\n"
        "print('noise'); print('a word', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", LAST, code, str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = [process.stdout.readline().strip() for _ in range(3)]
        assert sorted(shown) == ["api | a word", "assess: everything is up; Ctrl-C stops it", "last | is off"]
        time.sleep(0.5)  # longer than the polling interval: the others must still run after the last part ended
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.stdout.read().startswith("assess: stopping\n")


def test_a_child_process_does_not_outlive_its_part() -> None:
    with together(dagster=PARENT.format(child=LASTING)) as (process, lines):
        (grandchild,) = pids(lines, 1).values()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert within(5, lambda: not is_running(grandchild))


def test_a_second_signal_kills_parts_that_do_not_stop() -> None:
    with together(stream=STUBBORN) as (process, lines):
        (stubborn,) = pids(lines, 1).values()
        process.send_signal(signal.SIGINT)
        assert lines.readline() == "assess: stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 0
    assert not is_running(stubborn)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux notifies a child that its parent was killed")
def test_no_stack_trace_is_shown_when_ctrl_c_meets_a_program_that_is_starting() -> None:
    with together(starting=LASTING) as (process, lines):
        pids(lines, 1)
        process.send_signal(signal.SIGINT)
        output = lines.read()
    assert process.returncode == 0
    assert "assess: stopping" in output
    assert "Traceback" not in output
    assert "KeyboardInterrupt" not in output


def test_the_name_of_another_error_is_shown_while_a_program_stops() -> None:
    failing = f"import signal; signal.signal(signal.SIGINT, lambda *_: print('bye', 1 / 0)); {LASTING}"
    with together(failing=failing) as (process, lines):
        pids(lines, 1)
        process.send_signal(signal.SIGINT)
        output = lines.read()
    assert "failing | ZeroDivisionError: division by zero" in output
    assert "Traceback" not in output


def test_all_parts_end_when_the_parent_is_killed() -> None:
    with together(stream=LASTING, api=LASTING) as (process, lines):
        started = pids(lines, 2)
        process.kill()
        assert within(5, lambda: not any(is_running(pid) for pid in started.values()))


def test_a_free_port_is_used_if_the_requested_port_is_in_use() -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        in_use = holder.getsockname()[1]
        assert free_port(in_use) not in (in_use, 0)
    assert free_port(in_use) == in_use
