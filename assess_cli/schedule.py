"""`assess schedule`: scheduled reports: list and run them."""

import sys
from collections import Counter

import click

from assess_cli.output import Format, emit_rows, format_options, notify
from assess_core.domain.moments import DAY, parse_moment
from assess_core.domain.schedules import Schedules
from assess_core.errors import BadSettings
from assess_core.settings import Settings
from assess_core.usecases.scheduled import ScheduledReport, State, chosen_schedules, run_schedule
from assess_core.wiring import open_stores, read_schedules
from assess_core.wiring.places import clock

_WRONG_USE = BadSettings.exit_code


@click.group()
def schedule() -> None:
    """Scheduled reports, which the file of ASSESS_SCHEDULES declares.

    Dagster runs them, with a switch for each. Without Dagster, let cron type `assess schedule run` every hour.

    \b
    Examples:
      assess schedule list
      assess schedule run
      assess schedule run monday_scores --day 2025-01-06
    """


@schedule.command("list")
@format_options()
@click.pass_obj
def list_(settings: Settings, format_: Format) -> None:
    """List the schedules, and what is wrong in the file; exit code 2 if an entry is wrong."""
    schedules = _read(settings)
    columns = ("schedule", "every", "at", "report", "format", "batches", "period", "prefix", "line")
    rows = (
        {
            "schedule": entry.name,
            "every": entry.every,
            "at": entry.at,
            "report": entry.spec.report,
            "format": entry.spec.format,
            "batches": entry.spec.batch_pattern or ", ".join(entry.spec.batches),
            "period": entry.period and str(entry.period),
            "prefix": entry.prefix,
            "line": entry.line,
        }
        for entry in schedules.entries
    )
    emit_rows(columns, rows, format_)
    if schedules.problems:
        sys.exit(_WRONG_USE)


@schedule.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--day", metavar="DATE", help="The day (UTC) whose files to write, like 2025-01-06; default: today.")
@click.option("--again", is_flag=True, help="Also write files again that the day has already.")
@format_options()
@click.pass_obj
def run(settings: Settings, names: tuple[str, ...], day: str | None, again: bool, format_: Format) -> None:
    """Write the reports that are due today, or those of the named schedules.

    A file that the day has already is not written again, so a repeated run changes nothing. Exit code 1 if a report
    failed, 2 if an entry of the file is wrong; all others are still written.

    \b
    Examples:
      assess schedule run
      assess schedule run monday_scores --day 2025-01-06
    """
    schedules = _read(settings)
    # a day that is named is over: all of its schedules were due
    now = clock() if day is None else parse_moment(day, "--day") // DAY * DAY + DAY - 1
    chosen = chosen_schedules(schedules, names, now)
    if not chosen:
        notify("no schedule is due; `assess schedule list` shows when they are")
    states = Counter[State]()
    if chosen:
        stores = open_stores(settings)
        done = (report for entry in chosen for report in run_schedule(stores, entry, now, again=again))
        emit_rows(ScheduledReport._fields, (_counted(report, states) for report in done), format_)
        notify(", ".join(f"{count:,} {state}" for state, count in sorted(states.items())))
    if states[State.FAILED]:
        sys.exit(1)
    if schedules.problems:
        sys.exit(_WRONG_USE)


def _counted(report: ScheduledReport, states: "Counter[State]") -> dict[str, object]:
    states[report.state] += 1
    if report.state is State.NOTHING:
        notify(f"{report.schedule}: {report.message}")
    return report._asdict()


def _read(settings: Settings) -> Schedules:
    """The schedules; each problem of the file is printed. Raises `BadSettings` if there is no file."""
    schedules = read_schedules(settings)
    if schedules is None:
        raise BadSettings("ASSESS_SCHEDULES is not set; set it to the TOML file of your scheduled reports")
    for problem in schedules.described():
        notify(f"assess: {problem}")
    return schedules
