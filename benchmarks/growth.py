"""`python -m benchmarks.growth [--keep FOLDER] [SLICES...]`: what operations cost after 10^3 to 10^5 slices.

The history is synthetic (`benchmarks.history`): 100 attempts in each slice, archived and cleared, and a failed event
and a finished request for every tenth slice. Dagster holds the keys of its last half year. Beside the history, one
batch of 1,000 attempts is half archived, and each archive gets 100 new slices of 20 attempts.

Every operation runs in its own process, three times; Dagster runs once. The table has the median of the processor time
and the largest peak memory, each with its ratio to the first size. Processor time, because the clock says little on a
shared machine. Imports are not counted, except for commands and services, which are whole processes. 10^6 slices are
10^8 attempts; they take 12 GB of disk. With --keep, the histories stay in FOLDER, and a later run uses them again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from rich.console import Console
from rich.table import Table

from assess_core.chunks import chunks
from benchmarks.growth_operations import FAILED_EACH, IN_PROCESS, Home, dagster_of
from benchmarks.growth_services import services, start_of_api
from benchmarks.history import BATCHES, fill_history, history
from benchmarks.history_of_requests import fill_requests
from benchmarks.measure import Run, command
from benchmarks.row import LATENCY, Row, Side, Size, machine

SIZES: Final = (1_000, 10_000, 100_000)
_ATTEMPTS: Final = 100  # of each slice of the history
_MAPS: Final = 10  # map entries for each slice: one for each attempt would take 30 GB at 10^6 slices
_KEYS: Final = 26 * BATCHES  # `retire_cleared_slices` deletes older keys
_COMMANDS: Final = ("assess slices BATCH|WEEK", "assess doctor")

Costs: TypeAlias = dict[str, list[Run]]
"""The runs of each operation."""


def build(path: Path, slices: int) -> Home:
    """An installation with a history of this many slices; one that is there already is used again."""
    home, noted = Home(path), path / "slices"
    if not noted.exists():
        path.mkdir(parents=True)
        fill_history(path, slices, _ATTEMPTS, slices * _MAPS, home.now)
        home.add_measured()
        fill_requests(path / "hot.sqlite", slices // FAILED_EACH)
        keys = [str(slice_) for slice_ in chain.from_iterable(history(slices, home.now))]
        for some in chunks(keys[-_KEYS:], 5_000):
            dagster_of(home).add_dynamic_partitions("archive_slices", list(some))
        noted.write_text(str(slices), "ascii")
    return home


def measure(home: Home, rounds: int, only: str = "") -> Costs:
    """The cost of each operation, or of those with `only` in their name."""
    calls = {
        **{name: partial(_in_process, name, home) for name in IN_PROCESS},
        **{name: partial(_command, name, home) for name in _COMMANDS},
        "start of the API": partial(start_of_api, home.settings),
    }
    found: Costs = {}
    for name, call in calls.items():
        if only in name:
            found[name] = [call() for _ in range(rounds)]
            print(f"{home.slices:,} slices, {name}: {_shown(found[name])}", flush=True)
    if only in "Dagster":
        found |= {name: [run] for name, run in services(home).items()}
    return found


def _command(name: str, home: Home) -> Run:
    named = [str(home.named_slice) if part == "BATCH|WEEK" else part for part in name.split()[1:]]
    return command([sys.executable, "-P", "-m", "assess_cli", *named], home.settings)


def _in_process(name: str, home: Home) -> Run:
    words = [sys.executable, "-m", "benchmarks.growth_operations", name, str(home.path)]
    env = {**os.environ, **home.settings.env(), "PYTHONWARNINGS": "ignore"}
    found = subprocess.run(words, check=True, stdout=subprocess.PIPE, env=env)
    return Run(*json.loads(found.stdout.splitlines()[-1]))


def _cpu(runs: Sequence[Run]) -> float:
    return median(run.cpu for run in runs)


def _peak(runs: Sequence[Run]) -> int:
    return max(run.peak for run in runs)


def _shown(runs: Sequence[Run]) -> str:
    return f"{_cpu(runs) * 1000:,.1f} ms, {_peak(runs) / 1e6:,.0f} MB"


def growth_rows(size: Size) -> list[Row]:
    """Each operation after a long history, beside the same operation after a short one."""
    short, long = size.of(SIZES[0]), size.of(SIZES[-1], 40)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        found = {slices: measure(build(Path(folder) / str(slices), slices), size.rounds) for slices in (short, long)}
    what = f"after {short:,} slices"
    return [
        Row(f"{name}, after {long:,} slices", LATENCY, Side(what, 1, runs), None, Side(what, 1, found[short][name]))
        for name, runs in found[long].items()
    ]


def show(found: Mapping[int, Costs], console: Console) -> None:
    """Print a line for each operation, with the ratios of the largest size to the smallest."""
    sizes = sorted(found)
    table = Table("operation", *(f"{size:,} slices" for size in sizes), "CPU", "memory", box=None, padding=(0, 2))
    for name, least in found[sizes[0]].items():
        most = found[sizes[-1]][name]
        ratios = (f"{_cpu(most) / max(_cpu(least), 1e-6):.1f}x", f"{_peak(most) / _peak(least):.1f}x")
        table.add_row(name, *(_shown(found[size][name]) for size in sizes), *ratios)
    console.print(table)


def _write(found: Mapping[int, Costs]) -> Path:
    target = Path(__file__).parent / "results" / f"growth-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    target.parent.mkdir(exist_ok=True)
    costs = {size: {name: [run._asdict() for run in runs] for name, runs in of.items()} for size, of in found.items()}
    target.write_text(json.dumps({"machine": machine(), "slices": costs}, indent=1), encoding="utf-8")
    return target


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        yield Path(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__, allow_abbrev=False)
    parser.add_argument("slices", type=int, nargs="*", default=SIZES, help="the sizes of the histories")
    parser.add_argument("--keep", type=Path, help="the folder of the histories")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="measure the operations with this text in their name")
    asked, console, found = parser.parse_args(arguments), Console(width=180, highlight=False), dict[int, Costs]()
    with _folder(asked.keep) as folder:
        for size in asked.slices:
            found[size] = measure(build(folder / str(size), size), asked.rounds, asked.only)
    show(found, console)
    console.print(f"written to {_write(found)}")


if __name__ == "__main__":
    main()
