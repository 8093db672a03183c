"""`python -m benchmarks.growth [SLICES...]`: what operations cost after 10^3 to 10^5 slices, with 100 attempts each.

The history is synthetic (`benchmarks.history`), archived and cleared. Dagster holds the keys of its last half year.
Beside the history, one batch of 1,000 attempts is half archived, and each archive gets 100 new slices of 20 attempts.
Every operation runs in its own process, three times. The table has the median of the CPU time and the largest peak
memory, each with its ratio to the first size. CPU time, because the clock says little on a shared machine. Imports are
not counted, except for commands, which are whole processes. 10^6 slices take 6 GB of disk.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from assess_core.chunks import chunks
from benchmarks.growth_operations import IN_PROCESS, Home, dagster_of
from benchmarks.history import BATCHES, fill_history, history

SIZES: Final = (1_000, 10_000, 100_000)
_ATTEMPTS: Final = 100  # of each slice of the history
_MAPS: Final = 10  # map entries for each slice: one for each attempt would take 30 GB at 10^6 slices
_KEYS: Final = 26 * BATCHES  # `retire_cleared_slices` deletes older keys
_ROUNDS: Final = 3
_COMMANDS: Final = ("assess slices BATCH|WEEK", "assess doctor")


class Cost(NamedTuple):
    """The cost of one operation."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds."""
    peak: int
    """Bytes."""

    def __str__(self) -> str:
        return f"{self.cpu * 1000:,.1f} ms, {self.peak / 1e6:,.0f} MB"


def build(path: Path, slices: int) -> Home:
    """An installation with a history of this many slices."""
    path.mkdir(parents=True)
    home = Home(path)
    fill_history(path, slices, _ATTEMPTS, slices * _MAPS, home.now)
    home.add_measured()
    keys = [str(slice_) for slice_ in chain.from_iterable(history(slices, home.now))]
    for some in chunks(keys[-_KEYS:], 5_000):
        dagster_of(home).add_dynamic_partitions("archive_slices", list(some))
    return home


def measure(home: Home, rounds: int = _ROUNDS) -> dict[str, Cost]:
    """The cost of each operation: medians, and the largest peak."""
    found = {}
    for name in (*IN_PROCESS, *_COMMANDS):
        costs = [_command(name, home) if name in _COMMANDS else _in_process(name, home) for _ in range(rounds)]
        walls, cpus, peaks = zip(*costs, strict=True)
        found[name] = Cost(median(walls), median(cpus), max(peaks))
        print(f"{name}: {found[name]}", flush=True)
    return found


def _command(name: str, home: Home) -> Cost:
    named = [str(home.named_slice) if part == "BATCH|WEEK" else part for part in name.split()[1:]]
    command = [sys.executable, "-P", "-m", "assess_cli", *named]
    started = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **home.settings.env()}, stdout=subprocess.DEVNULL)
    _, _, used = os.wait4(process.pid, 0)
    return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _in_process(name: str, home: Home) -> Cost:
    command = [sys.executable, "-m", "benchmarks.growth_operations", name, str(home.path)]
    env = {**os.environ, **home.settings.env(), "PYTHONWARNINGS": "ignore"}
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env)
    return Cost(*json.loads(found.stdout.splitlines()[-1]))


def main(sizes: Sequence[int] = SIZES) -> None:
    """Measure and print one table."""
    found = {}
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        for size in sizes:
            found[size] = measure(build(Path(folder) / str(size), size))
    table = Table("operation", *(f"{size:,} slices" for size in sizes), "CPU", "memory", box=None, padding=(0, 2))
    for name, least in found[sizes[0]].items():
        most = found[sizes[-1]][name]
        ratios = (f"{most.cpu / least.cpu:.1f}x", f"{most.peak / least.peak:.1f}x")
        table.add_row(name, *(str(found[size][name]) for size in sizes), *ratios)
    Console(width=160).print(table)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or SIZES)
