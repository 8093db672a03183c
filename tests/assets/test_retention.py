"""Retention from Dagster."""

from pathlib import Path

import dagster as dg
import pytest

from assess_assets.housekeeping import HOUSEKEEPING, RETENTION, Switch, summary
from assess_assets.retention import retain_weekly
from assess_core.domain.holds import Target
from assess_core.usecases.holds import add_hold
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import event


def retain(dagster: Dagster) -> dg.ExecuteInProcessResult:
    selection = dg.AssetSelection.assets("retained_attempts")
    return dg.materialize(
        ASSETS, selection=selection, instance=dagster.instance, resources=dagster.resources, raise_on_error=False
    )


@pytest.mark.long
def test_a_run_clears_and_drops_what_is_due_and_shows_what_a_hold_stops(
    dagster: Dagster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "retention.toml").write_text('[[rule]]\nhot = "1 year"\nanswers = "5 years"\n')
    monkeypatch.setenv("ASSESS_RETENTION", str(tmp_path / "retention.toml"))
    dagster.ingest([event(batch="b1"), event(batch="b2")])
    dagster.tick()
    slices = dagster.keys("archive_slices")
    dagster.materialize("archived_attempts", slices[0], slices[-1])
    add_hold(dagster.stores, Target.BATCH, "b2", "examinations office", "case 12", dagster.clock.now)

    [done] = retain(dagster).asset_materializations_for_node("retained_attempts")

    shown = [done.metadata[name].value for name in ("rows cleared", "rows dropped", "scores kept", "stopped")]
    assert shown == [1, 1, 1, 2]
    assert "case 12" in str(done.metadata["preview"].value)
    assert [str(slice_) for slice_ in dagster.stores.hot.held()] == ["b2|2024-W05"]


def test_without_rules_a_run_says_what_to_set(dagster: Dagster) -> None:
    failed = retain(dagster)

    assert not failed.success
    [failure] = failed.get_step_failure_events()
    assert "ASSESS_RETENTION is not set" in failure.step_failure_data.error_display_string


def test_the_schedule_is_off_and_housekeeping_counts_without_it() -> None:
    assert retain_weekly.default_status is dg.DefaultScheduleStatus.STOPPED
    switches = [Switch(name, "sensor", name != RETENTION, "", {}) for name in (*HOUSEKEEPING, RETENTION)]
    assert summary(switches).startswith("housekeeping is on: ")
