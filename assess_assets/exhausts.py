"""Reports of a batch: the files that a course mentor downloads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from assess_assets.archive import archived_attempts
from assess_assets.columns import SCHEMA, schema_of_text
from assess_assets.metadata import Metadata, bars, dots, shown
from assess_assets.outcomes import NOTHING, conclude
from assess_assets.partitions import batches, everything
from assess_assets.reports import Marks, Preview, preview_report
from assess_assets.resources import RETRY, Lakehouse, Opened
from assess_core.domain.completeness import Sidecar
from assess_core.domain.measures import REPORT_SECONDS, Sample
from assess_core.domain.names import NamesRead, unnamed
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec, default_format, parse_report_spec
from assess_core.errors import BadReport, ReportFailed, UnknownBatch
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from assess_core.wiring import new_ticket

# starting a run takes 15 s, a usual report less than a second
in_few_runs = dg.BackfillPolicy.multi_run(max_partitions_per_run=50)
of_both_tiers: list[str | dg.AssetDep] = [
    "hot_attempts",
    dg.AssetDep(archived_attempts, partition_mapping=everything),
]
_MARKS = {
    Report.RESPONSE: Marks("Question Score", "Question Max Score", "answers by share of the maximum"),
    Report.SCORE: Marks("total_score", "total_max_score", "attempts by share of the maximum"),
    Report.SUMMARY: Marks("best_score", "best_max_score", "best scores by share of the maximum"),
    Report.PROGRESS: Marks("Total Score", None, "learners by total score"),
    Report.ITEM_ANALYSIS: Marks("difficulty", None, "questions by difficulty and discrimination", "discrimination"),
    Report.OPTION_ANALYSIS: Marks("share", None, "options by share of the learners"),
    Report.ASSESSMENT_ANALYSIS: Marks("alpha", None, "assessments by reliability"),
}
_ROWS = {
    Report.RESPONSE: "a row per answer of the newest version of each attempt",
    Report.SCORE: "a row per attempt, by its newest version",
    Report.SUMMARY: "a row per learner and assessment",
    Report.PROGRESS: "a row per learner, with the best score of each assessment",
    Report.ITEM_ANALYSIS: "a row per question",
    Report.OPTION_ANALYSIS: "a row per option of a question",
    Report.ASSESSMENT_ANALYSIS: "a row per assessment",
    Report.OVERVIEW: "a page with pictures for a mentor, which needs no network",
}


class ReportOptions(dg.Config):
    """The configuration of a report."""

    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Options of the report as in docs/formats.md, e.g. {format: xlsx, weeks: [2024-W05], versions: "
        "all}. The batches are the partitions.",
    )
    ticket: bool = Field(
        default=False, description="Keep what the report reads, so that `assess exhaust --ticket ID` prints it again."
    )
    allow_partial: bool = Field(
        default=False,
        description="If data is missing, report the rest. File name, sidecar and metadata say that it is partial.",
    )


def _asset(report: Report) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{report.replace('-', '_')}_exhaust",
        description=f"The {report} report of a batch: {_ROWS[report]}. It reads the hot store and the lake, so it is "
        "complete at any time. A partition is a batch. The file is "
        f"{default_format(report).upper()} in ASSESS_EXHAUSTS, unless the launchpad sets other options.",
        partitions_def=batches,
        deps=of_both_tiers,
        backfill_policy=in_few_runs,
        retry_policy=RETRY,
        group_name="exhausts",
        owners=["team:assessment"],
        kinds={default_format(report), "duckdb"},
        dagster_type=NOTHING,
    )
    def exhaust(
        context: dg.AssetExecutionContext, config: ReportOptions, lakehouse: Lakehouse
    ) -> Iterator[dg.AssetMaterialization]:
        with lakehouse.open("exhaust") as opened:
            yield from _write(context, opened, report, config)

    return exhaust


exhausts = [_asset(report) for report in Report]


def _write(
    context: dg.AssetExecutionContext, opened: Opened, report: Report, config: ReportOptions
) -> Iterator[dg.AssetMaterialization]:
    """Write the report of each batch of the run. If one cannot be written, the others still are."""
    done: dict[str, Metadata] = {}
    refused: dict[str, str] = {}
    for batch_id in context.partition_keys:
        try:
            spec = parse_report_spec({**config.options, "report": report, "batchId": batch_id})
            written, preview = _written(opened, spec, config)
        except (BadReport, UnknownBatch, ReportFailed) as error:
            refused[batch_id] = str(error)
            continue
        opened.meter.record(Sample(REPORT_SECONDS, written.seconds, (report,)))
        done[batch_id] = shown(
            rows=written.rows,
            size=written.bytes,
            seconds=written.seconds,
            preview=preview.first,
            picture=_picture(report, preview),
            path=dg.MetadataValue.path(written.path),
            attempts=dg.MetadataValue.int(written.attempts),
            lake_version=dg.MetadataValue.int(written.lake_version),
            pictures=dg.MetadataValue.text("\n".join(written.pictures) or "none"),
            **_completeness(written.sidecar),
            **{SCHEMA: dg.MetadataValue.table_schema(schema_of_text(preview.columns))},
        )
    yield from conclude(context, done, refused)


def _completeness(sidecar: Sidecar) -> Metadata:
    """What was read, from the sidecar."""
    slices = sidecar.slices
    return {
        "complete": dg.MetadataValue.bool(sidecar.complete),
        "missing": dg.MetadataValue.text("; ".join(sidecar.problems) or "nothing"),
        "sha256": dg.MetadataValue.text(sidecar.sha256),
        "slices_expected": dg.MetadataValue.int(slices.expected),
        "slices_read": dg.MetadataValue.int(slices.read),
        "hot_watermark": dg.MetadataValue.text(sidecar.hot_watermark or "no row in the hot store"),
        "unread_events": dg.MetadataValue.text(sidecar.log.unread or "none"),
        "names": dg.MetadataValue.text(_names(sidecar.names)),
        "suppressed_cells": dg.MetadataValue.int(sidecar.suppressed_cells),
        "corrections": dg.MetadataValue.text(", ".join(sidecar.corrections) or "none in force"),
        "ticket": dg.MetadataValue.text(sidecar.ticket or "none"),
        "product": dg.MetadataValue.text(sidecar.product),
    }


def _names(read: NamesRead | None) -> str:
    if read is None:
        return "not shown"
    return "; ".join([f"from {read.source}, SHA-256 {read.sha256}", *unnamed(read)])


def _written(opened: Opened, spec: ReportSpec, config: ReportOptions) -> tuple[Exhaust, Preview]:
    previews: list[Preview] = []

    def look(file: Path) -> None:
        if spec.format is Format.CSV:
            previews.append(preview_report(file, _MARKS[spec.report]))

    ticket = new_ticket(opened.settings) if config.ticket else None
    written = write_exhaust(opened.stores, spec, allow_partial=config.allow_partial, look=look, ticket=ticket)
    return written, previews[0] if previews else Preview([], [], {}, [])


def _picture(report: Report, preview: Preview) -> dg.MetadataValue:
    """The distribution of the marks, or for questions their difficulty and discrimination; only CSV is looked at."""
    if not preview.columns:
        return dg.MetadataValue.text("only reports as CSV have a picture here")
    title = _MARKS[report].title
    if _MARKS[report].against:
        return dots(title, preview.points)
    return bars(title, {"rows": preview.distribution})
