"""Attempts of finished weeks: archived to the lake, then cleared from the hot store."""

from collections.abc import Collection, Iterator, Mapping

import dagster as dg
from pydantic import Field

from assess_assets.automation import to_archive, to_clear
from assess_assets.checks import verification, verification_result
from assess_assets.columns import ATTEMPTS
from assess_assets.metadata import Metadata
from assess_assets.outcomes import NOTHING, conclude, of_slices, unnamed
from assess_assets.partitions import SLICES_A_RUN, archive_slices, everything, slices_of
from assess_assets.resources import RETRY, Lakehouse
from assess_assets.slice_page import read_pages
from assess_core.domain.manifest import SliceRecord, by_slice
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VerifyFailed
from assess_core.ports.lake import Lake
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import Cleared, archive, clear, require_closed, require_known, verify
from assess_core.usecases.restoring import restore
from assess_core.usecases.retaining import clearable

Event = dg.AssetCheckResult | dg.AssetMaterialization
in_few_runs = dg.BackfillPolicy.multi_run(max_partitions_per_run=SLICES_A_RUN)


class ClearConfig(dg.Config):
    """The launch config of `cleared_attempts`."""

    delete_hot_rows: bool = Field(
        default=True,
        description="This step deletes rows from the hot store. With false it deletes nothing: an observation of each "
        "slice shows how many rows it would delete.",
    )


@dg.asset(
    partitions_def=archive_slices,
    deps=["hot_attempts"],
    backfill_policy=in_few_runs,
    retry_policy=RETRY,
    automation_condition=to_archive,
    check_specs=[verification],
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"deltalake"},
    metadata=ATTEMPTS,
    pool="lake",
    dagster_type=NOTHING,
)
def archived_attempts(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator[Event]:
    """Attempts of closed slices, stored in the lake. Appends the versions that the lake does not hold, then verifies.

    Deletes nothing. An open slice is refused with the reason. It is safe to materialize a slice again; it adds nothing.
    """
    with lakehouse.open("archive") as opened:
        slices = slices_of(context.partition_keys)
        stores, now, grace = opened.stores, opened.now, opened.settings.grace
        require_known(slices, stores)
        require_closed(slices, now, grace, opened.unread)
        try:
            archived = archive(slices, stores, now)
        except VerifyFailed:  # a file is damaged: verify finds all affected slices
            verified, records = verify(slices, stores, now), _records(slices, stores)
            yield verification_result(verified, records, read_pages(slices, records, stores, now, grace), stores.lake)
            raise
        verified, records = verify(slices, stores, now), _records(slices, stores)
        pages = read_pages(slices, records, stores, now, grace)
        yield verification_result(verified, records, pages, stores.lake)
        numbers = {
            slice_: {"rows": found.contents.rows, "appended": found.appended} for slice_, found in archived.items()
        }
        problems = {slice_: found.problem for slice_, found in verified.items() if found.problem}
        size, title = lake_bytes(stores.lake, slices), "rows in the lake, by week"
        done = of_slices(numbers, title, size=size, seconds=opened.seconds, problems=problems, pages=pages)
        yield from conclude(context, done, {})


@dg.asset(
    partitions_def=archive_slices,
    deps=[archived_attempts],
    backfill_policy=in_few_runs,
    retry_policy=RETRY,
    automation_condition=to_clear,
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"duckdb"},
    pool="lake",
    dagster_type=NOTHING,
    output_required=False,  # without `delete_hot_rows`, nothing is materialized
)
def cleared_attempts(
    context: dg.AssetExecutionContext, config: ClearConfig, lakehouse: Lakehouse
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation | dg.Output[None]]:
    """Deletes rows from the hot store: exactly the versions of verified slices that it reads back from the lake.

    All verified slices of the run are cleared. If some are not verified, the run then fails and names them. Slices that
    a hold protects or a rule of retention keeps are left out, and an observation says why. With
    `delete_hot_rows: false` in the launchpad, it deletes nothing and shows how many rows it would delete.
    """
    with lakehouse.open("clear") as opened:
        slices = slices_of(context.partition_keys)
        stores, now = opened.stores, opened.now
        require_known(slices, stores)
        allowed, kept = clearable(slices, stores, opened.retention or (), now)
        yield from _observe_kept(context, kept)
        if not config.delete_hot_rows:
            yield from _observe(context, clear(allowed, stores, now, dry_run=True))
            return
        cleared = clear(allowed, stores, now)
        refused = {str(slice_): found.refused for slice_, found in cleared.items() if found.refused}
        numbers = {
            slice_: {"rows": found.cleared, "left": found.left}
            for slice_, found in cleared.items()
            if not found.refused
        }
        pages = read_pages(list(numbers), by_slice(stores.lake.manifest(numbers)), stores, now, opened.settings.grace)
        size = lake_bytes(stores.lake, slices)
        done = of_slices(numbers, "rows cleared, by week", size=size, seconds=opened.seconds, pages=pages)
        if kept and not refused:  # an output would also materialize the slices that were kept
            for key, metadata in done.items():
                yield dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata)
            return
        yield from conclude(context, done, refused)
        yield dg.Output(None)


class RestoreConfig(dg.Config):
    """The launch config of `restored_attempts`."""

    slices: list[str] = Field(description="The slices to bring back, e.g. [BATCH|2024-W05].")


@dg.asset(
    deps=[dg.AssetDep("cleared_attempts", partition_mapping=everything)],
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"duckdb"},
    retry_policy=RETRY,
    pool="lake",
)
def restored_attempts(config: RestoreConfig, lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """Rows of the lake that were brought back into the hot store. The next clear of their slices deletes them again.

    No answer changes. A slice whose files differ from the manifest is refused; the run then fails and names it.
    """
    with lakehouse.open("restore") as opened:
        slices = sorted({ArchiveSlice.parse(text) for text in config.slices})
        require_known(slices, opened.stores)
        restored = restore(slices, opened.stores, opened.now)
        refused = [found.refused for found in restored.values() if found.refused]
        if refused:
            message = f"{len(refused)} of {len(restored)} slices were not restored, the others are:\n"
            raise dg.Failure(message + "\n".join(refused), allow_retries=False)
        return dg.MaterializeResult(
            metadata={
                "rows": dg.MetadataValue.int(sum(found.rows for found in restored.values())),
                "slices": dg.MetadataValue.text(", ".join(map(str, restored))),
                "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            }
        )


def _records(slices: Collection[ArchiveSlice], stores: Stores) -> dict[ArchiveSlice, SliceRecord]:
    """The records of the slices of a run, and of all slices that once failed: the check reports those of older runs."""
    return by_slice(stores.lake.manifest({*slices, *stores.lake.failed()}))


def _observe(context: dg.AssetExecutionContext, found: Mapping[ArchiveSlice, Cleared]) -> Iterator[dg.AssetObservation]:
    """Observations of what a clear would do to each slice. A materialization would mean that it was done."""
    for slice_, would in found.items():
        metadata: Metadata = {
            "would be deleted": dg.MetadataValue.int(would.cleared),
            "left": dg.MetadataValue.int(would.left),
        }
        if would.refused:
            metadata["problem"] = dg.MetadataValue.text(unnamed(str(slice_), would.refused))
        yield dg.AssetObservation(context.asset_key, partition=str(slice_), metadata=metadata)


def _observe_kept(context: dg.AssetExecutionContext, kept: Mapping[ArchiveSlice, str]) -> Iterator[dg.AssetObservation]:
    for slice_, why in kept.items():
        context.log.info("%s is not cleared: %s", slice_, why)
        metadata: Metadata = {"kept": dg.MetadataValue.text(why)}
        yield dg.AssetObservation(context.asset_key, partition=str(slice_), metadata=metadata)


def lake_bytes(lake: Lake, slices: list[ArchiveSlice]) -> int:
    """The size of the lake's files of the weeks of these slices."""
    return sum(file.bytes for file in lake.pin().files({slice_.week for slice_ in slices}))
