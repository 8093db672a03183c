"""Corrections in Dagster."""

import dagster as dg

from assess_core.domain.corrections import Correction, Drop, Maximum
from tests.assets.conftest import ASSETS, Dagster
from tests.decisions import decide, revert_all
from tests.factories import MONDAY, event


def test_a_run_shows_the_corrections_in_force(dagster: Dagster) -> None:
    register = dagster.stores.hot.register
    decide(register, Correction("a1", "q1", Drop()))
    revert_all(register)
    [id_] = decide(register, Correction("a1", "q2", Maximum(2.0), batches=("b1", "b2")))

    done = dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("corrections"),
        instance=dagster.instance,
        resources=dagster.resources,
    )

    [shown] = done.asset_materializations_for_node("corrections")
    assert (shown.metadata["in force"].value, shown.metadata["reverted"].value) == (1, 1)
    assert id_ in str(shown.metadata["scores not written yet"].value)
    [row] = shown.metadata["corrections"].records  # type: ignore[attr-defined]
    assert row.data | {"at": ""} == {
        "id": id_, "assessment": "a1", "question": "q2", "rule": "a maximum of 2", "course": "all",
        "batches": "b1, b2", "by": "Examiner", "reason": "a wrong key", "at": "",
    }  # fmt: skip


def test_the_page_of_a_report_names_the_corrections_that_count_in_it(dagster: Dagster) -> None:
    dagster.ingest([event(attempted=MONDAY)], MONDAY)
    dagster.tick()
    [id_] = decide(dagster.stores.hot.register, Correction("a1", "q1", Drop()))

    done = dagster.materialize("score_exhaust", "b1")

    [shown] = done.asset_materializations_for_node("score_exhaust")
    assert shown.metadata["corrections"].value == id_
