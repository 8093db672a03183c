"""Holds and orders to erase in Dagster, which stores no id of a learner for them."""

import dagster as dg

from assess_core.domain.erasing import Order, keyed_hash, orders
from assess_core.domain.holds import Target
from assess_core.domain.moments import LATEST
from assess_core.usecases.holds import add_hold, release_hold
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import MONDAY


def test_a_run_shows_holds_in_force_and_erasures_without_an_id_of_a_learner(dagster: Dagster) -> None:
    stores = dagster.stores
    add_hold(stores, Target.LEARNER, "learner-7", "court", "case 1", MONDAY)
    add_hold(stores, Target.BATCH, "b1", "auditor", "audit", MONDAY, until=LATEST - 1)
    ended = add_hold(stores, Target.BATCH, "b2", "auditor", "audit", MONDAY)
    release_hold(stores, ended.id, "auditor", "done", MONDAY + 1)
    stores.hot.register.add(orders("key", ["learner-8"], Order("data protection office", "asked", MONDAY)))

    done = dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("holds_and_erasures"),
        instance=dagster.instance,
        resources=dagster.resources,
    )

    [shown] = done.asset_materializations_for_node("holds_and_erasures")
    assert (shown.metadata["holds in force"].value, shown.metadata["erased learners"].value) == (2, 1)
    holds = [row.data for row in shown.metadata["holds"].records]  # type: ignore[attr-defined]
    assert {row["protects"]: (row["by"], row["reason"]) for row in holds} == {
        "a learner": ("court", "case 1"),
        "batch b1": ("auditor", "audit"),
    }
    [erasure] = [row.data for row in shown.metadata["erasures"].records]  # type: ignore[attr-defined]
    assert (erasure["learner (keyed hash)"], erasure["reason"]) == (keyed_hash("key", "learner-8"), "asked")
    assert "learner-" not in str(shown.metadata)
