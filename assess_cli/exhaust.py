"""`assess exhaust`: write a report."""

import click

from assess_cli.output import emit_json, notify
from assess_core.domain.report_spec import Counted, Format, Report, Versions, parse_report_spec
from assess_core.settings import Settings
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import format_of, open_output, open_stores


@click.command()
@click.argument("batches", metavar="[BATCH]...", nargs=-1)
@click.option(
    "--report",
    type=click.Choice([report.value for report in Report]),
    required=True,
    help="A row per answer (response), attempt (score), learner and assessment (summary), learner (progress), "
    "question, option or assessment (analysis).",
)
@click.option("--batch-pattern", metavar="PATTERN", help="All batches whose id matches, like '2024-*'.")
@click.option("--course", help="Only the attempts at this course.")
@click.option("--assessment", "assessments", multiple=True, help="Only the attempts at this assessment; repeatable.")
@click.option("--learner", help="Only the attempts of this learner.")
@click.option("--week", "weeks", metavar="2024-W05", multiple=True, help="Only receipts of this ISO week; repeatable.")
@click.option("--attempted-from", metavar="MOMENT", help="Only attempts at or after this moment.")
@click.option("--attempted-to", metavar="MOMENT", help="Only attempts before this moment.")
@click.option("--since", metavar="MOMENT", help="Only attempts with a version received at or after this moment.")
@click.option(
    "--versions",
    type=click.Choice([versions.value for versions in Versions]),
    help="The newest version of each attempt (default), or all, with a column that says which one counts.",
)
@click.option("--column", "columns", multiple=True, help="A column to write; repeatable; default: all columns.")
@click.option(
    "--counted",
    type=click.Choice([counted.value for counted in Counted]),
    help="The attempt of each learner that an analysis counts; default: first.",
)
@click.option("--by-week", is_flag=True, help="A separate analysis for each ISO week of receipt.")
@click.option(
    "--format",
    "format_",
    type=click.Choice([format_.value for format_ in Format]),
    help="The file format; by default from the ending of --output, otherwise csv.",
)
@click.option(
    "--output", metavar="PATH", help="The file or pipe to write, - for standard output; default: below ASSESS_EXHAUSTS."
)
@click.option(
    "--spreadsheet", is_flag=True, help="CSV for Excel and others: byte order mark, no live formulas, ids stay text."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_obj
def exhaust(
    settings: Settings,
    batches: tuple[str, ...],
    report: str,
    batch_pattern: str | None,
    course: str | None,
    assessments: tuple[str, ...],
    learner: str | None,
    weeks: tuple[str, ...],
    attempted_from: str | None,
    attempted_to: str | None,
    since: str | None,
    versions: str | None,
    columns: tuple[str, ...],
    counted: str | None,
    by_week: bool,
    format_: str | None,
    output: str | None,
    spreadsheet: bool,
    as_json: bool,
) -> None:
    """Write a report of one or more batches over hot store and lake: the same bytes before and after archive and clear.

    The file appears complete or not at all. Its path, or its s3:// URL, is printed on standard output, and a summary on
    standard error. A new file is readable only by you; an existing file keeps its mode. OUTPUT can be a link, a pipe or
    a device.

    \b
    Examples:
      assess exhaust 0130929928739635202 --report response
      assess exhaust 0130929928739635202 --report score --format parquet --output scores.parquet
      assess exhaust 0130929928739635202 --report score --spreadsheet --output for-excel.csv
      assess exhaust 0130929928739635202 --report score --output - | gzip > scores.csv.gz
      assess exhaust 0130929928739635202 --report response --course do_1130928636168192001667 --json
      assess exhaust --batch-pattern '01309*' --report progress
      assess exhaust 0130929928739635202 --report item-analysis --counted best --by-week
    """
    if format_ is None and output is not None:
        format_ = format_of(output)
    spec = parse_report_spec(
        {
            "report": report,
            "format": format_,
            "batchFilter": list(batches),
            "batchPattern": batch_pattern,
            "courseId": course,
            "assessments": list(assessments),
            "userId": learner,
            "weeks": list(weeks),
            "attemptedFrom": attempted_from,
            "attemptedTo": attempted_to,
            "since": since,
            "versions": versions,
            "columns": list(columns),
            "counted": counted,
            "byWeek": by_week,
            "spreadsheet": spreadsheet,
        }
    )
    target = None if output is None else open_output(output, spec.format)
    written = write_exhaust(open_stores(settings), spec, target)
    if as_json and output != "-":
        emit_json(written._asdict())
        return
    if not written.attempts:
        notify("the stores have no attempt that was asked for: the report has only a header")
    notify(f"{written.rows:,} rows of {written.attempts:,} attempts, {written.bytes:,} bytes, {written.seconds:.1f} s")
    if output != "-":
        click.echo(written.path)
