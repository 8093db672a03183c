"""The command line: `assess`. A command's module is imported when the command is called."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from assess_core.errors import AssessError
from assess_core.privacy import keep_files_private
from assess_core.settings import Settings

COMMANDS: Final = {
    "ingest": ("ingest", "Fold events into the hot store."),
    "failed": ("failed", "List, show and replay failed events."),
    "table": ("tables", "Print a table of the stores."),
    "score": ("tables", "Print the score that a learner reads."),
    "slices": ("archive", "List slices and their state."),
    "archive": ("archive", "Copy closed slices to the lake."),
    "verify": ("archive", "Read archived slices back and prove the manifest."),
    "clear": ("archive", "Delete verified slices from the hot store."),
    "balance": ("balance", "Prove that nothing was lost, batch by batch."),
    "compact": ("compact", "Merge small files of the lake."),
    "exhaust": ("exhaust", "Write a report of a batch."),
    "request": ("request", "Submit, list and work on requests for reports."),
    "schedule": ("schedule", "List and run scheduled reports."),
    "sample-events": ("samples", "Write sample events."),
    "demo": ("demo", "Run the whole loop on sample events."),
    "api": ("serve", "Serve GraphQL, GraphiQL, the read and the write API."),
    "up": ("serve", "Run stream, Dagster and API together."),
    "backfill": ("serve", "Ask Dagster to archive, verify and clear many slices."),
    "schema": ("schema", "Show, create or check the tables of the hot store."),
    "settings": ("settings", "Print the settings and where they come from."),
    "doctor": ("doctor", "Check everything and show what to do."),
}
"""Command -> its module, and its line in the list of commands."""


class _Commands(click.Group):
    """Imports only the module of the command that is called: `--help` must not import DuckDB."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"assess_cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except AssessError as error:
            click.echo(f"assess: {error}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # the reader of our output (`| head`) closed it; without this, Python's flush at exit would fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except OSError as error:
            where = f"{os.fspath(error.filename)!r}: " if isinstance(error.filename, str | os.PathLike) else ""
            click.echo(f"assess: {where}{error.strerror or error}; check the path and its permissions", err=True)
            ctx.exit(1)


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="The folder of all embedded stores.")
@click.version_option(package_name="assessment-lakehouse")
@click.pass_context
def main(ctx: click.Context, home: Path | None) -> None:
    """Assessment attempts: events in, scores out, finished weeks archived, reports that never change.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong use, 3 unknown batch, slice or learner, 4 refused,
    5 a store does not answer: try again later.
    Results go to standard output, everything else to standard error.

    \b
    Examples:
      assess ingest events/                        fold a folder of events into the hot store
      assess score --user U --assessment A         the score that a learner reads
      assess archive --closed && assess verify --closed && assess clear --closed
      assess exhaust BATCH --report response       the report that a mentor downloads
    """
    keep_files_private()
    ctx.obj = Settings.from_env(os.environ, str(home) if home else None)
