"""Monitoring: the rows of both tiers, slices that are archived too late, and the number of keys in Dagster."""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from assess_assets.metadata import PREVIEW_ROWS, table
from assess_assets.outcomes import of_views, why_not
from assess_assets.partitions import archive_slices
from assess_assets.registration import Budget, budget
from assess_assets.resources import RETRY, Lakehouse
from assess_core.domain.counts import counted
from assess_core.domain.moments import DAY
from assess_core.domain.slice_status import SliceView
from assess_core.usecases.pending import pending_views

LATE: Final = DAY
"""How long (ms) a slice may stay unverified after it closes. Most slices are archived two hours after they close."""
MUCH_TOO_LATE: Final = 8 * DAY
"""After this time (ms), a slice has missed a whole weekly round."""


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]  # Dagster does not type it
    specs=[
        dg.AssetSpec(
            "hot_attempts",
            description="Attempts in the hot store: a row per version, until its slice is cleared.",
            group_name="attempts",
            owners=["team:assessment"],
        )
    ]
)
def hot_attempts(lakehouse: Lakehouse) -> dg.ObserveResult:
    """Show how many rows both tiers hold by week, and which slices wait, and for what."""
    with lakehouse.open() as opened:
        views = pending_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
        return dg.ObserveResult(asset_key="hot_attempts", metadata=of_views(views, seconds=opened.seconds))


@dg.asset_check(
    asset="hot_attempts",
    description="Closed slices are archived and verified soon after they close.",
    retry_policy=RETRY,
)
def archived_in_time(lakehouse: Lakehouse) -> dg.AssetCheckResult:
    """Fail if a slice is closed and not verified: a warning after a day, an error after eight days."""
    with lakehouse.open() as opened:
        views = pending_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
        late = overdue(views, opened.now - opened.settings.grace - LATE)
        return _in_time(late, overdue(late, opened.now - opened.settings.grace - MUCH_TOO_LATE))


def overdue(views: Sequence[SliceView], ended: int) -> list[SliceView]:
    """The slices that still need to be archived or verified, and whose week ended at `ended` (epoch ms) or before."""
    return [view for view in views if view.needs_archive and view.slice.week.end <= ended]


def _in_time(late: Sequence[SliceView], much: Sequence[SliceView]) -> dg.AssetCheckResult:
    if not late:
        return dg.AssetCheckResult(passed=True, metadata={"late": 0})
    first = late[0]
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR if much else dg.AssetCheckSeverity.WARN,
        description=f"{counted(len(late), 'closed slice is', 'closed slices are')} not archived and "
        f"verified, the oldest {first.slice}: materialize "
        "archived_attempts for them, or turn on archive_closed_weeks under Automation (and the sensor "
        "register_slices_and_batches, if it is off).",
        metadata={"late": len(late), "slices": table([why_not(view) for view in late[:PREVIEW_ROWS]])},
    )


@dg.asset_check(asset="hot_attempts", description="Dagster holds no more slice keys than it can handle.")
def slice_keys(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Fail as a warning from 25,000 registered slice keys, as an error from 100,000."""
    keys = len(context.instance.get_dynamic_partitions(str(archive_slices.name)))
    return _keys_result(keys, budget(keys))


def _keys_result(keys: int, found: Budget) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=found.passed,
        severity=dg.AssetCheckSeverity.ERROR if found.hard else dg.AssetCheckSeverity.WARN,
        description=found.message,
        metadata={"keys": keys},
    )


watch_job = dg.define_asset_job(
    "watch_job",
    dg.AssetSelection.assets("hot_attempts"),
    op_retry_policy=RETRY,  # Dagster has no retry policy for an observation itself
    description="Counts the rows of both tiers by week, and checks for late slices and too many keys.",
)


@dg.schedule(
    job=watch_job,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    owners=["team:assessment"],
    description="Counts the rows of both tiers by week, and checks for late slices and too many keys.",
)
def watch_daily() -> dg.RunRequest:
    """Run `watch_job` every day at 06:00 UTC, if the schedule is turned on."""
    return dg.RunRequest()
