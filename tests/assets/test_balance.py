"""The balance sheet in Dagster: numbers for each batch, and one check with the command to type."""

from typing import Any

import dagster as dg
import pytest

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.ports.hot_store import HotStore
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import RECEIVED, WEEK, event
from tests.loop import put_away


@pytest.fixture
def two_batches(dagster: Dagster) -> Dagster:
    """Three versions in batch `b1`, one in `b2`, both batches registered."""
    dagster.ingest([event(), event(user="u2"), event(attempt="t2"), event(batch="b2")], RECEIVED)
    dagster.register("batches", ["b1", "b2"])
    return dagster


def numbers(result: dg.ExecuteInProcessResult, batch: str) -> dict[str, Any]:
    """The metadata of the balance sheet of a batch."""
    [found] = [
        each.materialization.metadata
        for each in result.get_asset_materialization_events()
        if each.materialization.partition == batch
    ]
    return {name: value.value for name, value in found.items()}


def check(result: dg.ExecuteInProcessResult) -> Any:
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


def test_the_sheets_of_all_batches_of_a_run_add_up(two_batches: Dagster) -> None:
    put_away(two_batches.stores)
    two_batches.ingest([event(user="u3")], RECEIVED + WEEK)

    result = two_batches.materialize("balance_sheet", "b1", "b2")

    assert result.success
    first, second = numbers(result, "b1"), numbers(result, "b2")
    assert (first["named"], first["hot_only"], first["lake_only"], first["missing"]) == (4, 1, 3, 0)
    assert (second["named"], second["lake_only"], second["balanced"]) == (1, 1, True)
    assert check(result).passed
    assert check(result).metadata["named"].value == 5


def test_the_check_fails_with_the_lost_row_and_the_repair_command(two_batches: Dagster) -> None:
    lost = next(row for row in _rows(two_batches.stores.hot) if row.key.attempt_id == "t2")
    two_batches.stores.hot.delete([lost])

    result = two_batches.materialize("balance_sheet", "b1", "b2")

    assert result.success  # the sheet is complete; only the check fails
    found = check(result)
    assert (found.passed, found.severity, found.blocking) == (False, dg.AssetCheckSeverity.ERROR, False)
    assert "1 of 2 batches do not balance" in found.description
    assert "assess ingest --repair" in found.metadata["what to type"].value
    [record] = found.metadata["differences"].records
    assert (record.data["what"], record.data["batch"], record.data["slice"]) == ("missing", "b1", "b1|2024-W05")
    assert (record.data["learner"], record.data["attempt"]) == ("u1", "t2")
    assert (numbers(result, "b1")["balanced"], numbers(result, "b2")["balanced"]) == (False, True)
    assert "assess ingest --repair" in numbers(result, "b1")["what to type"]


def test_a_run_over_many_batches_scans_the_maps_once(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [f"b{number}" for number in range(20)]
    dagster.ingest([event(batch=batch) for batch in batches], RECEIVED)
    dagster.register("batches", batches)
    scans = []
    all_learners = SqliteHot.all_learners

    def counted(self: SqliteHot) -> Any:
        scans.append(self)
        return all_learners(self)

    monkeypatch.setattr(SqliteHot, "all_learners", counted)

    result = dagster.materialize("balance_sheet", batches[0], batches[-1])

    [sheet] = [asset for asset in ASSETS if asset.key == dg.AssetKey("balance_sheet")]
    assert sheet.backfill_policy == dg.BackfillPolicy.single_run()
    assert len(scans) == 1
    assert all(numbers(result, batch)["named"] == 1 for batch in batches)


def test_an_unknown_batch_is_refused_and_the_others_have_sheets(two_batches: Dagster) -> None:
    two_batches.register("batches", ["b3"])

    result = two_batches.materialize("balance_sheet", "b1", "b3")

    assert not result.success
    assert "b3: no store knows this batch" in two_batches.error_of(result)
    assert numbers(result, "b1")["named"] == 3
    with_sheets = {each.materialization.partition for each in result.get_asset_materialization_events()}
    assert with_sheets == {"b1", "b2"}


def _rows(hot: HotStore) -> list[Any]:
    return [entry.row_key for _, learner in hot.all_learners() for entry in learner.entries]
