"""Archive, verify and clear from Dagster."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_assets import definitions
from assess_assets.archive import ClearConfig
from assess_assets.slice_page import links
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.exhaust import write_exhaust
from tests.assets.conftest import ASSETS, Dagster
from tests.factories import MONDAY, WEEK, event
from tests.lakes import asked

BATCHES = [f"b{n}" for n in range(5)]
PAGE = ("state", "next step", "verified at", "digest", "manifest hash", "files", "archive", "verify", "clear")


@pytest.fixture
def slices(dagster: Dagster) -> list[str]:
    """Ten registered slices: five batches with an attempt each in two weeks."""
    for week in range(2):
        at = MONDAY + week * WEEK
        dagster.ingest([event(batch=batch, attempt=f"t{week}", attempted=at) for batch in BATCHES], at)
    dagster.tick()
    return list(dagster.keys("archive_slices"))


def report_bytes(dagster: Dagster) -> list[bytes]:
    """The reports of all batches that have a row per answer and per attempt."""
    return [
        Path(write_exhaust(dagster.stores, asked(batch, report)).path).read_bytes()
        for batch in BATCHES
        for report in (Report.RESPONSE, Report.SCORE)
    ]


def hot_rows(dagster: Dagster) -> dict[str, int]:
    hot = dagster.stores.hot
    return {str(slice_): rows for slice_, rows in hot.counts(hot.slices()).items()}


def file_of(dagster: Dagster, slice_: str) -> Path:
    """The lake file of a slice."""
    [file] = dagster.stores.lake.pin().files({ArchiveSlice.parse(slice_).week})
    return Path(file.url)


def raise_scores(path: Path) -> None:
    """Change the scores in a lake file without a commit."""
    table = pq.ParquetFile(path).read()
    scores = pa.array([99.0] * table.num_rows)
    pq.write_table(table.set_column(table.schema.get_field_index("total_score"), "total_score", scores), path)


@pytest.mark.long
def test_archive_and_clear_of_ten_slices_in_one_run_each_change_no_report(dagster: Dagster, slices: list[str]) -> None:
    before = report_bytes(dagster)

    archived = dagster.materialize("archived_attempts", slices[0], slices[-1])
    cleared = dagster.materialize("cleared_attempts", slices[0], slices[-1])

    assert archived.success
    assert cleared.success
    assert len(archived.get_asset_materialization_events()) == len(cleared.get_asset_materialization_events()) == 10
    assert [check.passed for check in archived.get_asset_check_evaluations()] == [True]
    assert set(hot_rows(dagster).values()) == {0}
    assert report_bytes(dagster) == before


@pytest.mark.long
def test_a_second_archive_and_clear_record_nothing(dagster: Dagster, slices: list[str]) -> None:
    for _ in range(2):
        for asset in ("archived_attempts", "cleared_attempts"):
            assert dagster.materialize(asset, slices[0], slices[-1]).success

    assert len(dagster.stores.lake.manifest()) == 4 * 10  # archived, verified, clearing, cleared: once each


def test_every_materialization_shows_its_row_counts(dagster: Dagster, slices: list[str]) -> None:
    result = dagster.materialize("archived_attempts", slices[0], slices[-1])

    shown = {event.partition: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert shown.keys() == set(slices)
    for metadata in shown.values():
        assert metadata["rows"].value == metadata["dagster/partition_row_count"].value == 1
    *others, last = (shown[slice_] for slice_ in slices)
    assert {"slices of the run", "seconds", "preview"} <= last.keys()
    assert last["bytes"].value == sum(file_of(dagster, slice_).stat().st_size for slice_ in (slices[0], slices[-1]))
    assert str(last["picture"].value).startswith("![rows in the lake, by week](data:image/png;base64,")
    assert not any("picture" in metadata for metadata in others)  # Dagster would store each picture twice


def test_the_ui_shows_the_columns_of_the_files(dagster: Dagster, slices: list[str]) -> None:
    dagster.materialize("archived_attempts", slices[0])
    written = pq.read_schema(file_of(dagster, slices[0]))

    graph = definitions.defs.resolve_asset_graph()
    shown = graph.get(dg.AssetKey("archived_attempts")).metadata["dagster/column_schema"]

    assert {column.name for column in shown.columns} == {
        *written.names,
        "year",
        "week",
    }  # the folder names hold these two columns
    assert {column.name: column.type for column in shown.columns if column.name in ("user_id", "total_score")} == {
        "user_id": str(written.field("user_id").type),
        "total_score": str(written.field("total_score").type),
    }


def test_an_open_slice_is_refused_with_the_reason(dagster: Dagster) -> None:
    dagster.clock.now = MONDAY + WEEK  # the week has ended, the grace period has not
    dagster.ingest([event()])
    dagster.register("archive_slices", ["b1|2024-W05"])

    result = dagster.materialize("archived_attempts", "b1|2024-W05")

    assert not result.success
    assert "b1|2024-W05 is open: week 2024-W05 closes at 2024-02-06T00:00:00.000Z" in dagster.error_of(result)
    assert dagster.stores.lake.manifest() == []


def test_a_partition_that_is_not_a_known_slice_is_refused(dagster: Dagster) -> None:
    dagster.register("archive_slices", ["b1", "unknown|2024-W05"])

    assert "does not name a slice" in dagster.error_of(dagster.materialize("archived_attempts", "b1"))
    for asset in ("archived_attempts", "cleared_attempts"):
        assert "no store knows" in dagster.error_of(dagster.materialize(asset, "unknown|2024-W05"))


def test_a_slice_that_was_not_verified_is_not_cleared(dagster: Dagster, slices: list[str]) -> None:
    result = dagster.materialize("cleared_attempts", slices[0])

    assert not result.success
    assert "archive and verify it first" in dagster.error_of(result)
    assert hot_rows(dagster)[slices[0]] == 1


def write_nonsense(path: Path) -> None:
    path.write_bytes(b"not Parquet")


@pytest.mark.long
@pytest.mark.parametrize(
    ("damage", "archived_anyway"),
    [
        (raise_scores, True),  # all keys are in the lake, so nothing is appended; verify detects the change
        (write_nonsense, False),
    ],
    ids=["scores raised", "not Parquet"],
)
def test_a_damaged_file_fails_the_check_and_only_its_slices_are_not_cleared(
    dagster: Dagster, slices: list[str], damage: Callable[[Path], None], archived_anyway: bool
) -> None:
    dagster.materialize("archived_attempts", slices[0], slices[-1])
    damage(file_of(dagster, slices[0]))

    archived = dagster.materialize("archived_attempts", slices[0], slices[-1])
    cleared = dagster.materialize("cleared_attempts", slices[0], slices[-1])

    assert archived.success is archived_anyway  # a failed check does not fail the run
    [check] = archived.get_asset_check_evaluations()
    assert (check.passed, check.severity.value, check.blocking) == (False, "ERROR", False)
    assert (check.metadata["failed"].value, check.metadata["verified"].value) == (5, 5)
    assert all(slice_ in str(check.metadata["slices"]) for slice_ in slices[:5])
    assert str(check.metadata["slices"]).count("from a backup") == 5  # the advice at the end is not cut off
    assert str(check.metadata["slices"]).count(slices[0]) == 1  # the problem does not repeat the slice name
    assert check.metadata["files to restore"].value == str(file_of(dagster, slices[0]))
    assert "in the partition filter, 2024-W05 finds them" in str(check.description)
    assert not cleared.success
    assert [dagster.error_of(cleared).count(slice_) for slice_ in slices[:5]] == [1] * 5
    assert {event.partition for event in cleared.get_asset_materialization_events()} == set(slices[5:])
    assert [key for key, rows in hot_rows(dagster).items() if rows] == slices[:5]


def test_the_check_names_the_damaged_one_of_several_files(dagster: Dagster, slices: list[str]) -> None:
    for slice_ in slices[:2]:  # one file per slice
        dagster.materialize("archived_attempts", slice_)
    damaged, intact = (Path(file.url) for file in dagster.stores.lake.pin().files())
    raise_scores(damaged)

    [check] = dagster.materialize("archived_attempts", slices[0], slices[1]).get_asset_check_evaluations()

    assert check.metadata["files to restore"].value == str(damaged)
    assert intact.is_file()


@pytest.mark.long
def test_a_slice_that_an_older_run_found_damaged_fails_the_check_until_it_is_repaired(
    dagster: Dagster, slices: list[str]
) -> None:
    dagster.materialize("archived_attempts", slices[0], slices[-1])
    damaged = file_of(dagster, slices[0])
    original = damaged.read_bytes()
    raise_scores(damaged)
    dagster.materialize("archived_attempts", slices[0])

    [other_check] = dagster.materialize("archived_attempts", slices[-1]).get_asset_check_evaluations()
    damaged.write_bytes(original)
    [resolved] = dagster.materialize("archived_attempts", slices[0]).get_asset_check_evaluations()

    assert not other_check.passed
    assert (other_check.metadata["failed"].value, other_check.metadata["failed before"].value) == (0, 1)
    assert str(other_check.description).startswith(
        f"0 of 1 slices failed; 1 that an older run found damaged are not repaired, e.g. {slices[0]}: "
    )
    assert other_check.metadata["files to restore"].value == str(damaged)
    assert resolved.passed


def test_the_page_of_a_slice_shows_its_problem(dagster: Dagster, slices: list[str]) -> None:
    dagster.materialize("archived_attempts", slices[0], slices[-1])
    raise_scores(file_of(dagster, slices[0]))

    result = dagster.materialize("archived_attempts", slices[0], slices[-1])

    shown = {event.partition: event.materialization.metadata for event in result.get_asset_materialization_events()}
    assert [slice_ for slice_ in slices if "problem" in shown[slice_]] == slices[:5]
    assert str(shown[slices[0]]["problem"].value).startswith("the bytes of part-")


def shown(result: dg.ExecuteInProcessResult, slice_: str) -> Mapping[str, Any]:
    """The metadata of the materialization of a slice. The page of a slice shows the newest one."""
    [found] = [event for event in result.get_asset_materialization_events() if event.partition == slice_]
    metadata = found.materialization.metadata
    return {
        name: value.records if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in metadata.items()
    }


def test_the_page_of_a_slice_shows_its_state_its_manifest_hash_and_links_to_the_steps(
    dagster: Dagster, slices: list[str]
) -> None:
    slice_ = ArchiveSlice.parse(slices[0])
    archived = shown(dagster.materialize("archived_attempts", slices[0], slices[-1]), slices[0])
    verified = dagster.stores.lake.manifest([slice_])[-1]
    cleared = shown(dagster.materialize("cleared_attempts", slices[0], slices[-1]), slices[0])
    file = file_of(dagster, slices[0])
    newest = dagster.stores.lake.manifest([slice_])[-1]

    assert (archived["state"], archived["next step"], archived["hot rows"]) == ("verified", "clear", 1)
    assert (cleared["state"], cleared["next step"], cleared["hot rows"]) == ("cleared", "none", 0)
    assert "cleared at" not in archived
    assert cleared["cleared at"] == newest.at / 1000
    assert archived["manifest hash"] == verified.hash
    assert cleared["manifest hash"] == newest.hash
    links = {
        "archive": "/assets/archived_attempts?view=partitions&partition=b0%7C2024-W05",
        "verify": "/assets/archived_attempts?view=checks&checkDetail=verification",
        "clear": "/assets/cleared_attempts?view=partitions&partition=b0%7C2024-W05",
    }
    for page in (archived, cleared):
        assert page["verified at"] == verified.at / 1000
        assert page["digest"] == verified.contents.digest
        assert [record.data for record in page["files"]] == [
            {"file": file.name, "sha256": sha256(file.read_bytes()).hexdigest()}
        ]
        assert {name: page[name] for name in links} == links


def test_the_check_of_one_slice_shows_the_same_values_as_its_page(dagster: Dagster, slices: list[str]) -> None:
    result = dagster.materialize("archived_attempts", slices[0])

    [check] = result.get_asset_check_evaluations()
    [event] = result.get_asset_materialization_events()
    page = event.materialization.metadata
    assert {name: check.metadata[name] for name in PAGE} == {name: page[name] for name in PAGE}


def test_the_check_of_several_slices_lists_their_states_and_links_to_all_slices(
    dagster: Dagster, slices: list[str]
) -> None:
    [check] = dagster.materialize("archived_attempts", slices[0], slices[-1]).get_asset_check_evaluations()

    listed = check.metadata["first slices"]
    assert isinstance(listed, dg.TableMetadataValue)
    assert [(row.data["slice"], row.data["state"], row.data["next step"]) for row in listed.records] == [
        (slice_, "verified", "clear") for slice_ in slices
    ]
    assert check.metadata["clear"].value == "/assets/cleared_attempts?view=partitions"


def test_a_link_to_a_slice_works_with_special_characters_in_the_batch_id() -> None:
    link = str(links(ArchiveSlice.parse("b&x=1#/ ஆ|2024-W05"))["clear"].value)

    assert parse_qs(urlsplit(link).query) == {"view": ["partitions"], "partition": ["b&x=1#/ ஆ|2024-W05"]}


def test_clear_without_delete_hot_rows_reports_what_it_would_delete_and_deletes_nothing(
    dagster: Dagster, slices: list[str]
) -> None:
    dagster.materialize("archived_attempts", slices[0])

    result = dagster.materialize("cleared_attempts", slices[0], slices[1], cleared_attempts={"delete_hot_rows": False})

    assert result.success
    assert result.get_asset_materialization_events() == []
    seen = {
        event.partition: event.asset_observation_data.asset_observation.metadata
        for event in result.get_asset_observation_events()
    }
    assert seen[slices[0]]["would be deleted"].value == 1
    assert "archive and verify it first" in str(seen[slices[1]]["problem"].value)
    assert hot_rows(dagster)[slices[0]] == 1


def test_the_description_and_the_launchpad_of_cleared_attempts_warn_that_it_deletes_hot_rows() -> None:
    description = definitions.defs.resolve_asset_graph().get(dg.AssetKey("cleared_attempts")).description
    launch = ClearConfig.model_fields["delete_hot_rows"].description

    assert str(description).startswith("Deletes rows from the hot store:")
    assert str(launch).startswith("This step deletes rows from the hot store.")


def test_hot_attempts_are_observed_by_week_and_status(dagster: Dagster, slices: list[str]) -> None:
    metadata = dagster.observe("hot_attempts")

    assert metadata["dagster/row_count"].value == 10
    assert metadata["slices"].value == {"planned": 10}
    assert str(metadata["picture"].value).startswith("![rows by week](data:image/png;base64,")


def test_restored_slices_are_in_the_hot_store_again(dagster: Dagster) -> None:
    dagster.ingest([event(attempted=MONDAY)], MONDAY)
    dagster.tick()
    [key] = dagster.keys("archive_slices")
    for asset in ("archived_attempts", "cleared_attempts"):
        dagster.materialize(asset, key)

    done = dg.materialize(
        ASSETS,
        selection=dg.AssetSelection.assets("restored_attempts"),
        instance=dagster.instance,
        resources=dagster.resources,
        run_config={"ops": {"restored_attempts": {"config": {"slices": [key]}}}},
    )

    [shown] = done.asset_materializations_for_node("restored_attempts")
    assert (shown.metadata["rows"].value, shown.metadata["slices"].value) == (1, key)
    assert dagster.stores.hot.counts([ArchiveSlice.parse(key)]) == {ArchiveSlice.parse(key): 1}
