"""Clears and drops what the rules of ASSESS_RETENTION say. The schedule is off until a person turns it on."""

from collections import Counter
from typing import Final

import dagster as dg

from assess_assets.archive import archived_attempts
from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, Row, bars, table
from assess_assets.partitions import everything
from assess_assets.resources import RETRY, Lakehouse, has_rules
from assess_core.domain.counts import counted
from assess_core.errors import BadSettings
from assess_core.usecases.retaining import Retained, retain

ASSET: Final = "retained_attempts"


@dg.asset(
    name=ASSET,
    deps=[dg.AssetDep(archived_attempts, partition_mapping=everything)],
    group_name="attempts",
    owners=["team:assessment"],
    kinds={"deltalake"},
    retry_policy=RETRY,
    pool="lake",
)
def retained_attempts(lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """Deletes rows by rule: clears slices from the hot store and drops old ones from the lake, or keeps
    only their scores (docs/retention.md).

    Nothing is dropped that was not verified, that has rows in the hot store, or that a hold protects. The preview says
    what was done, and what stopped the rest. `assess retain --dry-run` shows it beforehand.
    """
    with lakehouse.open("retain") as opened:
        rules = opened.retention
        if rules is None:
            raise BadSettings("ASSESS_RETENTION is not set; set it to the TOML file of your rules (docs/retention.md)")
        done = retain(opened.stores, rules, opened.now, opened.settings.grace, opened.unread)
        refused = done.refused
        metadata = {
            "rows cleared": dg.MetadataValue.int(sum(found.cleared for found in done.cleared.values())),
            "rows dropped": dg.MetadataValue.int(sum(found.rows for found in done.dropped.values())),
            "scores kept": dg.MetadataValue.int(sum(found.scores for found in done.dropped.values())),
            "stopped": dg.MetadataValue.int(len(done.stopped)),
            "files deleted": dg.MetadataValue.int(len(done.vacuumed.deleted)),
            "files held by tickets": dg.MetadataValue.int(len(done.vacuumed.held)),
            "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            "picture": bars("rows by week", _by_week(done)),
            "preview": table(_rows(done)[:PREVIEW_ROWS], SENTENCES),
        }
    if refused:
        raise dg.Failure(
            f"{counted(len(refused), 'slice was', 'slices were')} refused, the others are done:\n" + "\n".join(refused),
            metadata=metadata,
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=metadata)


def _by_week(done: Retained) -> dict[str, Counter[str]]:
    cleared, dropped = Counter[str](), Counter[str]()
    for slice_, clear in done.cleared.items():
        cleared[str(slice_.week)] += clear.cleared
    for slice_, drop in done.dropped.items():
        dropped[str(slice_.week)] += drop.rows
    return {"cleared": cleared, "dropped": dropped}


def _rows(done: Retained) -> list[Row]:
    stopped = ((each.slice, each.deed, 0, each.stopped) for each in done.stopped)
    return [
        {"slice": str(slice_), "action": str(deed), "rows": rows, "stopped": why or ""}
        for slice_, deed, rows, why in (*done.deeds(), *stopped)
    ]


retain_job = dg.define_asset_job(
    "retain_job", dg.AssetSelection.assets(ASSET), description="Clears and drops what the rules of retention say."
)


@dg.schedule(
    job=retain_job,
    cron_schedule="0 5 * * 2",
    execution_timezone="UTC",
    owners=["team:assessment"],
    description="Clears and drops what the rules of ASSESS_RETENTION say, on Tuesdays at 05:00 UTC. It DELETES ROWS of "
    "the hot store and of the lake.",
)
def retain_weekly() -> dg.RunRequest:
    """Run `retain_job` on Tuesdays at 05:00 UTC, if the schedule is turned on."""
    return dg.RunRequest()


schedules = [retain_weekly] if has_rules() else []
"""Only an installation with rules has the schedule."""
