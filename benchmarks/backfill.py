"""Register, archive, verify and clear 10,000 slices in one backfill, as the UI and `assess backfill` do.

    python -m benchmarks.backfill [SLICES [ROWS [cassandra://HOST:PORT/KEYSPACE s3://BUCKET/PREFIX]]]

SLICES (default 10,000: 500 batches in 20 weeks) of ROWS rows each (default 20) are in a SQLite hot store, or in
Cassandra with the lake in S3. The keyspace and the prefix belong to the benchmark, which empties the keyspace. Dagster
runs as `assess up` runs it: the benchmark starts its sensor and asks for the backfill over GraphQL; runs wait in the
queue and are separate processes. It prints the seconds by phase, the waiting and working time of each run, and
processor time and memory by process. Every slice must be cleared.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from assess_assets.backfill import Dagster
from assess_assets.registration import Range
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.slices import WEEK, ArchiveSlice, IsoWeek
from assess_core.settings import Settings
from assess_core.usecases.archiving import slice_views
from assess_core.wiring import open_stores
from benchmarks.cassandra_limits import empty_store
from benchmarks.dagster_service import Used, Watch, running

_FIRST: Final = IsoWeek(2024, 5).start
_WEEKS: Final = 20
_CHUNK: Final = 5_000
_LIMIT: Final = 3_600  # deadline of a phase in seconds
_RUNS: Final = """
{runsOrError(limit: 1000) {... on Runs {results {
  status creationTime startTime endTime stepStats {stepKey startTime endTime}
}}}}
"""


class Took(NamedTuple):
    """Seconds by phase, and the most memory of one process in bytes."""

    started: float
    registered: float
    backfilled: float
    peak: int

    @property
    def whole(self) -> float:
        return self.registered + self.backfilled


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


def _print_runs(dagster: Dagster) -> None:
    runs: list[dict[str, Any]] = dagster.ask(_RUNS)["runsOrError"]["results"]
    for run in sorted(runs, key=lambda run: float(run["creationTime"])):
        steps = {step["stepKey"]: step["endTime"] - step["startTime"] for step in run["stepStats"] if step["endTime"]}
        worked = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items())
        rest = run["endTime"] - run["startTime"] - sum(steps.values())
        waited = run["startTime"] - run["creationTime"]
        print(f"  {run['status']}: waited {waited:.0f} s, then {worked}, rest {rest:.1f} s")


def _print_used(used: dict[int, Used]) -> None:
    print(f"processor time {sum(each.seconds for each in used.values()):.0f} s, by process:")
    for each in sorted(used.values(), key=lambda each: -each.peak)[:6]:
        print(f"  {each.seconds:6.1f} s, {each.peak / 1e6:5.0f} MB at most: ...{each.command.strip()[-70:]}")


def main(arguments: Sequence[str]) -> Took:
    """Measure and print."""
    slices, rows, hot_store, lake = (*arguments, *("10000", "20", "", "")[len(arguments) :])
    if hot_store:
        empty_store(hot_store)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        settings = Settings.from_env({"ASSESS_HOT_STORE": hot_store, "ASSESS_LAKE": lake}, folder)
        fill(settings, int(slices), int(rows))
        return _measured(settings, int(slices))


def _measured(settings: Settings, slices: int) -> Took:
    home = settings.home
    begun = time.monotonic()
    with running(settings, home / "dagster.log") as dagster, Watch(dagster.process.pid) as watch:
        started = time.monotonic()
        dagster.start_sensor("register_slices_and_batches")
        dagster.wait("registering", lambda: len(dagster.registered()) >= slices, _LIMIT)
        registered, keys = time.monotonic(), dagster.registered()
        print(f"Dagster's start {started - begun:.1f} s; {slices:,} slices registered in {registered - started:.1f} s")
        backfill = dagster.backfill([Range(keys[0], keys[-1])], "benchmark")
        dagster.wait("the backfill", lambda: dagster.state(backfill).has_ended, _LIMIT)
        ended = time.monotonic()
        print(
            f"{dagster.state(backfill).status}: archived, verified and cleared in {ended - registered:.1f} s, in runs"
        )
        _print_runs(dagster)
    _print_used(watch.used)
    views = slice_views(open_stores(settings), time.time_ns() // 1_000_000, settings.grace, None)
    found = Counter(view.status.value for view in views)
    assert found == {"cleared": slices}, found
    peak = max(each.peak for each in watch.used.values())
    return Took(started - begun, registered - started, ended - registered, peak)


if __name__ == "__main__":
    took = main(sys.argv[1:])
    print(f"{took.whole:.0f} s from the sensor's start to the last cleared slice, {took.peak / 1e6:.0f} MB at most")
