"""`assess doctor`: a check of everything."""

import os

import click

from assess_cli.output import emit_json, notify
from assess_core.messages import printable
from assess_core.ports.findings import Finding, Level
from assess_core.wiring.examining import examine
from assess_core.wiring.places import clock


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each finding.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check settings, home folder, stores, log, packages and Dagster; exit code 1 if something is bad.

    It changes nothing. Each finding that needs an action names it.

    \b
    Examples:
      assess doctor
      assess doctor --json | jq '.[] | select(.level != "ok")'
    """
    findings = []
    for finding in examine(ctx.obj, os.environ, clock(), notify):
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    if as_json:
        emit_json([finding._asdict() for finding in findings])
    bad = sum(finding.level is Level.BAD for finding in findings)
    warnings = sum(finding.level is Level.WARN for finding in findings)
    notify(f"{bad} bad, {warnings} to look at" if bad or warnings else "all is well")
    ctx.exit(1 if bad else 0)


def _line(finding: Finding) -> str:
    colour = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "red"}[finding.level]
    line = f"{click.style(f'{finding.level:<4}', fg=colour)}  {finding.what:<14}  {printable(finding.message)}"
    return f"{line}\n{'':<22}-> {printable(finding.action)}" if finding.action else line
