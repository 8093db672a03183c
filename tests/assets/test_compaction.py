"""Compaction from Dagster."""

from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from assess_assets import compaction
from assess_core.domain.moments import DAY
from assess_core.domain.report_spec import Report
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.sealing import NewTicket
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import MONDAY, event, version
from tests.lakes import asked, put

COMPACTED = dg.AssetKey("compacted_attempts")


def compact(dagster: Dagster) -> dg.ExecuteInProcessResult:
    selection = dg.AssetSelection.assets(COMPACTED)
    return dg.materialize(
        ASSETS, selection=selection, instance=dagster.instance, resources=dagster.resources, raise_on_error=False
    )


def test_a_week_that_was_archived_in_parts_becomes_one_file(dagster: Dagster) -> None:
    for batch in ("b1", "b2"):
        dagster.ingest([event(batch=batch, attempted=MONDAY)], MONDAY)
        dagster.tick()
        dagster.materialize("archived_attempts", dagster.keys("archive_slices")[-1])

    done = compact(dagster)

    assert done.success
    [materialization] = done.asset_materializations_for_node("compacted_attempts")
    assert (materialization.metadata["weeks"].value, materialization.metadata["rows"].value) == (1, 2)
    assert len(dagster.stores.lake.pin().files()) == 1
    assert compact(dagster).asset_materializations_for_node("compacted_attempts")[0].metadata["weeks"].value == 0


@pytest.mark.long
def test_old_files_are_deleted_unless_a_ticket_holds_them(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "vacuum", partial(vacuum, retain=0))  # instead of a week
    for batch in ("b1", "b2"):
        dagster.ingest([event(batch=batch, attempted=MONDAY)], MONDAY)
        dagster.tick()
        dagster.materialize("archived_attempts", dagster.keys("archive_slices")[-1])
    old = [Path(file.url) for file in dagster.stores.lake.pin().files()]

    wish = NewTicket(DAY, lambda: dagster.clock.now)
    write_exhaust(dagster.stores, asked("b1", Report.SCORE), ticket=wish)

    [done] = compact(dagster).asset_materializations_for_node("compacted_attempts")

    manifest = 5  # two archives, two verifications and one compaction wrote one manifest file each
    assert done.metadata["files deleted"].value == 1 + manifest
    assert done.metadata["files held by tickets"].value == 1
    assert sorted(path.exists() for path in old) == [False, True]


def test_a_week_that_differs_from_the_manifest_fails_the_run_with_its_name(dagster: Dagster) -> None:
    for attempt in ("t1", "t2"):
        put(dagster.stores.lake, [version(attempt_id=attempt)])

    done = compact(dagster)

    assert not done.success
    [failure] = [event for event in done.all_events if event.is_step_failure]
    assert "week 2024-W05 was not compacted: b1|2024-W05: it was never archived" in str(failure.event_specific_data)
