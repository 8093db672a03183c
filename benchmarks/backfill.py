"""Register, archive, verify and clear slices in one backfill, as the UI does, beside the use cases alone.

Slices of 20 rows each, in 20 weeks, are in a SQLite hot store. Dagster runs as `assess up` runs it: the benchmark
starts its sensor and asks for the backfill over GraphQL; runs wait in the queue and are separate processes. Dagster's
own start is not measured. The limit archives, verifies and clears the same slices in one process without Dagster.
Every slice must be cleared.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Final

from assess_assets.registration import Range
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.slices import WEEK, ArchiveSlice, IsoWeek
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from assess_core.wiring import open_stores
from benchmarks.dagster_service import Watch, running
from benchmarks.measure import Run, Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_SLICES: Final = 1_000
_ROWS: Final = 20  # of a slice
_FIRST: Final = IsoWeek(2024, 5).start
_WEEKS: Final = 20
_CHUNK: Final = 5_000
_LIMIT: Final = 3_600  # deadline of a phase in seconds


def _attempts(slices: int, rows: int) -> Iterator[AttemptVersion]:
    weeks = min(_WEEKS, slices)
    for number in range(slices):
        slice_ = ArchiveSlice.of(f"{number // weeks:019}", _FIRST + number % weeks * WEEK)
        yield from attempts_of(slice_, rows, number * rows)


def attempts_of(slice_: ArchiveSlice, rows: int, first_learner: int = 0) -> Iterator[AttemptVersion]:
    """Small attempts of a slice, each of another learner."""
    params = [{"1": '{"text":"8"}'}, {"2": '{"text":"9"}'}, {"answer": '{"correct":["1"]}'}]
    for row in range(rows):
        at = slice_.week.start + row * 60_000
        key = AttemptKey(
            f"{first_learner + row:036}",
            "do_1130928636168192001667",
            slice_.batch_id,
            "do_2128870328040161281204",
            f"{row:032}",
        )
        answers = [
            Answer(f"do_{question:019}", at, 1.0, float(row % 2), "mcq", "2 + 6 = ?", [{"1": "{}"}], params, "", 3.0)
            for question in range(2)
        ]
        yield make_version(key, at, answers, at + 500)


def fill(settings: Settings, slices: int, rows: int) -> None:
    """Write this many closed slices of this many rows into the hot store."""
    hot, attempts = open_stores(settings).hot, _attempts(slices, rows)
    while chunk := list(islice(attempts, _CHUNK)):
        hot.add_slices({row.slice for row in chunk})
        hot.add_rows(chunk)


def _dagster(slices: int) -> Run:
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, folder)
        fill(settings, slices, _ROWS)
        with running(settings, settings.home / "dagster.log") as dagster, Watch(dagster.process.pid) as watch:
            begun = time.monotonic()
            dagster.start_sensor("register_slices_and_batches")
            dagster.wait("registering", lambda: len(dagster.registered()) >= slices, _LIMIT)
            keys = dagster.registered()
            backfill = dagster.backfill([Range(keys[0], keys[-1])], "benchmark")
            dagster.wait("the backfill", lambda: dagster.state(backfill).has_ended, _LIMIT)
            seconds = time.monotonic() - begun
        views = slice_views(open_stores(settings), time.time_ns() // 1_000_000, settings.grace, None)
        found = Counter(view.status.value for view in views)
    assert found == {"cleared": slices}, found
    used = watch.used.values()
    return Run(seconds, sum(each.seconds for each in used), sum(each.peak for each in used))


@contextmanager
def _use_cases(slices: int) -> Iterator[Work]:
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({}, folder)
        fill(settings, slices, _ROWS)
        stores = open_stores(settings)
        all_slices = stores.hot.slices()

        def work() -> None:
            for step in (archive, verify, clear):
                step(all_slices, stores, _FIRST + 2 * 52 * WEEK)

        yield work


def backfill_row(size: Size) -> Row:
    """From the sensor's start to the last cleared slice."""
    slices = size.of(_SLICES)
    runs = in_turn(size, {"ours": partial(_dagster, slices), "limit": partial(alone, _use_cases, slices)})
    limit = Side("the use cases without Dagster", slices, runs["limit"])
    note = "processor time and memory of all of Dagster's processes, which are not all alive at the same time"
    return Row("backfill", "slices/s", Side("backfill", slices, runs["ours"]), None, limit, note)
