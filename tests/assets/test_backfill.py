"""Starting a backfill from the command line, and its survival when Dagster's processes are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assess_assets.__main__ import chosen, main, needed
from assess_assets.backfill import State
from assess_assets.registration import Range
from assess_core.errors import BadSlice, StoreUnavailable
from assess_core.settings import Settings
from assess_core.usecases.archiving import slice_views
from assess_core.wiring import open_stores
from benchmarks.backfill import fill
from benchmarks.dagster_service import Service, kill_session, running
from tests.assets.conftest import Dagster
from tests.factories import MONDAY, WEEK, event

ROOT = Path(__file__).parents[2]
SLICES = 40
REGISTERED = ["b1|2024-W05", "b2|2024-W05", "b1|2024-W06"]
RUNS = "{runsOrError(limit: 50) {... on Runs {results {runId status tags {key value}}}}}"
PIDS = """
query($id: ID!) {logsForRun(runId: $id) {... on EventConnection {events {__typename ... on EngineEvent {
  metadataEntries {label ... on TextMetadataEntry {text}}
}}}}}
"""


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("b2|2024-W05", None, Range("b2|2024-W05", "b2|2024-W05")),
        ("b1|2024-W05", "b1|2024-W06", Range("b1|2024-W05", "b1|2024-W06")),
    ],
)
def test_a_range_is_chosen_by_its_first_and_last_slice(first: str, last: str | None, expected: Range) -> None:
    assert chosen(REGISTERED, first, last) == [expected]


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [("b9|2024-W05", None, "not registered"), ("b1|2024-W06", "b1|2024-W05", "the order is by week, then batch")],
)
def test_a_wrong_range_is_refused(first: str, last: str | None, why: str) -> None:
    with pytest.raises(BadSlice, match=why):
        chosen(REGISTERED, first, last)


def test_a_backfill_needs_every_slice_that_is_not_cleared(dagster: Dagster) -> None:
    for batch, week in (("b1", 0), ("b2", 0), ("b1", 1)):
        dagster.ingest([event(batch=batch, attempted=MONDAY + week * WEEK)])
    dagster.tick()
    everything = [Range(REGISTERED[0], REGISTERED[-1])]
    assert dagster.keys("archive_slices") == REGISTERED

    found = [needed(REGISTERED, dagster.resources["lakehouse"])]
    for asset in ("archived_attempts", "cleared_attempts"):
        assert dagster.materialize(asset, REGISTERED[0], REGISTERED[-1]).success
        found.append(needed(REGISTERED, dagster.resources["lakehouse"]))

    assert found == [everything, everything, []]


@pytest.mark.parametrize(
    ("status", "ended", "succeeded"),
    [
        ("REQUESTED", False, False),
        ("CANCELING", False, False),
        ("FAILING", False, False),
        ("COMPLETED_SUCCESS", True, True),
        ("COMPLETED_FAILED", True, False),
        ("CANCELED", True, False),
        ("FAILED", True, False),
    ],
)
def test_a_backfill_has_succeeded_if_all_its_slices_have(status: str, ended: bool, succeeded: bool) -> None:
    state = State(status, 2, 1, 1)

    assert (state.has_ended, state.succeeded) == (ended, succeeded)


def test_a_backfill_without_dagster_prints_how_to_start_dagster() -> None:
    lines: list[str] = []

    assert main(["--dagster", "http://127.0.0.1:9"], lines.append) == StoreUnavailable.exit_code
    assert "`assess up` runs it" in lines[0]


@pytest.mark.long
def test_a_backfill_without_dagster_prints_one_line_and_no_warning_of_dagster(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "assess_assets", "--dagster", "http://127.0.0.1:9"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == StoreUnavailable.exit_code
    assert done.stdout == ""
    assert done.stderr.startswith("assess: Dagster at http://127.0.0.1:9 did not answer")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of stores with closed slices. `ASSESS_HOME` is their home."""
    for name in [name for name in os.environ if name.startswith(("ASSESS_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ASSESS_HOME", str(tmp_path / "home"))
    settings = Settings.from_env(os.environ)
    fill(settings, SLICES, 3)
    return settings


def runs(dagster: Service) -> list[tuple[str, str]]:
    """The id and the status of each run, newest first."""
    return [(run["runId"], run["status"]) for run in dagster.ask(RUNS)["runsOrError"]["results"]]


def process_of(dagster: Service, run: str) -> int | None:
    """The process id of a run, if the run has logged it."""
    for logged in dagster.ask(PIDS, id=run)["logsForRun"].get("events", []):
        for entry in logged.get("metadataEntries", []):
            if entry["label"] == "pid":
                return int(entry["text"])
    return None


def killed(dagster: Service) -> Iterator[bool]:
    """Kills the process of the first run with SIGKILL when there is one. Yields whether it did."""
    while True:
        process = next((found for run, _ in runs(dagster) if (found := process_of(dagster, run))), None)
        if process is not None:
            os.kill(process, signal.SIGKILL)
        yield process is not None


def statuses(settings: Settings) -> set[str]:
    views = slice_views(open_stores(settings), time.time_ns() // 1_000_000, settings.grace, None)
    assert len(views) == SLICES
    return {view.status.value for view in views}


@pytest.mark.long
def test_a_backfill_from_the_command_line_survives_kills_of_its_run_and_of_all_of_dagster(
    settings: Settings, tmp_path: Path
) -> None:
    lines: list[str] = []
    with running(settings, tmp_path / "dagster.log") as dagster:
        dagster.start_sensor("register_slices_and_batches")
        dagster.wait("registering", lambda: len(dagster.registered()) == SLICES)
        assert main(["--dagster", dagster.url], lines.append) == 0
        kill_session(dagster.process.pid)  # before the daemon evaluates the backfill, which it does every 30 s
    assert f"started a backfill of {SLICES} slices" in lines[0]
    backfill = lines[0].rpartition("/")[2]

    with running(settings, tmp_path / "dagster.log") as dagster:
        attempts = killed(dagster)
        dagster.wait("a run to kill", lambda: next(attempts))
        # wait until the run has started, because Dagster waits three minutes for a killed run that is still starting
        dagster.wait("another run", lambda: len(runs(dagster)) == 2 and runs(dagster)[0][1] in {"STARTED", "SUCCESS"})
        kill_session(dagster.process.pid)

    with running(settings, tmp_path / "dagster.log") as dagster:
        dagster.wait("the backfill", lambda: dagster.state(backfill).has_ended, patience=400)
        ended = runs(dagster)
        assert dagster.state(backfill).succeeded, ended
        assert sorted(status for _, status in ended).count("SUCCESS") == 1
        assert main(["--dagster", dagster.url], lines.append) == 0

    assert statuses(settings) == {"cleared"}
    assert "no registered slice needs a step" in lines[1]
