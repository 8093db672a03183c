"""Runs of Dagster record how long their steps took and how they ended, and the last balance sheet."""

from assess_core.domain.measures import Cell
from assess_core.wiring import open_meter
from tests.assets.conftest import Dagster
from tests.factories import RECEIVED, event


def runs(dagster: Dagster) -> dict[tuple[str, ...], float]:
    """Step and outcome -> how often."""
    numbers = open_meter(dagster.settings).numbers()
    found: dict[tuple[str, ...], float] = {}
    for cell, value in numbers.items():
        if cell.name == "assess_run_seconds" and cell.part.startswith("le="):
            found[cell.labels] = found.get(cell.labels, 0) + value
    return found


def test_a_step_and_the_balance_sheet_are_recorded(dagster: Dagster) -> None:
    dagster.ingest([event(), event(user="u2")], RECEIVED)
    dagster.register("batches", ["b1", "unknown"])
    assert dagster.materialize("balance_sheet", "b1").success
    assert runs(dagster) == {("balance", "done"): 1}
    numbers = open_meter(dagster.settings).numbers()
    assert numbers[Cell("assess_balance_versions", ("named",))] == 2
    assert numbers[Cell("assess_balance_at_seconds", ("balanced",))] == dagster.clock.now / 1000
    assert not dagster.materialize("balance_sheet", "unknown").success
    assert runs(dagster) == {("balance", "done"): 1, ("balance", "failed"): 1}
