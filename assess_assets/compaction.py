"""Rewrites many small files of the lake into few. It runs only when a person starts it."""

import dagster as dg

from assess_assets.archive import archived_attempts
from assess_assets.metadata import PREVIEW_ROWS, bars, table
from assess_assets.partitions import everything
from assess_assets.resources import RETRY, Lakehouse
from assess_core.usecases.compacting import compact, vacuum, weeks_worth_it


@dg.asset(
    deps=[dg.AssetDep(archived_attempts, partition_mapping=everything)],
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"deltalake"},
    retry_policy=RETRY,
    pool="lake",
)
def compacted_attempts(lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """Weeks of the lake that had small files or held a row twice: rewritten, and verified before and after.

    No version is lost and no report changes. Files that left the table a week ago are deleted,
    unless a ticket holds them.
    """
    with lakehouse.open("compact") as opened:
        lake = opened.stores.lake
        done = compact(weeks_worth_it(lake), lake, opened.now)
        refused = [found.refused for found in done.values() if found.refused]
        if refused:
            message = f"{len(refused)} of {len(done)} weeks were left as they are, the others are done:\n"
            raise dg.Failure(message + "\n".join(refused), allow_retries=False)
        lake.compact_small_tables()
        vacuumed = vacuum(lake, opened.now)
        gone = {str(week): float(found.files_before - found.files) for week, found in done.items()}
        files = {str(week): float(found.files) for week, found in done.items()}
        rows = [{"week": str(week), **found._asdict()} for week, found in done.items()]
        return dg.MaterializeResult(
            metadata={
                "weeks": dg.MetadataValue.int(len(done)),
                "rows": dg.MetadataValue.int(sum(found.rows for found in done.values())),
                "files deleted": dg.MetadataValue.int(len(vacuumed.deleted)),
                "files held by tickets": dg.MetadataValue.int(len(vacuumed.held)),
                "tickets deleted": dg.MetadataValue.int(len(vacuumed.tickets)),
                "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
                "picture": bars("files by week", {"now": files, "merged": gone}),
                "preview": table(rows[:PREVIEW_ROWS]),
            }
        )
