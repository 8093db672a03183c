"""Scheduled reports in Dagster: a schedule for each entry, and a run that writes its files."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from assess_assets.definitions import defs
from assess_assets.resources import declared_entries
from assess_assets.scheduled import ScheduledOptions, scheduled_exhausts, schedules_of
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import event

FILE = """
[[schedule]]
name = "scores"
every = "monday"
report = "score"
batchPattern = "b*"

[[schedule]]
name = "missing"
every = "day"
report = "score"
batchId = "x1"

[[schedule]]
name = "wrong"
"""

pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # the owners of a schedule


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "schedules.toml"
    path.write_text(FILE)
    monkeypatch.setenv("ASSESS_SCHEDULES", str(path))
    return path


def run(dagster: Dagster, **options: object) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ASSETS,
        selection=[scheduled_exhausts],
        instance=dagster.instance,
        resources=dagster.resources,
        run_config=dg.RunConfig(ops={"scheduled_exhausts": ScheduledOptions.model_validate(options)}),
        raise_on_error=False,
    )


def test_each_valid_entry_is_a_schedule_that_is_on(file: Path) -> None:
    first, second = schedules_of(declared_entries())
    assert (first.name, first.cron_schedule, first.execution_timezone) == ("report_scores", "0 6 * * 1", "UTC")
    assert second.name == "report_missing"
    assert first.default_status is dg.DefaultScheduleStatus.RUNNING
    assert first.description == ("Every monday at 06:00 UTC: the report score as csv of b*, below scheduled/scores.")
    names = {schedule.name for schedule in defs.schedules or []} | {sensor.name for sensor in defs.sensors or []}
    assert not names & {first.name, second.name}


def test_a_file_that_cannot_be_read_does_not_stop_dagster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path / "no.toml", tmp_path, ""):
        monkeypatch.setenv("ASSESS_SCHEDULES", str(path))
        assert declared_entries() == ()
    monkeypatch.setenv("ASSESS_GRACE", "nonsense")
    monkeypatch.setenv("ASSESS_SCHEDULES", str(tmp_path))
    assert declared_entries() == ()


def test_a_tick_asks_for_the_reports_of_its_own_day(dagster: Dagster, file: Path) -> None:
    [schedule, _] = schedules_of(declared_entries())
    at = datetime(2025, 1, 6, 6, tzinfo=UTC)
    with dg.build_schedule_context(dagster.instance, scheduled_execution_time=at) as context:
        [request] = schedule.evaluate_tick(context).run_requests or []
    assert request.run_key == "2025-01-06"
    assert request.run_config == {
        "ops": {"scheduled_exhausts": {"config": {"schedules": ["scores"], "day": "2025-01-06"}}}
    }


def test_a_run_writes_the_files_of_the_day_once(dagster: Dagster, file: Path) -> None:
    dagster.ingest([event(batch="b1"), event(batch="b2")])

    first, second = (run(dagster, schedules=["scores"], day="2025-01-06") for _ in range(2))

    written = sorted(Path(dagster.settings.exhausts).rglob("scheduled/scores/2025-01-06/*"))
    assert [path.name for path in written] == ["b1.csv", "b1.csv.json", "b2.csv", "b2.csv.json"]
    previews = [
        str(done.asset_materializations_for_node("scheduled_exhausts")[0].metadata["preview"].value)
        for done in (first, second)
    ]
    assert ["written" in text for text in previews] == [True, False]
    assert ["already there" in text for text in previews] == [False, True]
    [materialization] = second.asset_materializations_for_node("scheduled_exhausts")
    assert f"{file}:14: " in str(materialization.metadata["wrong entries"].value)


def test_a_report_that_fails_fails_the_run_after_the_others(dagster: Dagster, file: Path) -> None:
    dagster.ingest([event(batch="b1")])

    done = run(dagster, schedules=["missing", "scores"])

    assert not done.success
    assert list(Path(dagster.settings.exhausts).rglob("b1.csv"))
    failure = done.get_step_failure_events()[0].step_failure_data
    assert failure.user_failure_data is not None
    assert "1 of 2 reports failed, the others are done:\nmissing, batch x1: no store knows batch 'x1'" in str(
        failure.user_failure_data.description
    )


def test_without_a_file_a_run_says_which_setting_is_missing(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSESS_SCHEDULES", raising=False)
    failure = run(dagster).get_step_failure_events()[0].step_failure_data
    assert failure.user_failure_data is not None
    assert "ASSESS_SCHEDULES is not set" in str(failure.user_failure_data.description)
