"""Reports of a batch: the files that a course mentor downloads."""

from collections.abc import Iterator

import dagster as dg

from assess_assets.archive import archived_attempts
from assess_assets.columns import SCHEMA, schema_of_text
from assess_assets.metadata import Metadata, bars, shown
from assess_assets.outcomes import NOTHING, conclude
from assess_assets.partitions import batches, everything
from assess_assets.reports import Marks, Preview, preview_report
from assess_assets.resources import RETRY, Lakehouse, Opened
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.errors import ReportFailed, UnknownBatch
from assess_core.usecases.exhaust import Exhaust, write_exhaust

# starting a run takes 15 s, a usual report less than a second
in_few_runs = dg.BackfillPolicy.multi_run(max_partitions_per_run=50)
of_both_tiers: list[str | dg.AssetDep] = [
    "hot_attempts",
    dg.AssetDep(archived_attempts, partition_mapping=everything),
]
response_marks = Marks("Question Score", "Question Max Score", "answers by share of the maximum")
score_marks = Marks("total_score", "total_max_score", "attempts by share of the maximum")


@dg.asset(
    partitions_def=batches,
    deps=of_both_tiers,
    backfill_policy=in_few_runs,
    retry_policy=RETRY,
    group_name="exhausts",
    owners=["team:assessment"],
    kinds={"csv", "duckdb"},
    dagster_type=NOTHING,
)
def response_exhaust(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator[dg.AssetMaterialization]:
    """The response exhaust as CSV: a row per answer of the newest version of each attempt, from both tiers."""
    with lakehouse.open() as opened:
        yield from _write(context, opened, Report.RESPONSE, response_marks)


@dg.asset(
    partitions_def=batches,
    deps=of_both_tiers,
    backfill_policy=in_few_runs,
    retry_policy=RETRY,
    group_name="exhausts",
    owners=["team:assessment"],
    kinds={"csv", "duckdb"},
    dagster_type=NOTHING,
)
def score_exhaust(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator[dg.AssetMaterialization]:
    """The score exhaust as CSV: a row per attempt, by its newest version, from both tiers."""
    with lakehouse.open() as opened:
        yield from _write(context, opened, Report.SCORE, score_marks)


def _write(
    context: dg.AssetExecutionContext, opened: Opened, report: Report, marks: Marks
) -> Iterator[dg.AssetMaterialization]:
    """Write the report of each batch of the run. If one cannot be written, the others still are."""
    done: dict[str, Metadata] = {}
    refused: dict[str, str] = {}
    for batch_id in context.partition_keys:
        try:
            written, preview = _written(opened, batch_id, report, marks)
        except (UnknownBatch, ReportFailed) as error:
            refused[batch_id] = str(error)
            continue
        done[batch_id] = shown(
            rows=written.rows,
            size=written.bytes,
            seconds=written.seconds,
            preview=preview.first,
            picture=bars(marks.title, {"rows": preview.distribution}),
            path=dg.MetadataValue.path(written.path),
            attempts=dg.MetadataValue.int(written.attempts),
            lake_version=dg.MetadataValue.int(written.lake_version),
            **{SCHEMA: dg.MetadataValue.table_schema(schema_of_text(preview.columns))},
        )
    yield from conclude(context, done, refused)


def _written(opened: Opened, batch_id: str, report: Report, marks: Marks) -> tuple[Exhaust, Preview]:
    previews: list[Preview] = []
    written = write_exhaust(
        opened.stores,
        ReportSpec(report=report, batches=(batch_id,)),
        look=lambda file: previews.append(preview_report(file, marks)),
    )
    return written, previews[0]
