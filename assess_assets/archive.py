"""Attempts of finished weeks: in the lake for good, then cleared from the hot store."""

from collections.abc import Iterator

import dagster as dg

from assess_assets.automation import to_archive, to_clear
from assess_assets.checks import verification, verification_result
from assess_assets.columns import ATTEMPTS
from assess_assets.metadata import Metadata
from assess_assets.outcomes import NOTHING, conclude, of_slices, state_of
from assess_assets.partitions import SLICES_A_RUN, archive_slices, slices_of
from assess_assets.resources import Lakehouse, Opened
from assess_core.domain.manifest import by_slice
from assess_core.domain.slice_status import view
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import VerifyFailed
from assess_core.ports.lake import Lake
from assess_core.usecases.archiving import archive, clear, require_closed, require_known, verify

Event = dg.AssetCheckResult | dg.AssetMaterialization
in_few_runs = dg.BackfillPolicy.multi_run(max_partitions_per_run=SLICES_A_RUN)


@dg.asset(
    partitions_def=archive_slices,
    deps=["hot_attempts"],
    backfill_policy=in_few_runs,
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
    """Attempts of closed slices, in the lake for good: what is not there yet is appended, then all is read back.

    A slice that is still open is refused with the reason. Materializing again does no harm and adds nothing.
    """
    with lakehouse.open() as opened:
        slices = slices_of(context.partition_keys)
        stores, now = opened.stores, opened.now
        require_known(slices, stores)
        require_closed(slices, now, opened.settings.grace, opened.unread)
        try:
            archived = archive(slices, stores, now)
        except VerifyFailed:  # a damaged file: the check names all slices that it concerns
            yield verification_result(verify(slices, stores, now), stores.lake)
            raise
        verified = verify(slices, stores, now)
        yield verification_result(verified, stores.lake)
        numbers = {
            slice_: {"rows": found.contents.rows, "appended": found.appended} for slice_, found in archived.items()
        }
        problems = {slice_: found.problem for slice_, found in verified.items() if found.problem}
        states = of_states(slices, opened)
        size, title = lake_bytes(stores.lake, slices), "rows in the lake, by week"
        done = of_slices(numbers, title, size=size, seconds=opened.seconds, problems=problems, states=states)
        yield from conclude(context, done, {})


@dg.asset(
    partitions_def=archive_slices,
    deps=[archived_attempts],
    backfill_policy=in_few_runs,
    automation_condition=to_clear,
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"duckdb"},
    pool="lake",
    dagster_type=NOTHING,
)
def cleared_attempts(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator[Event]:
    """DELETES ROWS of the hot store: exactly those that were verified and are read back from the lake right now.

    No answer changes, because reads and reports also read the lake. Every verified slice of the run is cleared. If some
    are not verified, the run then fails and names them.
    """
    with lakehouse.open() as opened:
        slices = slices_of(context.partition_keys)
        require_known(slices, opened.stores)
        cleared = clear(slices, opened.stores, opened.now)
        refused = {str(slice_): found.refused for slice_, found in cleared.items() if found.refused}
        numbers = {
            slice_: {"rows": found.cleared, "left": found.left}
            for slice_, found in cleared.items()
            if not found.refused
        }
        size = lake_bytes(opened.stores.lake, slices)
        states = of_states(slices, opened)
        done = of_slices(numbers, "rows cleared, by week", size=size, seconds=opened.seconds, states=states)
        yield from conclude(context, done, refused)


def of_states(slices: list[ArchiveSlice], opened: Opened) -> dict[ArchiveSlice, Metadata]:
    """The state of each slice after the step, with the same names for archive and clear."""
    records = by_slice(opened.stores.lake.manifest(slices))
    rows = opened.stores.hot.counts(slices)
    return {
        slice_: state_of(view(slice_, rows[slice_], records[slice_], None), records[slice_])
        for slice_ in slices
        if slice_ in records
    }


def lake_bytes(lake: Lake, slices: list[ArchiveSlice]) -> int:
    """The size of the lake's files that hold these slices."""
    return sum(file.bytes for file in lake.pin().files({slice_.week for slice_ in slices}))
