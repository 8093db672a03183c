"""Short commands: `assess score` beside a start of Python with click, `assess slices` beside writing its rows as CSV.

    python -m benchmarks.command_line [SLICES]

Every command is a new process. Ours and its limit take turns, because the speed of the machine varies; the figures are
medians of five. Both write to a pipe. The hot store is SQLite. All slices are archived, so `assess slices` also reads
the manifest. Its limit reads the same rows from a JSON file and writes them with `csv`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final, NamedTuple

from assess_core.domain.samples import sample_events
from assess_core.domain.slices import WEEK, IsoWeek
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive
from assess_core.wiring import open_hot, open_stores
from benchmarks.backfill import fill

_ROUNDS: Final = 5
_ARCHIVED_AT: Final = IsoWeek(2025, 5).start + 52 * WEEK
_CLICK: Final = (sys.executable, "-c", "import click")
_CSV: Final = """
import csv, json, sys
rows = json.load(open(sys.argv[1], encoding="utf-8"))
writer = csv.DictWriter(sys.stdout, list(rows[0]))
writer.writeheader()
writer.writerows(rows)
"""


class Cost(NamedTuple):
    """The cost of one process."""

    seconds: float
    cpu: float
    """Processor seconds: the fairer figure on a shared machine."""

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s, processor {self.cpu:.2f} s"


class Reached(NamedTuple):
    """Commands or rows per second."""

    ours: float
    limit: float


def _run(command: Sequence[str], env: dict[str, str]) -> Cost:
    started = perf_counter()
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.read(1 << 16):
            pass
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Cost(perf_counter() - started, used.ru_utime + used.ru_stime)


def _turns(ours: Sequence[str], limit: Sequence[str], settings: Settings) -> tuple[Cost, Cost]:
    env = {**os.environ, **settings.env()}
    pairs = [(_run(ours, env), _run(limit, env)) for _ in range(_ROUNDS)]
    mine, other = (Cost(*map(median, zip(*costs, strict=True))) for costs in zip(*pairs, strict=True))
    return mine, other


def _assess(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "assess_cli", *arguments]


def score(events: int = 2_000) -> Reached:
    """Measure and print `assess score` in a store with this many events."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, folder)
        file = Path(folder) / "events.jsonl"
        file.write_bytes(b"".join(line + b"\n" for line in sample_events(max(events, 20))))
        ingest = _assess("ingest", str(file))
        subprocess.run(ingest, env={**os.environ, **settings.env()}, check=True, capture_output=True)
        user_id, learner = next(open_hot(settings)[0].all_learners())
        assessment = learner.entries[0].key.assessment_id
        ours, limit = _turns(_assess("score", "--user", user_id, "--assessment", assessment), _CLICK, settings)
    print(f"assess score: {ours}; limit (Python with click) {limit}")
    return Reached(1 / ours.seconds, 1 / limit.seconds)


def slices(count: int = 10_000) -> Reached:
    """Measure and print `assess slices` over this many archived slices of one row."""
    count = max(count, 20)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, folder)
        fill(settings, count, 1)
        stores = open_stores(settings)
        archive(stores.hot.slices(), stores, _ARCHIVED_AT)
        rows = Path(folder) / "slices.json"
        with rows.open("wb") as out:
            env = {**os.environ, **settings.env()}
            subprocess.run(_assess("slices", "--json"), env=env, stdout=out, check=True)
        assert len(json.loads(rows.read_bytes())) == count
        ours, limit = _turns(_assess("slices"), (sys.executable, "-c", _CSV, str(rows)), settings)
    print(f"assess slices, {count:,} slices: {ours}; limit (its rows as CSV) {limit}")
    return Reached(count / ours.seconds, count / limit.seconds)


if __name__ == "__main__":
    score()
    slices(*map(int, sys.argv[1:]))
