"""Seals from Dagster."""

import dagster as dg

from assess_core.domain.seals import parse_seal
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import MONDAY, event


def test_a_run_shows_the_line_to_publish(dagster: Dagster) -> None:
    dagster.ingest([event(attempted=MONDAY)], MONDAY)
    dagster.tick()
    dagster.materialize("archived_attempts", dagster.keys("archive_slices")[-1])

    done = dg.materialize(
        ASSETS, selection=dg.AssetSelection.assets("seals"), instance=dagster.instance, resources=dagster.resources
    )

    [shown] = done.asset_materializations_for_node("seals")
    [stored] = dagster.stores.lake.seals.all()
    assert parse_seal(str(shown.metadata["seal"].value)) == stored.seal
    assert shown.metadata["entries"].value == 2  # archived and verified
