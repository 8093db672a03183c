"""`assess exhaust`: write a batch's report."""

import click

from assess_cli.output import emit_json, notify
from assess_core.domain.report_spec import Format, Report
from assess_core.settings import Settings
from assess_core.usecases import exhaust as reports
from assess_core.wiring import format_of, open_output, open_stores


@click.command()
@click.argument("batch")
@click.option("--course", help="Only the attempts at this course.")
@click.option(
    "--report",
    type=click.Choice([report.value for report in Report]),
    required=True,
    help="A row per answer, or per attempt.",
)
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
    batch: str,
    course: str | None,
    report: str,
    format_: str | None,
    output: str | None,
    spreadsheet: bool,
    as_json: bool,
) -> None:
    """Write a report of BATCH over hot store and lake: the same bytes before and after archive and clear.

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
    """
    asked = Format(format_) if format_ else None
    if asked is None and output is not None:
        asked = format_of(output)
    chosen = asked or Format.CSV
    if spreadsheet and chosen is not Format.CSV:
        raise click.UsageError("--spreadsheet is for CSV; leave it out, or write --format csv")
    target = None if output is None else open_output(output, chosen)
    written = reports.write_exhaust(
        open_stores(settings), batch, Report(report), chosen, course, target, spreadsheet=spreadsheet
    )
    if as_json and output != "-":
        emit_json(written._asdict())
        return
    if not written.attempts:
        of_course = "" if course is None else f" at course {course!r}"
        notify(f"batch {batch!r} has no attempts{of_course}: the report has only a header")
    notify(f"{written.rows:,} rows of {written.attempts:,} attempts, {written.bytes:,} bytes, {written.seconds:.1f} s")
    if output != "-":
        click.echo(written.path)
