"""Weekly analytics in a table of the lake."""

from collections import Counter
from collections.abc import Mapping

import dagster as dg

from assess_assets.archive import archived_attempts
from assess_assets.columns import WEEKLY
from assess_assets.metadata import Metadata, bars, shown
from assess_assets.partitions import everything, iso_weeks, week_of
from assess_assets.resources import RETRY, Lakehouse
from assess_core.domain.slices import IsoWeek
from assess_core.usecases.weekly import Refreshed, refresh


@dg.asset(
    partitions_def=iso_weeks,
    deps=["hot_attempts", dg.AssetDep(archived_attempts, partition_mapping=everything)],
    backfill_policy=dg.BackfillPolicy.single_run(),  # all weeks are read in one pass and replaced in one commit
    retry_policy=RETRY,
    group_name="analytics",
    owners=["team:assessment"],
    metadata=WEEKLY,
    kinds={"deltalake", "duckdb"},
)
def weekly_activity(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> None:
    """Attempts, learners and mean score per batch and ISO week. Running a week again replaces only that week."""
    weeks = {key: week_of(key) for key in context.partition_keys}
    with lakehouse.open("weekly_activity") as opened:
        refreshed = refresh(opened.stores, opened.weekly, set(weeks.values()))
        for key, metadata in _shown(weeks, refreshed, opened.seconds).items():
            context.add_asset_metadata(metadata, partition_key=key)


def _shown(weeks: Mapping[str, IsoWeek], refreshed: Refreshed, seconds: float) -> dict[str, Metadata]:
    """The metadata of each week by partition key: its own rows, and the table and picture of the whole run."""
    batches = Counter(row.slice.week for row in refreshed.rows)
    attempts = Counter[str]()
    for row in refreshed.rows:
        attempts[str(row.slice.week)] += row.attempts
    preview = [
        {
            "batch": row.slice.batch_id,
            "week": str(row.slice.week),
            "attempts": row.attempts,
            "learners": row.learners,
            "mean score": row.mean_score,
        }
        for row in refreshed.rows
    ]
    picture = bars("attempts by week", {"attempts": attempts})
    size = refreshed.bytes
    return {
        key: shown(rows=batches[week], size=size, seconds=seconds, preview=preview, picture=picture)
        for key, week in weeks.items()
    }
