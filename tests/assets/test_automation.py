"""What the schedules ask for."""

from pathlib import Path

import dagster as dg

from assess_assets.schedules import archive_closed_weeks, needs_archive, needs_clear
from tests.assets.conftest import FIRST, LAST, Dagster
from tests.factories import MONDAY, WEEK, event


def ranges(requests: list[dg.RunRequest]) -> list[tuple[str, str]]:
    return [(request.tags[FIRST], request.tags[LAST]) for request in requests]


def test_closed_slices_are_archived_and_then_cleared_as_one_range_each(dagster: Dagster) -> None:
    dagster.ingest([event(batch=f"b{n}", attempted=MONDAY + week * WEEK) for n in range(3) for week in range(2)])
    dagster.tick()

    archive = dagster.due(needs_archive)
    assert ranges(archive) == [("b0|2024-W05", "b2|2024-W06")]
    assert dagster.run("archive_slices_job", archive[0]).success
    assert dagster.due(needs_archive) == []

    clear = dagster.due(needs_clear)
    assert ranges(clear) == [("b0|2024-W05", "b2|2024-W06")]
    assert dagster.run("clear_slices_job", clear[0]).success
    assert dagster.due(needs_clear) == []


def test_nothing_is_cleared_that_was_not_verified(dagster: Dagster) -> None:
    dagster.ingest([event()])
    dagster.tick()

    assert dagster.due(needs_clear) == []


def test_rows_that_came_after_a_clear_are_archived_again(dagster: Dagster) -> None:
    dagster.ingest([event()])
    dagster.tick()
    for asset in ("archived_attempts", "cleared_attempts"):
        dagster.materialize(asset, "b1|2024-W05")
    dagster.ingest([event(user="u2")])

    assert ranges(dagster.due(needs_archive)) == [("b1|2024-W05", "b1|2024-W05")]


def test_an_open_week_waits(dagster: Dagster) -> None:
    dagster.clock.now = MONDAY + WEEK
    dagster.ingest([event()])
    dagster.register("archive_slices", ["b1|2024-W05"])

    assert dagster.due(needs_archive) == []


def test_a_slice_that_is_not_registered_yet_keeps_no_other_waiting(dagster: Dagster) -> None:
    dagster.ingest([event(batch="b1"), event(batch="b2")])
    dagster.register("archive_slices", ["b2|2024-W05"])

    assert ranges(dagster.due(needs_archive)) == [("b2|2024-W05", "b2|2024-W05")]


def test_the_schedule_asks_its_own_instance_and_stores(dagster: Dagster, tmp_path: Path) -> None:
    dagster.ingest([event()])
    with dg.instance_for_test(temp_dir=str(tmp_path)) as kept:
        kept.add_dynamic_partitions("archive_slices", ["b1|2024-W05"])
        with dg.build_schedule_context(kept, resources=dagster.resources) as context:
            asked = archive_closed_weeks(context)

    assert isinstance(asked, list)
    assert ranges(asked) == [("b1|2024-W05", "b1|2024-W05")]
