"""What Dagster finds, and what finding it costs."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assess_assets import definitions
from assess_assets.resources import Lakehouse
from assess_core.errors import SliceOpen, StoreUnavailable
from tests.assets.conftest import ASSETS

ROOT = Path(__file__).parents[2]

LOAD = """
import os, socket, sys, warnings
import dagster as dg
for notice in (dg.BetaWarning, dg.PreviewWarning, dg.SupersessionWarning):
    warnings.simplefilter("ignore", notice)

def forbid(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if writes or event in ("os.mkdir", "socket.connect", "sqlite3.connect", "subprocess.Popen", "socket.getaddrinfo"):
        raise AssertionError(f"{event}{args}")

sys.dont_write_bytecode = True
sys.addaudithook(forbid)
from assess_assets.definitions import defs
print(sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()))
"""


def load(*options: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", LOAD]
    return subprocess.run(command, env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, check=False)


def test_definitions_decide_nothing() -> None:
    lines = Path(definitions.__file__).read_text(encoding="utf-8").splitlines()

    assert len(lines) < 40
    assert not [line for line in lines if line.lstrip().startswith(("if ", "for ", "def ", "match "))]


def test_loading_touches_no_environment_disk_or_network_and_brings_no_warning() -> None:
    result = load("-W", "error", ASSESS_HOT_STORE="nonsense", ASSESS_GRACE="nonsense", ASSESS_LAKE="nonsense://")

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout == (
        "['archived_attempts', 'balance_sheet', 'cleared_attempts', 'hot_attempts', "
        "'response_exhaust', 'score_exhaust', 'weekly_activity']\n"
    )


def test_everything_is_there() -> None:
    defs = definitions.defs

    assert {job.name for job in defs.resolve_all_job_defs()} >= {"archive_slices_job", "clear_slices_job"}
    assert [sensor.name for sensor in defs.sensors or []] == ["register_slices_and_batches"]
    assert [schedule.name for schedule in defs.schedules or []] == ["archive_closed_weeks", "clear_verified_weeks"]


def test_what_deletes_waits_for_somebody_to_start_it() -> None:
    running = dg.DefaultScheduleStatus.RUNNING
    schedules = {schedule.name: schedule for schedule in definitions.defs.schedules or []}

    started = {name for name, each in schedules.items() if each.default_status is running}

    assert started == {"archive_closed_weeks"}


@pytest.mark.parametrize("asset", [asset for asset in ASSETS if asset.is_executable], ids=str)
def test_no_asset_hands_anything_to_an_io_manager(asset: dg.AssetsDefinition) -> None:
    outputs = {asset.get_output_name_for_asset_key(key) for key in asset.keys} if not asset.is_observable else set()

    types = {output.name: output.dagster_type for output in asset.node_def.output_defs}

    assert all(types[name].is_nothing for name in outputs)


def test_an_error_that_may_pass_is_left_to_retries_and_no_other_is(tmp_path: Path) -> None:
    lakehouse = Lakehouse(home=str(tmp_path))

    with pytest.raises(StoreUnavailable), lakehouse.open():
        raise StoreUnavailable("the disk is full; free some room")
    with pytest.raises(dg.Failure, match="it is open") as refused, lakehouse.open():
        raise SliceOpen("it is open")

    assert refused.value.allow_retries is False


def test_dagster_keeps_its_own_books_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        ref = instance.get_ref()
        folders = [
            data.config_dict["base_dir"]
            for data in (ref.storage_data, ref.local_artifact_storage_data, ref.compute_logs_data)
            if data
        ]
        telemetry, retries = instance.telemetry_enabled, instance.run_retries_enabled

    assert folders == [f".assess/dagster/{name}" for name in ("storage", "artifacts", "compute_logs")]
    assert [path.name for path in tmp_path.iterdir()] == [".assess"]
    assert not telemetry
    assert not retries
