"""The limits for registered keys, which keys are retired, and how a retired key is registered again."""

from typing import Any

import dagster as dg
import pytest

from assess_assets import registration, sensors
from assess_assets.registration import KEY_LIFETIME, budget, is_finished, rotate, to_retire
from assess_core.domain.moments import DAY
from assess_core.domain.slice_status import SliceStatus, SliceView
from assess_core.domain.slices import ArchiveSlice
from tests.assets.conftest import Dagster
from tests.assets.dagster_internals import BulkActionStatus, PartitionBackfill
from tests.factories import MONDAY, WEEK, event
from tests.loop import put_away

SLICE = ArchiveSlice.parse("b1|2024-W05")
LONG_AFTER = SLICE.week.end + KEY_LIFETIME


def view(slice_: str = str(SLICE), **more: Any) -> SliceView:
    """A slice that was cleared long ago."""
    cleared = SliceView(ArchiveSlice.parse(slice_), SliceStatus.CLEARED, 0, 5, 1, 2, 3, None, None, False)
    return cleared._replace(**more)


# --- the limits ---


@pytest.mark.parametrize(
    ("keys", "passed", "hard"),
    [(0, True, False), (24_999, True, False), (25_000, False, False), (99_999, False, False), (100_000, False, True)],
)
def test_25_000_keys_are_a_warning_and_100_000_an_error(keys: int, passed: bool, hard: bool) -> None:
    found = budget(keys)

    assert (found.passed, found.hard) == (passed, hard)
    assert f"{keys:,} registered slice keys" in found.message
    assert ("retire_cleared_slices" in found.message) is not passed


@pytest.mark.parametrize(("keys", "severity"), [(2, "WARN"), (3, "ERROR")])
def test_the_check_counts_the_registered_slices(
    dagster: Dagster, keys: int, severity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "KEYS_TO_WARN", 2)
    monkeypatch.setattr(registration, "KEYS_TO_FAIL", 3)
    dagster.register("archive_slices", [f"b{n}|2024-W05" for n in range(keys)])

    check = dagster.check("slice_keys")

    assert (check.passed, check.severity.value, check.metadata["keys"].value) == (False, severity, keys)


# --- which keys are retired ---


def test_a_cleared_slice_is_finished_half_a_year_after_its_week() -> None:
    assert is_finished(view(), LONG_AFTER)


@pytest.mark.parametrize(
    "more",
    [
        {"status": SliceStatus.VERIFIED},
        {"status": SliceStatus.CLEARING},
        {"status": SliceStatus.WRITTEN},
        {"status": SliceStatus.PLANNED},
        {"status": SliceStatus.OPEN},
        {"hot_rows": 1},
        {"note": "its files differ from the manifest"},
    ],
    ids=str,
)
def test_a_slice_with_something_left_to_do_is_not_finished(more: dict[str, Any]) -> None:
    assert not is_finished(view(**more), LONG_AFTER)


def test_a_slice_of_the_last_half_year_is_not_finished() -> None:
    assert not is_finished(view(), LONG_AFTER - 1)
    assert KEY_LIFETIME == 182 * DAY


def test_only_registered_keys_are_retired_oldest_first_and_up_to_a_limit() -> None:
    views = [view(f"b{n}|2024-W0{week}") for week in (5, 4) for n in (2, 1)]
    registered = {"b1|2024-W05", "b2|2024-W05", "b2|2024-W04", "b9|2024-W04"}

    assert to_retire(views, registered, LONG_AFTER, most=2) == ["b2|2024-W04", "b1|2024-W05"]


def test_rotation_reaches_every_item() -> None:
    seen, begin = [], 0
    for _ in range(4):
        items, begin = rotate("abcde", begin, 2)
        seen.append(items)

    assert seen == ["ab", "cd", "e", "ab"]


def test_rotation_starts_again_if_there_are_fewer_items_than_before() -> None:
    assert rotate("ab", 7, 2) == ("ab", 0)
    assert rotate("", 7, 2) == ("", 0)


# --- the sensors together ---


@pytest.fixture
def cleared(dagster: Dagster) -> Dagster:
    """Two registered slices that were archived and cleared. The week of one of them ended long ago."""
    weeks = {"2024-W05": MONDAY, "2024-W40": MONDAY + 35 * WEEK}
    dagster.clock.now = MONDAY + 40 * WEEK
    for at in weeks.values():
        dagster.ingest([event(attempted=at)], at)
    dagster.tick()
    put_away(dagster.stores)  # without Dagster: its runs take seconds
    return dagster


def test_a_retired_key_is_removed_and_not_registered_again(cleared: Dagster) -> None:
    result = cleared.retire()
    cleared.tick()

    assert result.skip_reason is not None
    assert "retired 1 of 2 slice keys" in str(result.skip_reason)
    assert cleared.keys("archive_slices") == ["b1|2024-W40"]


def test_dagster_keeps_the_materializations_of_a_retired_slice(cleared: Dagster) -> None:
    archived = cleared.asset_key("archived_attempts")
    cleared.instance.report_runless_asset_event(dg.AssetMaterialization(archived, partition="b1|2024-W05"))

    cleared.retire()

    assert cleared.keys("archive_slices") == ["b1|2024-W40"]
    assert cleared.instance.get_materialized_partitions(archived) == {"b1|2024-W05"}


@pytest.mark.long
def test_new_rows_in_a_retired_slice_register_its_key_again_and_are_archived_and_cleared(cleared: Dagster) -> None:
    cleared.retire()
    cleared.ingest([event(user="u2", attempted=MONDAY)], MONDAY)  # an import with an old receipt

    cleared.tick()

    assert cleared.keys("archive_slices") == ["b1|2024-W40", "b1|2024-W05"]
    for asset in ("archived_attempts", "cleared_attempts"):
        assert cleared.materialize(asset, "b1|2024-W05").success
    cleared.retire()
    assert cleared.keys("archive_slices") == ["b1|2024-W40"]


def test_a_slice_with_new_rows_is_found_among_many_finished_slices(
    cleared: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "LISTED_A_TICK", 1)
    cleared.clock.now = MONDAY + 100 * WEEK  # both weeks ended long ago
    cleared.retire()
    cleared.tick()
    assert cleared.keys("archive_slices") == []
    cleared.ingest([event(user="u2", attempted=MONDAY + 35 * WEEK)], MONDAY + 35 * WEEK)

    cleared.tick()

    assert cleared.keys("archive_slices") == ["b1|2024-W40"]


def test_no_key_is_retired_while_a_run_is_in_progress(cleared: Dagster) -> None:
    cleared.begin_a_run()

    result = cleared.retire()

    assert "in progress: 1 run and 0 backfills" in str(result.skip_reason)
    assert len(cleared.keys("archive_slices")) == 2


def test_no_key_is_retired_while_a_backfill_is_in_progress(cleared: Dagster) -> None:
    def backfill(status: BulkActionStatus, ended: float | None) -> PartitionBackfill:
        return PartitionBackfill("a", status, False, {}, backfill_timestamp=1.0, backfill_end_timestamp=ended)

    cleared.instance.add_backfill(backfill(BulkActionStatus.REQUESTED, None))
    assert "in progress: 0 runs and 1 backfill" in str(cleared.retire().skip_reason)
    cleared.instance.update_backfill(backfill(BulkActionStatus.CANCELED, 2.0))
    assert "retired 1 of 2" in str(cleared.retire().skip_reason)


def test_a_slice_that_gets_new_rows_before_it_is_retired_keeps_its_key(cleared: Dagster) -> None:
    cleared.ingest([event(user="u2", attempted=MONDAY)], MONDAY)

    cleared.retire()

    assert len(cleared.keys("archive_slices")) == 2
