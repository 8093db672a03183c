"""`assess exhaust`: write a report."""

import sys
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from assess_cli.output import emit_json, notify
from assess_cli.passwords import first_line
from assess_cli.ticket import print_again
from assess_core.domain.completeness import dropped_sentence, kept_sentence
from assess_core.domain.counts import counted
from assess_core.domain.measures import REPORT_SECONDS, Sample
from assess_core.domain.names import unnamed
from assess_core.domain.report_formats import Format, ImageFormat, Password, format_of_name
from assess_core.domain.report_spec import Counted, Naming, Report, Versions, parse_report_spec
from assess_core.settings import Settings
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from assess_core.wiring import new_ticket as ticket_of
from assess_core.wiring import open_meter, open_output, open_stores

_OF_TICKET: Final = {"ticket", "output", "password_file", "ask_password", "allow_different", "as_json"}
"""The parameters that go with `--ticket`."""
PARTIAL: Final = 6
"""The exit code for a report that is not complete."""


@click.command()
@click.argument("batches", metavar="[BATCH]...", nargs=-1)
@click.option(
    "--report",
    type=click.Choice([report.value for report in Report]),
    help="A row per answer (response), attempt (score), learner and assessment (summary), learner (progress), "
    "question, option or assessment (analysis), or a page with pictures (overview).",
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
    "--originals",
    is_flag=True,
    help="With corrections in force: columns with the scores as they were submitted (response and score).",
)
@click.option(
    "--names",
    type=click.Choice([naming.value for naming in Naming]),
    help="Titles of courses, batches and assessments; with learners also names of learners, which are personal data. "
    "Default: titles where the report has a column for them.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice([format_.value for format_ in Format]),
    help="The file format; by default from the ending of --output, otherwise csv (overview: html).",
)
@click.option(
    "--picture",
    "pictures",
    type=click.Choice([format_.value for format_ in ImageFormat]),
    multiple=True,
    help="Draw activity, scores and questions into files of this format beside the report; repeatable.",
)
@click.option(
    "--output", metavar="PATH", help="The file or pipe to write, - for standard output; default: below ASSESS_EXHAUSTS."
)
@click.option(
    "--spreadsheet", is_flag=True, help="CSV for Excel and others: byte order mark, no live formulas, ids stay text."
)
@click.option("--sunbird", is_flag=True, help="CSV with the cells of Sunbird's response exhaust.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Encrypt the zip file (AES-256) with the password in the first line of this file.",
)
@click.option("--ask-password", is_flag=True, help="Encrypt the zip file (AES-256); asks for the password.")
@click.option(
    "--allow-partial",
    is_flag=True,
    help="If data is missing, report the rest; file name, sidecar and exit code 6 say that the report is partial.",
)
@click.option("--new-ticket", is_flag=True, help="Keep what the report reads, so that it can be printed again.")
@click.option("--ticket", metavar="ID", help="Print the report of this ticket again, with the same bytes.")
@click.option(
    "--allow-different",
    is_flag=True,
    help="With --ticket: write the report even if other versions of the programs give it other bytes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def exhaust(
    context: click.Context,
    batches: tuple[str, ...],
    report: str | None,
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
    originals: bool,
    names: str | None,
    format_: str | None,
    pictures: tuple[str, ...],
    output: str | None,
    spreadsheet: bool,
    sunbird: bool,
    password_file: Path | None,
    ask_password: bool,
    allow_partial: bool,
    new_ticket: bool,
    ticket: str | None,
    allow_different: bool,
    as_json: bool,
) -> None:
    """Write a report of one or more batches over hot store and lake: the same bytes before and after archive and clear.

    The file appears complete or not at all. Its path, or its s3:// URL, is printed on standard output, below it those
    of its pictures, and a summary on standard error. A new file is readable only by you; an existing file keeps its
    mode. OUTPUT can be a link, a pipe or a device.

    \b
    Examples:
      assess exhaust 0130929928739635202 --report response
      assess exhaust 0130929928739635202 --report score --format parquet --output scores.parquet
      assess exhaust 0130929928739635202 --report score --spreadsheet --output for-excel.csv
      assess exhaust 0130929928739635202 --report score --output scores.xlsx
      assess exhaust 0130929928739635202 --report response --format zip --ask-password
      assess exhaust 0130929928739635202 --report response --course do_1130928636168192001667 --json
      assess exhaust --batch-pattern '01309*' --report progress
      assess exhaust 0130929928739635202 --report item-analysis --counted best --by-week
      assess exhaust 0130929928739635202 --report overview --output overview.html
      assess exhaust 0130929928739635202 --report score --names learners
      assess exhaust 0130929928739635202 --report score --picture svg --picture png
      assess exhaust 0130929928739635202 --report score --new-ticket
      assess exhaust --ticket 20261130-0123456789ab --output as-of-november.csv
    """
    settings: Settings = context.obj
    if ticket is not None:
        if wrong := _beside_ticket(context):
            raise click.UsageError(f"--ticket: the ticket has all options of the report; leave out {', '.join(wrong)}")
        password = _password(password_file, ask_password)
        again = print_again(settings, ticket, output, password, allow_different=allow_different)
        if again.difference is not None:
            notify(again.difference)
        _show(again.written, output, as_json=as_json)
        return
    if report is None:
        raise click.UsageError("--report: name a report, or name a ticket with --ticket")
    if allow_different:
        raise click.UsageError("--allow-different: it is for --ticket; leave it out")
    if format_ is None and output is not None:
        format_ = format_of_name(output)
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
            "originals": originals,
            "names": names,
            "pictures": list(pictures),
            "spreadsheet": spreadsheet,
            "sunbird": sunbird,
        }
    )
    target = None if output is None else open_output(output, spec.format)
    password = _password(password_file, ask_password)
    written = write_exhaust(
        open_stores(settings, only_reads=True),
        spec,
        target,
        password=password,
        allow_partial=allow_partial,
        ticket=ticket_of(settings) if new_ticket else None,
    )
    open_meter(settings).record(Sample(REPORT_SECONDS, written.seconds, (spec.report,)))
    for sentence in unnamed(written.sidecar.names):
        notify(sentence)
    _show(written, output, as_json=as_json)


def _beside_ticket(context: click.Context) -> list[str]:
    """The options on the command line that exclude `--ticket`."""
    given = [
        parameter
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    return [max(parameter.opts, key=len) for parameter in given if parameter.name not in _OF_TICKET]


def _show(written: Exhaust, output: str | None, *, as_json: bool) -> None:
    """Print the summary. Exits with `PARTIAL` if the report is not complete."""
    for sentence in (dropped_sentence(written.sidecar.slices), kept_sentence(written.sidecar.slices)):
        if sentence:
            notify(sentence)
    for problem in written.sidecar.problems:
        notify(f"partial report: {problem}")
    if as_json and output != "-":
        emit_json(_summary(written))
    else:
        if not written.attempts:
            notify("the stores have no attempt that was asked for: the report has only a header")
        numbers = (
            f"{counted(written.rows, 'row')} of {counted(written.attempts, 'attempt')}, "
            f"{counted(written.bytes, 'byte')}"
        )
        notify(f"{numbers}, {written.seconds:.1f} s")
        if corrections := written.sidecar.corrections:
            notify(f"corrections in force for these batches: {len(corrections):,}; `assess correct list` lists them")
        if written.sidecar.ticket is not None:
            notify(f"ticket {written.sidecar.ticket}")
        if output != "-":
            for path in (written.path, *written.pictures):
                click.echo(path)
    if not written.sidecar.complete:
        sys.exit(PARTIAL)


def _summary(written: Exhaust) -> dict[str, object]:
    sidecar = written.sidecar
    more = {"complete": sidecar.complete, "problems": sidecar.problems, "sha256": sidecar.sha256}
    more |= {"ticket": sidecar.ticket, "corrections": sidecar.corrections}
    more |= {"dropped": dropped_sentence(sidecar.slices), "kept_scores": kept_sentence(sidecar.slices)}
    return {name: value for name, value in written._asdict().items() if name != "sidecar"} | more


def _password(file: Path | None, ask: bool) -> Password | None:
    if file is not None and ask:
        raise click.UsageError("--ask-password and --password-file exclude each other; leave one of them out")
    if ask:
        return Password(click.prompt("Password of the zip file", hide_input=True, confirmation_prompt=True, err=True))
    if file is not None:
        return Password(first_line(file))
    return None
