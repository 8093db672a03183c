"""Import of old archives from Dagster."""

from pathlib import Path

import dagster as dg

from tests.archives import cells, put_archive
from tests.assets.conftest import ASSETS, Dagster


def bring(dagster: Dagster, *paths: Path) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("imported_archives"),
        instance=dagster.instance,
        resources=dagster.resources,
        run_config={"ops": {"imported_archives": {"config": {"paths": list(map(str, paths))}}}},
        raise_on_error=False,
    )


def metadata(done: dg.ExecuteInProcessResult) -> dict[str, object]:
    [materialization] = done.asset_materializations_for_node("imported_archives")
    return {name: value.value for name, value in materialization.metadata.items()}


def test_an_import_shows_its_rows_and_a_picture(dagster: Dagster, tmp_path: Path) -> None:
    put_archive(tmp_path / "old", cells(), cells(user_id="u2"))

    done = bring(dagster, tmp_path / "old")

    assert done.success
    shown = metadata(done)
    assert [shown[name] for name in ("files", "read", "imported", "there", "slices")] == [1, 2, 2, 0, 1]
    assert "data:image/png" in str(shown["picture"])
    dagster.tick()
    assert dagster.keys("batches") == ["b1"], "the batch can be reported"


def test_refused_rows_fail_the_run_after_the_others_were_imported(dagster: Dagster, tmp_path: Path) -> None:
    path = put_archive(tmp_path / "old", cells(), cells(user_id=""))

    done = bring(dagster, path)

    assert not done.success
    assert metadata(done)["imported"] == 1
    [failure] = [event for event in done.all_events if event.is_step_failure]
    assert f"{path} line 3: `user_id` is missing" in str(failure.step_failure_data.error)
    assert not [event for event in done.all_events if event.is_step_up_for_retry]
