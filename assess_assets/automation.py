"""When slices are archived and cleared: weekly, as ranges of registered slices, in as few runs as can be."""

from collections.abc import Callable, Collection, Sequence

import dagster as dg

from assess_assets.archive import archived_attempts, cleared_attempts
from assess_assets.partitions import SLICES_A_RUN, archive_slices
from assess_assets.registration import ranges
from assess_assets.resources import Lakehouse
from assess_core.archiving import SliceStatus, SliceView, slice_views

SLICES_IN_PASSING = 300  # that need nothing cost 47 ms each: as much as another run, 15 s

archive_job = dg.define_asset_job(
    "archive_slices_job",
    dg.AssetSelection.assets(archived_attempts),
    description="Archives and verifies a range of slices.",
)
clear_job = dg.define_asset_job(
    "clear_slices_job",
    dg.AssetSelection.assets(cleared_attempts),
    description="Clears the verified slices of a range from the hot store.",
)

Requests = list[dg.RunRequest] | dg.SkipReason


@dg.schedule(
    job=archive_job,
    cron_schedule="0 2 * * 2",  # a week is over on Monday 00:00 UTC, and closes a day later
    execution_timezone="UTC",
    owners=["team:assessment"],
)
def archive_closed_weeks(context: dg.ScheduleEvaluationContext, lakehouse: Lakehouse) -> Requests:
    """Archives and verifies every closed slice that is not verified yet; Tuesdays at 02:00 UTC, once it is started."""
    return _requests(context, lakehouse, needs_archive)


@dg.schedule(job=clear_job, cron_schedule="0 4 * * 2", execution_timezone="UTC", owners=["team:assessment"])
def clear_verified_weeks(context: dg.ScheduleEvaluationContext, lakehouse: Lakehouse) -> Requests:
    """Clears every verified slice; Tuesdays at 04:00 UTC, once it is started: it deletes hot rows."""
    return _requests(context, lakehouse, needs_clear)


def needs_archive(view: SliceView) -> bool:
    """Whether the lake does not hold all of a closed slice yet, or nobody has read it back."""
    if view.status is SliceStatus.PLANNED:
        return view.hot_rows > 0
    return view.status is SliceStatus.WRITTEN or (view.status is SliceStatus.VERIFIED and view.note is not None)


def needs_clear(view: SliceView) -> bool:
    """Whether a slice was read back and is in the hot store still."""
    return view.status in (SliceStatus.VERIFIED, SliceStatus.CLEARING)


def _requests(
    context: dg.ScheduleEvaluationContext, lakehouse: Lakehouse, needs_it: Callable[[SliceView], bool]
) -> Requests:
    with lakehouse.open(retries=0) as opened:
        views = slice_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
    registered = context.instance.get_dynamic_partitions(str(archive_slices.name))
    asked = runs_over({str(view.slice) for view in views if needs_it(view)}, registered)
    return asked or dg.SkipReason("no registered slice needs it")


def runs_over(wanted: Collection[str], registered: Sequence[str]) -> list[dg.RunRequest]:
    """Runs over ranges of registered slices that hold all wanted ones; what is not registered waits for next time."""
    return [
        dg.RunRequest(
            # a range of partitions has no parameter of its own: these tags are how Dagster's backfills name one
            tags={
                "dagster/asset_partition_range_start": range_.first,
                "dagster/asset_partition_range_end": range_.last,
            },
        )
        for range_ in ranges(registered, wanted, most=SLICES_A_RUN, gap=SLICES_IN_PASSING)
    ]
