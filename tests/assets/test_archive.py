"""Archive, verify and clear from Dagster."""

from assess_core.exhaust import Report, write_exhaust
from tests.assets.conftest import Dagster
from tests.factories import MONDAY, WEEK, event


def ten_slices(dagster: Dagster) -> list[str]:
    """Five batches, each with an attempt in each of two weeks, registered."""
    for week in range(2):
        messages = [event(batch=f"b{n}", attempt=f"t{week}", attempted=MONDAY + week * WEEK) for n in range(5)]
        dagster.ingest(messages, MONDAY + week * WEEK)
    dagster.tick()
    return list(dagster.keys("archive_slices"))


def answers(dagster: Dagster) -> list[bytes]:
    """The reports of all batches."""
    stores = dagster.stores
    return [write_exhaust(stores, f"b{n}", report).path.read_bytes() for n in range(5) for report in Report]


def test_archive_and_clear_of_ten_slices_in_one_run_each_change_no_answer(dagster: Dagster) -> None:
    slices = ten_slices(dagster)
    before = answers(dagster)

    archived = dagster.materialize("archived_attempts", slices[0], slices[-1])
    cleared = dagster.materialize("cleared_attempts", slices[0], slices[-1])

    assert archived.success
    assert cleared.success
    assert len(archived.get_asset_materialization_events()) == len(cleared.get_asset_materialization_events()) == 10
    assert [check.passed for check in archived.get_asset_check_evaluations()] == [True]
    assert [dagster.stores.hot.count(slice_) for slice_ in dagster.stores.hot.slices()] == [0] * 10
    assert answers(dagster) == before
