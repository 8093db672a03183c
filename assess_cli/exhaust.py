"""`assess exhaust`: write a batch's report."""

from pathlib import Path

import click

from assess_cli.output import emit_json, notify
from assess_core.settings import Settings
from assess_core.usecases import exhaust as reports
from assess_core.usecases.exhaust import Format, Report
from assess_core.wiring import open_stores


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
    "--format", "format_", type=click.Choice([format_.value for format_ in Format]), default="csv", show_default=True
)
@click.option("--output", type=click.Path(path_type=Path), help="The file to write; else one below ASSESS_EXHAUSTS.")
@click.option("--json", "as_json", is_flag=True, help="What was written, as JSON.")
@click.pass_obj
def exhaust(
    settings: Settings,
    batch: str,
    course: str | None,
    report: str,
    format_: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write a report of BATCH over hot store and lake: the same bytes before and after archive and clear.

    Standard output gets the path of the file, or its s3:// URL, standard error what is in it. The file appears whole or
    not at all.

    \b
    Examples:
      assess exhaust 0130929928739635202 --report response
      assess exhaust 0130929928739635202 --report score --format parquet --output scores.parquet
      assess exhaust 0130929928739635202 --report response --course do_1130928636168192001667 --json
    """
    written = reports.write_exhaust(open_stores(settings), batch, Report(report), Format(format_), course, output)
    if as_json:
        emit_json(written._asdict())
        return
    if not written.attempts:
        of_course = "" if course is None else f" at course {course!r}"
        notify(f"batch {batch!r} has no attempts{of_course}: the report is a header alone")
    notify(f"{written.rows:,} rows of {written.attempts:,} attempts, {written.bytes:,} bytes, {written.seconds:.1f} s")
    click.echo(written.path)
