"""Scheduled reports: a schedule of Dagster for each entry of the file that ASSESS_SCHEDULES names."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC
from typing import Final

import dagster as dg
from pydantic import Field

from assess_assets.exhausts import of_both_tiers
from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, Row, bars, table
from assess_assets.resources import RETRY, Lakehouse, declared_entries
from assess_core.domain.moments import DAY, parse_moment
from assess_core.domain.schedules import Schedule
from assess_core.errors import BadSettings
from assess_core.usecases.scheduled import ScheduledReport, State, chosen_schedules, run_schedule
from assess_core.wiring import read_schedules

ASSET: Final = "scheduled_exhausts"
_PREFIX: Final = "report_"
"""Begins the name of each schedule, so that it differs from the other schedules and sensors."""


class ScheduledOptions(dg.Config):
    """Which scheduled reports a run writes."""

    schedules: list[str] = Field(
        default_factory=list,
        description="The names of schedules in the file of ASSESS_SCHEDULES; empty: those that are due now.",
    )
    day: str = Field(default="", description="The day (UTC) whose files to write, like 2025-01-06; empty: today.")


@dg.asset(
    name=ASSET,
    deps=of_both_tiers,
    group_name="exhausts",
    owners=["team:assessment"],
    kinds={"csv", "duckdb"},
    retry_policy=RETRY,
)
def scheduled_exhausts(
    context: dg.AssetExecutionContext, config: ScheduledOptions, lakehouse: Lakehouse
) -> dg.MaterializeResult[None]:
    """The reports of the schedules that are due: a file for each batch. A file that the day has already stays as it is.

    If a report cannot be written, the others still are; then the run fails and names it.
    """
    with lakehouse.open() as opened:
        schedules = read_schedules(opened.settings)
        if schedules is None:
            raise BadSettings("ASSESS_SCHEDULES is not set; set it to the TOML file of your scheduled reports")
        now = parse_moment(config.day, "day") // DAY * DAY + DAY - 1 if config.day else opened.now
        chosen = chosen_schedules(schedules, config.schedules, now)
        done = []
        for report in (report for entry in chosen for report in run_schedule(opened.stores, entry, now)):
            context.log.info("%s %s: %s %s", report.schedule, report.batch_id, report.state, report.message or "")
            done.append(report)
        metadata = {
            "reports": dg.MetadataValue.int(len(done)),
            "rows": dg.MetadataValue.int(sum(report.rows or 0 for report in done)),
            "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
            "picture": bars("reports by state", {"reports": Counter(str(report.state) for report in done)}),
            "wrong entries": dg.MetadataValue.text("\n".join(schedules.described()) or "none"),
            "preview": table([_row(report) for report in done[:PREVIEW_ROWS]], SENTENCES),
        }
    if failed := [report for report in done if report.state is State.FAILED]:
        sentences = "\n".join(f"{report.schedule}, batch {report.batch_id}: {report.message}" for report in failed)
        raise dg.Failure(
            f"{len(failed)} of {len(done)} reports failed, the others are done:\n{sentences}",
            metadata=metadata,
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=metadata)


def _row(report: ScheduledReport) -> Row:
    return {name: "" if value is None else value for name, value in report._asdict().items()}


scheduled_job = dg.define_asset_job(
    "scheduled_job", dg.AssetSelection.assets(ASSET), description="Writes the scheduled reports that are due."
)


def _dagster_schedule(entry: Schedule) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{_PREFIX}{entry.name}",
        job=scheduled_job,
        cron_schedule=entry.cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,  # who writes an entry wants it to run; it deletes nothing
        description=f"Every {entry.every} at {entry.at} UTC: the report {entry.spec.report} as {entry.spec.format} of "
        f"{entry.spec.batch_pattern or ', '.join(entry.spec.batches)}, below {entry.prefix}/{entry.name}.",
        owners=["team:assessment"],
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = context.scheduled_execution_time.astimezone(UTC).date().isoformat()
        options = {"schedules": [entry.name], "day": day}
        return dg.RunRequest(run_key=day, run_config={"ops": {ASSET: {"config": options}}})

    return tick


def schedules_of(entries: Iterable[Schedule]) -> list[dg.ScheduleDefinition]:
    """A schedule of Dagster for each entry."""
    return [_dagster_schedule(entry) for entry in entries]


declared = schedules_of(declared_entries())
