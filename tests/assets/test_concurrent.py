"""Runs over the same slices, in sequence and at the same time, on every kind of lake; and the commits of a run."""

from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Barrier

import dagster as dg
import pyarrow as pa
import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import LakeConflict
from assess_core.ports.lake import Pinned
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_stores
from tests import oracle
from tests.assets.conftest import Dagster
from tests.factories import MONDAY, WEEK, event, line
from tests.lakes import asked, held

BATCHES, WEEKS = 4, 3
SUBMITTED = [
    (event(batch=f"b{batch}", user=user, attempt=f"t{week}", attempted=MONDAY + week * WEEK), MONDAY + week * WEEK)
    for week in range(WEEKS)
    for batch in range(BATCHES)
    for user in ("u1", "u2")
]
LONGEST = 60  # seconds that a run waits for the other at most


@pytest.fixture
def lake(dagster: Dagster, place: Location, monkeypatch: pytest.MonkeyPatch) -> DeltaLake:
    """An empty lake. All slices are registered and closed."""
    monkeypatch.setenv("ASSESS_LAKE", place.url)
    for received, submitted in groupby(SUBMITTED, itemgetter(1)):
        dagster.ingest([message for message, _ in submitted], received)
    dagster.tick()
    assert len(dagster.keys("archive_slices")) == BATCHES * WEEKS
    return DeltaLake(place)


@pytest.fixture
def another(dagster: Dagster, lake: DeltaLake) -> Iterator[Dagster]:
    """The UI of another person, over the same stores."""
    with ExitStack() as until_the_end:
        instance = until_the_end.enter_context(dg.DagsterInstance.ephemeral())
        other = Dagster(dagster.settings.home, instance)
        other.clock = dagster.clock
        other.register("archive_slices", list(dagster.keys("archive_slices")))
        yield other


def stored() -> Counter[tuple[bytes, int]]:
    """The rows that the lake must hold according to the oracle, each once."""
    log = [("log", offset, line(message, received)) for offset, (message, received) in enumerate(SUBMITTED)]
    versions = [version for found in oracle.tables(log)["attempts"].values() for version in found]
    assert len(versions) == len(SUBMITTED)
    return Counter((bytes.fromhex(version["content_hash"]), version["received_at"]) for version in versions)


def opened(dagster: Dagster, place: Location) -> Stores:
    return open_stores(dagster.settings._replace(lake=place.url))


def reports(stores: Stores) -> list[bytes]:
    """The reports of all batches that have a row per answer and per attempt."""
    wanted = [(f"b{batch}", report) for batch in range(BATCHES) for report in (Report.RESPONSE, Report.SCORE)]
    return [Path(write_exhaust(stores, asked(batch, report)).path).read_bytes() for batch, report in wanted]


def hot_rows(stores: Stores) -> int:
    return sum(stores.hot.counts(stores.hot.slices()).values())


@pytest.mark.parametrize("place", ["folder"], indirect=True)  # it depends on Dagster alone
@pytest.mark.long
def test_a_run_over_many_slices_commits_once_for_each_week(dagster: Dagster, lake: DeltaLake) -> None:
    keys = dagster.keys("archive_slices")

    assert dagster.materialize("archived_attempts", keys[0], keys[-1]).success
    commits = lake.pin().version  # commit 0 creates the table
    assert dagster.materialize("archived_attempts", keys[0], keys[-1]).success

    assert (commits, lake.pin().version) == (WEEKS, WEEKS)
    assert held(lake) == stored()


@pytest.mark.parametrize("place", ["folder"], indirect=True)  # it depends on Dagster alone
@pytest.mark.long
def test_a_backfill_over_partly_archived_slices_does_only_the_rest(
    dagster: Dagster, lake: DeltaLake, place: Location
) -> None:
    keys, stores = dagster.keys("archive_slices"), opened(dagster, place)
    before = reports(stores)
    half, most = keys[5], keys[8]
    assert dagster.materialize("archived_attempts", keys[0], most).success
    assert dagster.materialize("cleared_attempts", keys[0], half).success

    again = [dagster.materialize(asset, keys[2], keys[-1]) for asset in ("archived_attempts", "cleared_attempts")]

    assert [result.success for result in again] == [True, True]
    appended = {
        str(each.partition): each.materialization.metadata["appended"].value
        for each in again[0].get_asset_materialization_events()
    }
    assert appended == {key: 2 if key in keys[9:] else 0 for key in keys[2:]}
    assert held(lake) == stored()
    steps = Counter(str(entry.slice) for entry in lake.manifest())
    assert steps == dict.fromkeys(keys, 4)  # archived, verified, clearing, cleared: once each
    assert hot_rows(stores) == 0
    assert reports(stores) == before


@pytest.mark.long
def test_simultaneous_runs_of_the_same_slices_lose_nothing_and_write_nothing_twice(
    dagster: Dagster, another: Dagster, lake: DeltaLake, place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, stores = dagster.keys("archive_slices"), opened(dagster, place)
    before = reports(stores)
    conflicts = collide(monkeypatch, ArchiveSlice.parse(keys[BATCHES]))
    ranges = [(dagster, keys[0], keys[7]), (another, keys[4], keys[11])]  # the second week is in both

    def work(each: Dagster, first: str, last: str) -> list[bool]:
        todo = ("archived_attempts", "cleared_attempts", "archived_attempts")
        return [each.materialize(asset, first, last).success for asset in todo]

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(work, *asked) for asked in ranges]
        assert [run.result() for run in runs] == [[True] * 3] * 2

    assert len(conflicts) == 1
    assert held(lake) == stored()
    assert hot_rows(stores) == 0
    assert reports(stores) == before


@pytest.mark.long
@pytest.mark.parametrize(
    "place", ["folder"], indirect=True
)  # in a bucket only conflicts differ: the test before this one
def test_two_runs_archive_verify_and_clear_halves_of_one_week_at_the_same_time(
    dagster: Dagster, another: Dagster, lake: DeltaLake, place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, stores = dagster.keys("archive_slices")[:BATCHES], opened(dagster, place)
    before = reports(stores)
    conflicts = collide(monkeypatch, *map(ArchiveSlice.parse, keys))

    def work(each: Dagster, first: str, last: str) -> list[bool]:
        return [each.materialize(asset, first, last).success for asset in ("archived_attempts", "cleared_attempts")]

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(work, dagster, keys[0], keys[1]), pool.submit(work, another, keys[2], keys[3])]
        assert [run.result() for run in runs] == [[True] * 2] * 2

    assert conflicts == []
    assert lake.pin().version == 2  # one commit each
    steps = Counter(str(entry.slice) for entry in lake.manifest())
    assert steps == dict.fromkeys(keys, 4)  # archived, verified, clearing, cleared: once each
    assert hot_rows(stores) == len(SUBMITTED) - BATCHES * 2
    assert reports(stores) == before


def collide(monkeypatch: pytest.MonkeyPatch, *slices: ArchiveSlice) -> list[LakeConflict]:
    """Make two writers of these slices wait for each other before their first append. Returns their conflicts."""
    together, conflicts, append = Barrier(2), list[LakeConflict](), DeltaLake.append

    def waiting(self: DeltaLake, pinned: Pinned, written: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        if set(slices) & set(written) and not conflicts:
            together.wait(LONGEST)
        try:
            return append(self, pinned, written, rows)
        except LakeConflict as conflict:
            conflicts.append(conflict)
            raise

    monkeypatch.setattr(DeltaLake, "append", waiting)
    return conflicts
