"""Short commands, each a new process: `assess score` and `assess slices`.

The limit of `assess score` is a start of Python with click. The limit of `assess slices` reads the same rows from a
JSON file and writes them with `csv`. Both write to a pipe. All slices are archived, so `assess slices` also reads the
manifest.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from assess_core.domain.slices import WEEK, IsoWeek
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive
from assess_core.wiring import open_hot, open_stores
from benchmarks.backfill import fill
from benchmarks.data import events, fill_all
from benchmarks.measure import command
from benchmarks.row import LATENCY, Row, Side, Size, in_turn

_EVENTS: Final = 2_000
_SLICES: Final = 10_000
_ARCHIVED_AT: Final = IsoWeek(2025, 5).start + 52 * WEEK
_CLICK: Final = [sys.executable, "-c", "import click"]
_CSV: Final = """
import csv, json, sys
rows = json.load(open(sys.argv[1], encoding="utf-8"))
writer = csv.DictWriter(sys.stdout, list(rows[0]))
writer.writeheader()
writer.writerows(rows)
"""


def _assess(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "assess_cli", *arguments]


def _row(name: str, ours: list[str], limit: list[str], what: str, settings: Settings, size: Size) -> Row:
    runs = in_turn(size, {"ours": partial(command, ours, settings), "limit": partial(command, limit, settings)})
    return Row(name, LATENCY, Side("command", 1, runs["ours"]), None, Side(what, 1, runs["limit"]))


def score_row(size: Size) -> Row:
    """`assess score`."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, folder)
        fill_all(Path(folder), events(size.of(_EVENTS)))
        user_id, learner = next(open_hot(settings)[0].all_learners())
        assessment = learner.entries[0].key.assessment_id
        ours = _assess("score", "--learner", user_id, "--assessment", assessment)
        return _row("assess score", ours, _CLICK, "a start of Python with click", settings, size)


def slices_row(size: Size) -> Row:
    """`assess slices`, with a line for each of 10,000 slices."""
    count = size.of(_SLICES)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, folder)
        fill(settings, count, 1)
        stores = open_stores(settings)
        archive(stores.hot.slices(), stores, _ARCHIVED_AT)
        rows = Path(folder) / "slices.json"
        env = {**os.environ, **settings.env()}
        done = subprocess.run(_assess("slices", "--json"), env=env, stdout=subprocess.PIPE, check=True)
        assert len(msgspec.json.decode(done.stdout)) == count
        rows.write_bytes(done.stdout)
        limit = [sys.executable, "-c", _CSV, str(rows)]
        return _row("assess slices", _assess("slices"), limit, "the same rows as CSV", settings, size)
