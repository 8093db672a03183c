"""Measure a piece of work in its own process: seconds, processor seconds and peak memory of all its processes."""

import gc
import multiprocessing
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple, TypeAlias

from assess_core.settings import Settings

Work: TypeAlias = Callable[[], object]
Prepare: TypeAlias = Callable[..., AbstractContextManager[Work]]
"""Prepares work, which is not measured, and yields the work, which is."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """The cost of one measurement."""

    seconds: float
    cpu: float
    """Processor seconds of the process and all its children: the fairer figure on a shared machine."""
    peak: int
    """The sum of the peak memory of these processes, in bytes."""
    result: object = None
    """What the work returned."""


class Latencies(NamedTuple):
    """The result of work that answers many requests: seconds within which half of them, and 99 of 100, are answered."""

    p50: float
    p99: float


class Median(NamedTuple):
    """Returned by work that measures many calls itself: the median of one call."""

    seconds: float


def alone(prepare: Prepare, *arguments: Any) -> Run:
    """Prepare and measure in a new process, so that the memory of other measurements does not count."""
    # an executor, because a Pool waits forever if its process dies
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        return executor.submit(_measure, prepare, *arguments).result()


def _measure(prepare: Prepare, *arguments: Any) -> Run:
    with prepare(*arguments) as work:
        gc.collect()
        gc.freeze()  # the garbage collector does not traverse prepared data again and again
        return timed(work)


def timed(work: Work) -> Run:
    """Measure in this process."""
    started, cpu = time.perf_counter(), _cpu()
    result = work()
    seconds, cpu = time.perf_counter() - started, _cpu() - cpu
    if isinstance(result, Median):
        seconds = result.seconds
    return Run(seconds, cpu, sum(map(_peak, _family())), result)


def median_of_calls(call: Work, calls: int) -> Median:
    """The median time of a call, after a first one that does not count."""
    call()
    taken = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return Median(median(taken))


def command(words: list[str], settings: Settings) -> Run:
    """Run a command to its end and read its output."""
    started, peak = time.perf_counter(), 0
    env = {**os.environ, **settings.env()}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        while process.stdout.read(1 << 16) != b"":
            peak = max(peak, _peak(process.pid))
            time.sleep(0.002)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    # not ru_maxrss: a process inherits that from the one that started it
    return Run(time.perf_counter() - started, used.ru_utime + used.ru_stime, peak)


def _cpu() -> float:
    """Processor seconds of this process, of its living descendants, and of children that ended."""
    ended = os.times()
    others = sum(_used(pid) for pid in _family() if pid != os.getpid())
    return time.process_time() + ended.children_user + ended.children_system + others


def _used(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _family() -> list[int]:
    """This process and its living descendants."""
    return list(_with_children(os.getpid()))


def _with_children(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="utf-8").split()
        except OSError:
            continue  # the thread or process ended
        for child in children:
            yield from _with_children(int(child))
