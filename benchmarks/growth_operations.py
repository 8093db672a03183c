"""`python -m benchmarks.growth_operations NAME HOME`: one operation of `benchmarks.growth`, alone in its process.

It prints seconds, CPU seconds and peak memory in bytes, as JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from assess_core.domain.events import FailedKey, Record, RecordKind, decode
from assess_core.domain.report_jobs import ReportRequest
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.samples import sample_events
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.folding import Checks, fold
from assess_core.usecases.operating import Operating
from assess_core.usecases.pending import pending_views
from assess_core.usecases.queries import Queries
from assess_core.usecases.slice_pages import slice_page
from assess_core.wiring import open_ledger, open_requesting, open_stores
from assess_core.wiring.places import clock
from benchmarks.backfill import attempts_of
from benchmarks.history import week_before
from benchmarks.history_of_requests import CHANNEL, TOPIC

if TYPE_CHECKING:
    import dagster as dg

BATCH: Final = "the measured batch"
_ROWS: Final = 1_000  # attempts of the measured batch
_WEEKS: Final = 4
_SLICES: Final = 100  # slices of a week that are archived
_EACH: Final = 20  # attempts of such a slice
_EVENTS: Final = 1_000
FAILED_EACH: Final = 10
"""Slices of the history for each failed event and each finished request."""


class Home:
    """The installation below a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = time.time_ns() // 1_000_000

    @cached_property
    def settings(self) -> Settings:
        return Settings.from_env({}, str(self.path))

    @cached_property
    def stores(self) -> Stores:
        return open_stores(self.settings)

    @cached_property
    def queries(self) -> Queries:
        return Queries(self.stores, self.settings.grace, lambda: self.now)

    @cached_property
    def slices(self) -> int:
        """The slices of the history, as `growth.build` noted it."""
        return int((self.path / "slices").read_text("ascii"))

    @property
    def named_slice(self) -> ArchiveSlice:
        return ArchiveSlice.of(BATCH, week_before(self.now, 4))

    def add_measured(self) -> None:
        """The batch that is read: half of it archived and cleared, half of it hot."""
        slices = [ArchiveSlice.of(BATCH, week_before(self.now, weeks)) for weeks in (4, 3, 2, 1)]
        for slice_ in slices:
            self._add(slice_, _ROWS // _WEEKS)
        self.move(slices[:2])

    def add_fresh(self) -> list[ArchiveSlice]:
        """A hundred new slices that are closed."""
        start = week_before(self.now, 2)
        slices = [ArchiveSlice.of(f"fresh-{time.time_ns()}-{number}", start) for number in range(_SLICES)]
        for slice_ in slices:
            self._add(slice_, _EACH)
        return slices

    def _add(self, slice_: ArchiveSlice, rows: int) -> None:
        self.stores.hot.add_slices({slice_})
        self.stores.hot.add_rows(list(attempts_of(slice_, rows)))

    def move(self, slices: Sequence[ArchiveSlice]) -> None:
        """Archive, verify and clear these slices."""
        for step in (archive, verify, clear):
            step(slices, self.stores, self.now)


Prepared = Callable[[], object]


def _fold(home: Home) -> Prepared:
    lines = list(sample_events(_EVENTS, seed=time.time_ns() % 1_000_000))
    decoded = [decode(Record("sample.jsonl", 0, n, line, kind=RecordKind.LINE)) for n, line in enumerate(lines)]
    return lambda: fold(decoded, home.stores.hot, Checks(NoFacts()))


def _score(home: Home) -> Prepared:
    return lambda: home.queries.score(f"{77:016x}-{77 * 7919:016x}", "do_2128870328040161")


def _page(home: Home) -> Prepared:
    return lambda: home.queries.attempts(batch_id=BATCH)


def _overview(home: Home) -> Prepared:
    return lambda: home.queries.batch(BATCH)


def _report(home: Home) -> Prepared:
    return lambda: write_exhaust(home.stores, ReportSpec(report=Report.RESPONSE, batches=(BATCH,)))


def _slice_page(home: Home) -> Prepared:
    return lambda: slice_page(
        home.stores, home.now, home.settings.grace, None, after=ArchiveSlice.of("", week_before(home.now, 3)), first=100
    )


def _batch_slices(home: Home) -> Prepared:
    return lambda: home.queries.slices(BATCH)


def _learner(home: Home) -> Prepared:
    row = next(attempts_of(home.named_slice, 1))
    weeks = [home.named_slice.week]
    return lambda: home.stores.union.archived([BATCH], weeks, row.key.user_id, [row.version.content_hash])


def _archive(home: Home) -> Prepared:
    slices = home.add_fresh()
    return lambda: home.move(slices)


def _register(home: Home) -> Prepared:
    from assess_assets.sensors import register_slices_and_batches

    return _tick(home, register_slices_and_batches)


def _retire(home: Home) -> Prepared:
    from assess_assets.sensors import retire_cleared_slices

    return _tick(home, retire_cleared_slices)


def _failed_page(home: Home) -> Prepared:
    after = max(0, home.slices // FAILED_EACH - 100)
    operating = Operating(home.stores, open_ledger, clock)
    return lambda: operating.failed_events(50, FailedKey(TOPIC, 0, after, b"\0"))


def _submit(home: Home) -> Prepared:
    requesting, spec = open_requesting(home.settings), ReportSpec(report=Report.SCORE, batches=(BATCH,))
    tags = (f"tag {time.time_ns()}:{CHANNEL}" for _ in count())
    return lambda: requesting.submit(ReportRequest("score-exhaust", "{}", spec, next(tags), CHANNEL, "somebody"))


def _tick(home: Home, sensor: "dg.SensorDefinition") -> Prepared:
    import dagster as dg

    from assess_assets.resources import Lakehouse

    resources = {"lakehouse": Lakehouse(home=str(home.path))}
    instance = dagster_of(home)
    return lambda: sensor(dg.build_sensor_context(instance, resources=resources))


def _pending(home: Home) -> Prepared:
    return lambda: pending_views(home.stores, home.now, home.settings.grace, None)


def dagster_of(home: Home) -> "dg.DagsterInstance":
    """The instance of Dagster below the home folder."""
    import dagster as dg

    from assess_cli.serve import install_dagster_home

    os.environ["DAGSTER_HOME"] = str(install_dagster_home(home.path))
    return dg.DagsterInstance.get()


IN_PROCESS: Final[Mapping[str, tuple[Callable[[Home], Prepared], int]]] = {
    "fold 1,000 events": (_fold, 1),
    "score": (_score, 20),
    "page of 20 attempts": (_page, 9),
    "overview of a batch": (_overview, 9),
    "report of a batch": (_report, 3),
    "slices of a batch": (_batch_slices, 5),
    "page of 100 slices": (_slice_page, 5),
    "archived attempt": (_learner, 9),
    "page of 50 failed events": (_failed_page, 5),
    "submit of a request": (_submit, 9),
    "archive, verify, clear 100 slices": (_archive, 1),
    "tick of register_slices_and_batches": (_register, 1),
    "tick of retire_cleared_slices": (_retire, 1),
    "slices that need a step": (_pending, 3),
}


def main(name: str, path: Path) -> None:
    """Measure one operation and print its cost. The time is the median of some calls."""
    home = Home(path)
    make, calls = IN_PROCESS[name]
    prepared = make(home)
    walls, cpus = [], []
    for _ in range(calls):
        started, cpu = time.perf_counter(), time.process_time()
        prepared()
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - cpu)
    status = dict(line.partition(":")[::2] for line in Path("/proc/self/status").read_text("utf-8").splitlines())
    print(json.dumps([median(walls), median(cpus), int(status["VmHWM"].split()[0]) * 1024]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
