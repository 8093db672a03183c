"""What to look after: the rows of both tiers, slices that nobody archived, and how many keys Dagster has to bear."""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from assess_assets.metadata import PREVIEW_ROWS, table
from assess_assets.outcomes import of_views, why_not
from assess_assets.partitions import archive_slices
from assess_assets.registration import Budget, budget
from assess_assets.resources import RETRY, Lakehouse
from assess_core.domain.moments import DAY
from assess_core.usecases.archiving import SliceView, slice_views

LATE: Final = DAY
"""How long (ms) after a slice has closed it should have been verified: the schedule runs two hours after most close."""
MUCH_TOO_LATE: Final = 8 * DAY
"""Then a whole round was missed."""


@dg.multi_observable_source_asset(  # type: ignore[untyped-decorator]  # Dagster's own lack
    specs=[
        dg.AssetSpec(
            "hot_attempts",
            description="Attempts as the stream keeps them: a row per version, until its slice is cleared.",
            group_name="attempts",
            owners=["team:assessment"],
        )
    ]
)
def hot_attempts(lakehouse: Lakehouse) -> dg.ObserveResult:
    """How many rows both tiers hold, by week, and which slices wait for what."""
    with lakehouse.open() as opened:
        views = slice_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
        return dg.ObserveResult(asset_key="hot_attempts", metadata=of_views(views, seconds=opened.seconds))


@dg.asset_check(
    asset="hot_attempts",
    description="Closed slices are archived and verified soon after they close.",
    retry_policy=RETRY,
)
def archived_in_time(lakehouse: Lakehouse) -> dg.AssetCheckResult:
    """Fails where a slice is closed and not verified: a warning after a day, an error after eight."""
    with lakehouse.open() as opened:
        views = slice_views(opened.stores, opened.now, opened.settings.grace, opened.unread)
        late = overdue(views, opened.now - opened.settings.grace - LATE)
        return _in_time(late, overdue(late, opened.now - opened.settings.grace - MUCH_TOO_LATE))


def overdue(views: Sequence[SliceView], ended: int) -> list[SliceView]:
    """The slices that still need to be archived or verified, and whose week ended at that moment or before."""
    return [view for view in views if view.needs_archive and view.slice.week.end <= ended]


def _in_time(late: Sequence[SliceView], much: Sequence[SliceView]) -> dg.AssetCheckResult:
    if not late:
        return dg.AssetCheckResult(passed=True, metadata={"late": 0})
    first = late[0]
    return dg.AssetCheckResult(
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR if much else dg.AssetCheckSeverity.WARN,
        description=f"{len(late)} closed slices are not archived and verified, the oldest {first.slice}: materialize "
        "archived_attempts for them, or start archive_closed_weeks under Automation (and the sensor "
        "register_slices_and_batches, which makes them partitions).",
        metadata={"late": len(late), "slices": table([why_not(view) for view in late[:PREVIEW_ROWS]])},
    )


@dg.asset_check(asset="hot_attempts", description="Dagster holds no more slice keys than it can bear.")
def slice_keys(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Fails as a warning from 25,000 live slice keys on, as an error from 100,000 on."""
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
    op_retry_policy=RETRY,  # an observable source asset takes no policy of its own
    description="Counts the rows of both tiers by week, and asks whether slices are late and keys too many.",
)


@dg.schedule(
    job=watch_job,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    owners=["team:assessment"],
    description="Counts the rows of both tiers by week, and asks whether slices are late and keys too many.",
)
def watch_daily() -> dg.RunRequest:
    """Looks after slices and keys; every day at 06:00 UTC, once somebody has started it."""
    return dg.RunRequest()
