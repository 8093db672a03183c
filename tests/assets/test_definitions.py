"""The definitions that Dagster loads, and how Dagster runs them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assess_assets import definitions
from assess_assets.event_log import BatchedEventLog
from assess_assets.resources import RETRY, Lakehouse
from assess_assets.run_launcher import is_alive
from assess_assets.watch import watch_job
from assess_core.domain.report_spec import Report
from assess_core.errors import SliceOpen, StoreUnavailable
from tests.assets.conftest import ASSETS, FIRST, LAST, begin_a_run
from tests.assets.dagster_internals import EngineEventData

ROOT = Path(__file__).parents[2]

EXHAUSTS = [f"{report.replace('-', '_')}_exhaust" for report in Report]

LOAD = """
import os, socket, sys
import dagster

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


def test_definitions_contain_no_branch_loop_or_function() -> None:
    lines = Path(definitions.__file__).read_text(encoding="utf-8").splitlines()

    assert len(lines) < 60
    assert not [line for line in lines if line.lstrip().startswith(("if ", "for ", "def ", "match "))]


@pytest.mark.long
def test_loading_uses_no_environment_disk_or_network_and_prints_no_warning() -> None:
    result = load(
        "-W",
        "error",
        ASSESS_HOT_STORE="nonsense",
        ASSESS_GRACE="nonsense",
        ASSESS_LAKE="nonsense://",
        ASSESS_SCHEDULES="",
    )

    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout == (
        "['archived_attempts', 'assessment_analysis_exhaust', 'balance_sheet', 'cleared_attempts', "
        "'compacted_attempts', 'corrections', 'holds_and_erasures', 'hot_attempts', 'imported_archives', "
        "'item_analysis_exhaust', "
        "'option_analysis_exhaust', 'overview_exhaust', 'progress_exhaust', 'requested_exhausts', 'response_exhaust', "
        "'restored_attempts', 'retained_attempts', 'scheduled_exhausts', 'score_exhaust', 'seals', "
        "'summary_exhaust', 'weekly_activity']\n"
    )


def test_all_jobs_sensors_and_schedules_are_loaded() -> None:
    defs = definitions.defs

    assert {job.name for job in defs.resolve_all_job_defs()} >= {"watch_job", "scheduled_job"}
    # Dagster would add a default sensor for a condition that has none
    assert {sensor.name for sensor in defs.get_repository_def().sensor_defs} == {
        "register_slices_and_batches",
        "serve_requests",
        "archive_closed_weeks",
        "clear_verified_weeks",
        "retire_cleared_slices",
    }
    assert {schedule.name for schedule in defs.schedules or []} == {"watch_daily"}
    assert defs.executor is dg.in_process_executor


def test_only_the_sensors_that_delete_no_attempts_are_on_by_default() -> None:
    defs = definitions.defs
    automation = [*(defs.schedules or []), *(defs.sensors or [])]

    assert len(automation) == 6
    running = {each.name for each in automation if each.default_status.value == "RUNNING"}
    assert running == {"register_slices_and_batches", "serve_requests"}
    assert all(each.description for each in automation)  # the UI shows only the description beside a switch


def test_every_asset_has_a_description_an_owner_a_group_and_a_kind() -> None:
    graph = definitions.defs.resolve_asset_graph()

    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners == ["team:assessment"], key
        assert node.group_name in {"attempts", "exhausts", "analytics"}, key
        assert node.kinds or key == dg.AssetKey("hot_attempts"), key  # its kind depends on the setting of the hot store


def test_only_one_run_at_a_time_writes_to_the_lake() -> None:
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        concurrency = instance.get_concurrency_config()

    assert concurrency.pool_config.default_pool_limit == 1
    assert concurrency.pool_config.pool_granularity is not None
    assert concurrency.pool_config.pool_granularity.value == "run"
    assert concurrency.run_queue_config is not None
    assert concurrency.run_queue_config.max_concurrent_runs == 2
    writers = {str(key.to_user_string()) for asset in ASSETS for key in asset.keys if "lake" in asset.node_def.pools}
    assert writers == {
        "archived_attempts",
        "cleared_attempts",
        "compacted_attempts",
        "imported_archives",
        "restored_attempts",
        "retained_attempts",
    }


def test_one_run_can_process_many_slices_or_batches() -> None:
    graph = definitions.defs.resolve_asset_graph()
    found = {key.to_user_string(): graph.get(key).backfill_policy for key in graph.get_all_asset_keys()}

    most = {asset: policy.max_partitions_per_run for asset, policy in found.items() if policy}
    assert most == {
        "archived_attempts": 1000,
        "cleared_attempts": 1000,
        **dict.fromkeys(EXHAUSTS, 50),
        "balance_sheet": None,  # one run for all
        "weekly_activity": None,
    }


def test_an_asset_depends_on_the_assets_that_it_reads_and_only_clear_maps_slice_to_slice() -> None:
    graph = definitions.defs.resolve_asset_graph()
    both = {"hot_attempts", "archived_attempts"}

    parents = {key.to_user_string(): graph.get(key).parent_keys for key in graph.materializable_asset_keys}
    assert {asset: {key.to_user_string() for key in keys} for asset, keys in parents.items()} == {
        "archived_attempts": {"hot_attempts"},
        "cleared_attempts": {"archived_attempts"},
        "compacted_attempts": {"archived_attempts"},
        "imported_archives": set(),
        "restored_attempts": {"cleared_attempts"},
        "retained_attempts": {"archived_attempts"},
        "balance_sheet": both,
        **dict.fromkeys(EXHAUSTS, both),
        "requested_exhausts": both,
        "scheduled_exhausts": both,
        "seals": {"archived_attempts"},
        "corrections": set(),
        "holds_and_erasures": set(),
        "weekly_activity": both,
    }
    # by default Dagster maps equal keys, so a batch `b1` would wait for a slice `b1`
    archived = dg.AssetKey("archived_attempts")
    assert {
        asset: type(graph.get_partition_mapping(dg.AssetKey(asset), archived)).__name__
        for asset, keys in parents.items()
        if archived in keys and asset != "compacted_attempts"
    } == {
        "cleared_attempts": "IdentityPartitionMapping",
        "balance_sheet": "AllPartitionMapping",
        **dict.fromkeys(EXHAUSTS, "AllPartitionMapping"),
        "requested_exhausts": "AllPartitionMapping",
        "retained_attempts": "AllPartitionMapping",
        "scheduled_exhausts": "AllPartitionMapping",
        "seals": "AllPartitionMapping",
        "weekly_activity": "AllPartitionMapping",
    }


@pytest.mark.parametrize("asset", [asset for asset in ASSETS if asset.is_executable], ids=str)
def test_no_asset_passes_anything_to_an_io_manager(asset: dg.AssetsDefinition) -> None:
    outputs = {asset.get_output_name_for_asset_key(key) for key in asset.keys} if not asset.is_observable else set()

    types = {output.name: output.dagster_type for output in asset.node_def.output_defs}

    assert all(types[name].is_nothing for name in outputs)


def test_only_a_temporary_error_permits_a_retry(tmp_path: Path) -> None:
    lakehouse = Lakehouse(home=str(tmp_path))

    with pytest.raises(StoreUnavailable), lakehouse.open():
        raise StoreUnavailable("the disk is full; free some room")
    with pytest.raises(dg.Failure, match="it is open") as refused, lakehouse.open():
        raise SliceOpen("it is open")
    with pytest.raises(dg.Failure, match="defect of the lakehouse: KeyError: 'a member'") as defect, lakehouse.open():
        raise KeyError("a member")

    assert refused.value.allow_retries is False
    assert defect.value.allow_retries is False


@pytest.mark.parametrize(
    ("error", "attempts"),
    [(StoreUnavailable("unavailable"), 4), (SliceOpen("open"), 1), (KeyError("a defect"), 1)],
    ids=repr,
)
def test_a_step_is_retried_only_after_a_temporary_error(tmp_path: Path, error: Exception, attempts: int) -> None:
    tried = []

    @dg.asset(retry_policy=dg.RetryPolicy(RETRY.max_retries, delay=0))
    def failing(lakehouse: Lakehouse) -> None:
        with lakehouse.open():
            tried.append(error)
            raise error

    lakehouse = Lakehouse(home=str(tmp_path))
    result = dg.materialize([failing], resources={"lakehouse": lakehouse}, raise_on_error=False)

    assert not result.success
    assert len(tried) == attempts


def test_every_step_that_opens_the_stores_retries_with_jitter() -> None:
    defs = definitions.defs
    jobs = [defs.resolve_job_def("watch_job"), defs.resolve_implicit_global_asset_job_def()]

    policies = {
        node.name: node.retry_policy or node.definition.retry_policy
        for job in jobs
        for node in job.graph.nodes
        if isinstance(node.definition, dg.OpDefinition)
    }

    # slice_keys opens no store; an observation can get a policy only from its job
    assert {name for name, policy in policies.items() if policy != RETRY} == {"hot_attempts", "hot_attempts_slice_keys"}
    assert watch_job.op_retry_policy == RETRY
    assert RETRY.jitter is not None


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance that dagster.yaml describes, in a folder for this test."""
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        yield instance


def test_dagster_stores_its_records_below_the_home_folder(configured: dg.DagsterInstance) -> None:
    assert [path.name for path in Path.cwd().iterdir()] == [".assess"]
    assert [path.name for path in Path(".assess").iterdir()] == ["dagster"]
    assert not configured.telemetry_enabled


def test_a_run_is_restarted_if_its_process_was_killed_but_not_if_a_step_failed(
    configured: dg.DagsterInstance,
) -> None:
    assert configured.run_retries_enabled
    assert not configured.run_retries_retry_on_asset_or_op_failure
    assert configured.run_monitoring_enabled
    assert configured.run_launcher.supports_check_run_worker_health


def test_a_killed_run_is_marked_for_a_retry_when_it_fails(
    configured: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    states, handle = [], configured.run_storage.handle_run_event

    def look(run_id: str, *args: Any) -> None:
        handle(run_id, *args)
        run = configured.get_run_by_id(run_id)
        assert run is not None
        states.append((run.status, run.is_complete_and_waiting_to_retry))

    monkeypatch.setattr(configured.run_storage, "handle_run_event", look)
    run = configured.create_run_for_job(dg.GraphDefinition("nothing").to_job())

    configured.report_run_failed(run, "its process was killed")

    assert states == [(dg.DagsterRunStatus.FAILURE, True)]


def test_a_process_is_distinguished_from_a_later_one_with_the_same_id() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert is_alive(os.getpid(), time.time())
    assert not is_alive(os.getpid(), time.time() - 10 * 365 * 86_400)  # then another process had this id
    assert not is_alive(ended.pid, time.time())


def test_a_zombie_process_is_not_alive() -> None:
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)

    assert not is_alive(ended.pid, time.time())
    ended.wait()


def test_a_run_has_failed_if_its_process_has_ended(configured: dg.DagsterInstance) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    health = []
    for process in (None, os.getpid(), ended.pid):
        run = begin_a_run(configured)
        if process is not None:
            configured.report_engine_event(
                "the run started", run, EngineEventData({"pid": dg.MetadataValue.text(str(process))})
            )
        health.append(configured.run_launcher.check_run_worker_health(run).status.value)

    assert health == ["RUNNING", "RUNNING", "FAILED"]


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
def test_a_batch_of_events_reads_back_like_single_events(
    configured: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = dg.StaticPartitionsDefinition(["a", "b", "c"])

    @dg.asset(partitions_def=parts, backfill_policy=dg.BackfillPolicy.single_run())
    def partitioned(context: dg.AssetExecutionContext) -> None:
        for key in context.partition_keys:
            context.add_asset_metadata({"of": key}, partition_key=key)

    seen = []
    for size in ("0", "2", "500"):
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", size)
        run = dg.materialize([partitioned], instance=configured, tags={FIRST: "a", LAST: "c"})
        records = configured.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=partitioned.key, after_storage_id=0), limit=3, ascending=False
        ).records
        newest = configured.get_latest_materialization_event(partitioned.key)
        assert newest is not None
        assert newest.run_id == run.run_id
        in_run = [event for event in configured.all_logs(run.run_id) if event.is_dagster_event]
        seen.append(
            (
                [(record.partition_key, record.event_log_entry.run_id == run.run_id) for record in records],
                [record.asset_materialization and record.asset_materialization.metadata["of"] for record in records],
                newest.asset_materialization and newest.asset_materialization.partition,
                configured.get_materialized_partitions(partitioned.key),
                sorted(str(event.dagster_event_type) for event in in_run),
            )
        )

    assert isinstance(configured.event_log_storage, BatchedEventLog)
    assert sorted(seen[0][0]) == [("a", True), ("b", True), ("c", True)]
    assert seen == [seen[0]] * 3
