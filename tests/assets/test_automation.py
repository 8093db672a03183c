"""Automation conditions: they select registered slices by their state in the stores, once a week."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from assess_assets.automation import archive_closed_weeks, clear_verified_weeks
from assess_assets.definitions import defs
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.holds import Target
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.holds import add_hold
from tests.assets.conftest import TUESDAY, Dagster
from tests.assets.dagster_internals import freeze_time
from tests.factories import MONDAY, WEEK, event

SLICE = "b1|2024-W05"
ARCHIVE, CLEAR = 2, 4  # hours of the day


@pytest.mark.long
def test_closed_slices_are_archived_and_then_cleared(dagster: Dagster) -> None:
    dagster.ingest([event(batch=f"b{n}", attempted=MONDAY + week * WEEK) for n in range(3) for week in range(2)])
    dagster.tick()
    all_slices = dagster.keys("archive_slices")

    assert dagster.selected_at(ARCHIVE) == {"archived_attempts": all_slices}
    assert dagster.selected_at(CLEAR) == {}  # nothing is verified
    assert dagster.materialize("archived_attempts", all_slices[0], all_slices[-1]).success
    assert dagster.selected_at(ARCHIVE) == {}
    assert dagster.selected_at(CLEAR) == {"cleared_attempts": all_slices}
    assert dagster.materialize("cleared_attempts", all_slices[0], all_slices[-1]).success
    assert dagster.selected_at(CLEAR) == {}


def test_only_registered_slices_are_selected(dagster: Dagster) -> None:
    dagster.ingest([event(batch="b1"), event(batch="b2")])
    dagster.register("archive_slices", ["b2|2024-W05"])

    assert dagster.selected_at(ARCHIVE) == {"archived_attempts": ["b2|2024-W05"]}


def test_a_slice_that_was_archived_without_dagster_is_not_selected_again(dagster: Dagster) -> None:
    dagster.ingest([event()])
    dagster.tick()
    slices, stores, now = [ArchiveSlice.parse(SLICE)], dagster.stores, dagster.clock.now
    archive(slices, stores, now)
    verify(slices, stores, now)

    assert dagster.selected_at(ARCHIVE) == {}
    assert dagster.selected_at(CLEAR) == {"cleared_attempts": [SLICE]}
    clear(slices, stores, now)
    assert dagster.selected_at(CLEAR) == {}


def test_a_cleared_slice_with_new_rows_is_selected_again(
    dagster: Dagster,
) -> None:
    dagster.ingest([event()])
    dagster.tick()
    for asset in ("archived_attempts", "cleared_attempts"):
        dagster.materialize(asset, SLICE)
    dagster.ingest([event(user="u2")])

    assert dagster.selected_at(ARCHIVE) == {"archived_attempts": [SLICE]}


def test_a_slice_of_an_open_week_is_not_selected(dagster: Dagster) -> None:
    dagster.clock.now = MONDAY + WEEK
    dagster.ingest([event()])
    dagster.register("archive_slices", [SLICE])

    assert dagster.selected_at(ARCHIVE) == {}


def test_a_finished_slice_is_selected_too_if_that_saves_a_run(dagster: Dagster) -> None:
    keys = ["b1|2024-W05", "b2|2024-W05", "b3|2024-W05"]
    dagster.ingest([event(batch=batch) for batch in ("b1", "b2", "b3")])
    dagster.tick()
    assert dagster.materialize("archived_attempts", keys[1]).success

    assert dagster.selected_at(ARCHIVE) == {"archived_attempts": keys}


def test_a_held_slice_is_not_selected_and_not_cleared_beside_others(dagster: Dagster) -> None:
    keys = ["b1|2024-W05", "b2|2024-W05", "b3|2024-W05"]
    dagster.ingest([event(batch=batch) for batch in ("b1", "b2", "b3")])
    dagster.tick()
    assert dagster.materialize("archived_attempts", keys[0], keys[-1]).success
    add_hold(dagster.stores, Target.BATCH, "b2", "examinations office", "case 12", dagster.clock.now)
    hot = dagster.stores.hot

    assert dagster.selected_at(CLEAR) == {"cleared_attempts": keys}  # b2 is between two that need it
    cleared = dagster.materialize("cleared_attempts", keys[0], keys[-1])

    assert cleared.success
    assert [str(slice_) for slice_ in hot.held()] == [keys[1]]
    assert {done.partition for done in cleared.asset_materializations_for_node("cleared_attempts")} == {
        keys[0],
        keys[2],
    }
    assert dagster.selected_at(CLEAR) == {}


def test_a_slice_that_a_rule_keeps_in_the_hot_store_is_not_cleared(
    dagster: Dagster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "retention.toml").write_text('[[rule]]\nhot = "20 years"\n')
    monkeypatch.setenv("ASSESS_RETENTION", str(tmp_path / "retention.toml"))
    dagster.ingest([event()])
    dagster.tick()
    assert dagster.materialize("archived_attempts", SLICE).success

    assert dagster.selected_at(CLEAR) == {}
    assert dagster.materialize("cleared_attempts", SLICE).success
    assert [str(slice_) for slice_ in dagster.stores.hot.held()] == [SLICE]


@pytest.mark.parametrize(
    ("status", "hot_rows", "note", "expected"),
    [
        (SliceStatus.OPEN, 5, None, set()),
        (SliceStatus.PLANNED, 5, None, {"archive"}),
        (SliceStatus.PLANNED, 0, None, set()),  # a stream was killed before it wrote the first row
        (SliceStatus.WRITTEN, 5, None, {"archive"}),
        (SliceStatus.WRITTEN, 0, "its files differ from the manifest", {"archive"}),
        (SliceStatus.VERIFIED, 5, None, {"clear"}),
        (SliceStatus.VERIFIED, 6, "1 row came since", {"archive", "clear"}),
        (SliceStatus.CLEARING, 5, "a clear began and has not ended", {"clear"}),
        (SliceStatus.CLEARED, 0, None, set()),
    ],
)
def test_the_next_step_of_a_slice_follows_from_its_state(
    status: SliceStatus, hot_rows: int, note: str | None, expected: set[str]
) -> None:
    view = SliceView(ArchiveSlice.parse(SLICE), status, hot_rows, 5, None, None, None, None, note, False)

    found = {name for name, needs_it in (("archive", view.needs_archive), ("clear", view.needs_clear)) if needs_it}

    assert found == expected


# --- evaluated as in Dagster's daemon ---


@pytest.fixture
def repository(dagster: Dagster) -> dg.RepositoryDefinition:
    """Our definitions, with a slice that needs to be archived."""
    dagster.ingest([event()])
    dagster.tick()
    return defs.get_repository_def()


def evaluate(
    dagster: Dagster,
    repository: dg.RepositoryDefinition,
    hour: int,
    minute: int,
    cursor: str | None = None,
) -> tuple[list[list[str]], str | None]:
    """Evaluate `archive_closed_weeks` on a Tuesday or later. Returns the slices of each request, and the cursor."""
    with (
        freeze_time(TUESDAY + timedelta(hours=hour, minutes=minute, seconds=30)),
        dg.build_sensor_context(dagster.instance, cursor=cursor, repository_def=repository) as context,
    ):
        tick = archive_closed_weeks.evaluate_tick(context)
    return [slices_of(request) for request in tick.run_requests or []], tick.cursor


def slices_of(request: dg.RunRequest) -> list[str]:
    """The slices of a request: one slice is requested as a run, several slices as a backfill."""
    if not request.requires_backfill_daemon():
        return [request.partition_key or ""]
    assert request.asset_graph_subset is not None
    return sorted(
        request.asset_graph_subset.get_partitions_subset(dg.AssetKey("archived_attempts")).get_partition_keys()
    )


def test_a_condition_selects_slices_once_a_week(dagster: Dagster, repository: dg.RepositoryDefinition) -> None:
    first, cursor = evaluate(dagster, repository, 1, 59)
    second, cursor = evaluate(dagster, repository, 2, 0, cursor)
    rest = []
    for hours in range(2, 7 * 24 + 3, 6):  # until the next Tuesday
        selected, cursor = evaluate(dagster, repository, hours, 1, cursor)
        rest.append(selected)

    assert (first, second) == ([], [[SLICE]])
    assert rest == [[]] * 28 + [[[SLICE]]]


@pytest.mark.filterwarnings("ignore:Function `AssetSelection.keys`:DeprecationWarning")  # called by Dagster itself
def test_several_slices_are_requested_as_one_backfill(dagster: Dagster, repository: dg.RepositoryDefinition) -> None:
    dagster.ingest([event(batch=f"b{n}") for n in range(5)])
    dagster.tick()
    _, cursor = evaluate(dagster, repository, 1, 59)

    assert evaluate(dagster, repository, 2, 0, cursor)[0] == [[f"b{n}|2024-W05" for n in range(5)]]


def test_slices_are_selected_later_if_dagster_was_down_at_the_hour(
    dagster: Dagster, repository: dg.RepositoryDefinition
) -> None:
    _, cursor = evaluate(dagster, repository, 1, 59)

    assert evaluate(dagster, repository, 17, 30, cursor)[0] == [[SLICE]]


def test_slices_are_selected_a_minute_later_if_the_store_was_down_at_the_hour(
    dagster: Dagster, repository: dg.RepositoryDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: SqliteHot, **_asked: object) -> list[ArchiveSlice]:
        raise StoreUnavailable("the hot store is down")

    _, cursor = evaluate(dagster, repository, 1, 59)
    with monkeypatch.context() as broken:
        broken.setattr(SqliteHot, "held", unavailable)
        with pytest.raises(Exception, match="archived_attempts") as failed:
            evaluate(dagster, repository, 2, 0, cursor)

    assert isinstance(failed.value.__cause__, StoreUnavailable)
    assert evaluate(dagster, repository, 2, 1, cursor)[0] == [[SLICE]]


def test_no_store_is_read_between_the_scheduled_hours(
    dagster: Dagster, repository: dg.RepositoryDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: SqliteHot, **_asked: object) -> list[ArchiveSlice]:
        raise AssertionError("the store was read")

    _, cursor = evaluate(dagster, repository, 2, 30)
    monkeypatch.setattr(SqliteHot, "held", fail)

    assert evaluate(dagster, repository, 2, 31, cursor)[0] == []


def test_archive_and_clear_have_separate_sensors() -> None:
    graph = defs.resolve_asset_graph()

    targets = {
        sensor.name: {key.to_user_string() for key in sensor.asset_selection.resolve(graph)}
        for sensor in (archive_closed_weeks, clear_verified_weeks)
    }

    assert targets == {"archive_closed_weeks": {"archived_attempts"}, "clear_verified_weeks": {"cleared_attempts"}}
