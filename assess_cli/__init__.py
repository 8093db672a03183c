"""The command line: `assess`. Each command is in the module that its name leads to, loaded when it is called."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from assess_core.errors import AssessError
from assess_core.settings import Settings

COMMANDS: Final = {
    "ingest": ("ingest", "Fold events into the hot store."),
    "failed": ("failed", "List, show and replay events that were set aside."),
    "table": ("tables", "Print a table of the stores."),
    "score": ("tables", "Print the score that a learner reads."),
    "slices": ("archive", "List slices: how far each has come."),
    "archive": ("archive", "Copy closed slices to the lake."),
    "verify": ("archive", "Read them back and prove the manifest."),
    "clear": ("archive", "Delete from the hot store what was verified."),
    "balance": ("balance", "Prove that nothing was lost, batch by batch."),
    "compact": ("compact", "Make few files of many in the lake."),
    "exhaust": ("exhaust", "Write a report of a batch."),
    "sample-events": ("samples", "Make a log to play with."),
    "demo": ("demo", "Run the whole loop on sample events."),
    "api": ("serve", "Serve GraphQL, GraphiQL, the read and the write API."),
    "up": ("serve", "Run stream, Dagster and API together."),
    "backfill": ("serve", "Ask Dagster to archive, verify and clear many slices."),
    "schema": ("schema", "Show, make or check the tables of the hot store."),
    "settings": ("about", "Print the settings that are in force."),
    "doctor": ("about", "Check everything, and say what to type."),
}
"""Command -> the module it is in, and what the list of commands says of it."""


class _Commands(click.Group):
    """Loads a command's module when it is asked for: `--help` of one command does not import DuckDB."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"assess_cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except AssessError as error:
            click.echo(f"assess: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # whoever read our output (`| head`) has had enough; Python must not complain when it flushes
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="Folder of all that is embedded.")
@click.version_option(package_name="assessment-lakehouse")
@click.pass_context
def main(ctx: click.Context, home: Path | None) -> None:
    """Assessment attempts: events in, scores out, finished weeks archived, reports that never change.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong use, 3 unknown batch, 4 refused, 5 a store is away: try again later.
    Results go to standard output, everything else to standard error.

    \b
    Examples:
      assess ingest events/                        fold a folder of events into the hot store
      assess score --user U --assessment A         the score that a learner reads
      assess archive --closed && assess verify --closed && assess clear --closed
      assess exhaust BATCH --report response       the report that a mentor downloads
    """
    ctx.obj = Settings.from_env(os.environ, str(home) if home else None)
