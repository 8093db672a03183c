"""Weekly activity from Dagster: the `iso_weeks` partitions and the table."""

from itertools import pairwise

import pytest

from assess_assets.partitions import iso_weeks, week_of
from assess_core.domain.slices import IsoWeek
from assess_core.ports.reports import WeeklyActivity
from assess_core.wiring import open_weekly
from tests.assets.conftest import Dagster
from tests.factories import MONDAY, WEEK, event, wire_answer


def rows(dagster: Dagster) -> list[WeeklyActivity]:
    return open_weekly(dagster.settings).rows()


def ingest_two_weeks(dagster: Dagster) -> None:
    """Fold the attempts of three learners in each of two weeks."""
    for week in range(2):
        for user, score in (("u1", 1.0), ("u2", 0.1), ("u3", 0.2)):
            at, answers = MONDAY + week * WEEK, [wire_answer(score=score)]
            dagster.ingest([event(user=user, attempt=f"t{week}", attempted=at, answers=answers)], at)
    dagster.tick()


def test_the_weeks_are_those_of_iso_8601_from_2015_w01() -> None:
    keys = iso_weeks.get_partition_keys()

    assert keys[0] == "2014-12-29"  # the Monday of 2015-W01
    assert [week_of(key) for key in keys[:2]] == [IsoWeek(2015, 1), IsoWeek(2015, 2)]
    assert all(week_of(key).start + WEEK == week_of(after).start for key, after in pairwise(keys))
    assert week_of("2024-12-30") == IsoWeek(2025, 1)


def test_archive_and_clear_do_not_change_weekly_activity(dagster: Dagster) -> None:
    ingest_two_weeks(dagster)
    result = dagster.materialize("weekly_activity", "2024-01-29", "2024-02-05")
    assert result.success
    shown = [each.materialization.metadata["rows"].value for each in result.get_asset_materialization_events()]
    assert shown == [1, 1]  # one batch in each week
    before = rows(dagster)

    for asset in ("archived_attempts", "cleared_attempts"):
        assert dagster.materialize(asset, "b1|2024-W05").success
    assert dagster.materialize("weekly_activity", "2024-01-29", "2024-02-05").success

    assert [str(row.slice) for row in before] == ["b1|2024-W05", "b1|2024-W06"]
    assert [(row.attempts, row.learners) for row in before] == [(3, 3), (3, 3)]
    assert [row.mean_score for row in before] == [pytest.approx(1.3 / 3)] * 2
    assert rows(dagster) == before


def test_a_week_that_runs_again_replaces_only_itself(dagster: Dagster) -> None:
    ingest_two_weeks(dagster)
    dagster.materialize("weekly_activity", "2024-01-29", "2024-02-05")
    dagster.ingest([event(user="u4", attempt=f"t{week}", attempted=MONDAY + week * WEEK) for week in range(2)])

    dagster.materialize("weekly_activity", "2024-02-05")

    assert [(str(row.slice.week), row.attempts) for row in rows(dagster)] == [("2024-W05", 3), ("2024-W06", 4)]


def test_a_week_without_attempts_is_materialized_too(dagster: Dagster) -> None:
    assert dagster.materialize("weekly_activity", "2015-01-05").success
    assert rows(dagster) == []
