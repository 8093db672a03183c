"""The command line: `assess`. A command's module is imported when the command is called."""

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from assess_cli.measuring import measuring
from assess_core.errors import EXIT_CODES, AssessError, StoreUnavailable, is_full
from assess_core.faults import fault_of
from assess_core.messages import is_json, printable_lines, use, write_message
from assess_core.privacy import keep_files_private
from assess_core.settings import Settings

COMMANDS: Final = {
    "ingest": ("ingest", "Fold events into the hot store."),
    "failed": ("failed", "List, show and replay failed events."),
    "table": ("tables", "Print a table of the stores."),
    "score": ("tables", "Print the score that a learner reads."),
    "explain": ("explain", "Explain a score: versions, rules, files and hashes."),
    "slices": ("archive", "List slices and their state."),
    "archive": ("archive", "Copy closed slices to the lake."),
    "verify": ("archive", "Read archived slices back and prove the manifest."),
    "clear": ("archive", "Delete verified slices from the hot store."),
    "restore": ("restore", "Bring slices back from the lake into the hot store."),
    "rebuild": ("restore", "Rebuild a lost hot store from the lake and the log."),
    "import": ("old_archives", "Import old archives of Sunbird."),
    "export-archive": ("old_archives", "Write slices as archive files of Sunbird."),
    "balance": ("balance", "Prove that nothing was lost, batch by batch."),
    "compact": ("compact", "Merge small files of the lake."),
    "seal": ("seal", "Print one line that commits to the whole manifest, and check it."),
    "exhaust": ("exhaust", "Write a report of a batch."),
    "correct": ("correct", "Correct a wrong question: list whose scores change, apply, revert."),
    "hold": ("hold", "Protect a batch, learner or assessment from deletion."),
    "retain": ("retain", "Clear and drop what the rules of retention say."),
    "erase": ("erase", "Erase learners, and check that nothing of them is stored."),
    "ticket": ("ticket", "List, show and release the tickets of reports."),
    "diff": ("ticket", "List the attempts that changed since a ticket."),
    "request": ("request", "Submit, list and work on requests for reports."),
    "schedule": ("schedule", "List and run scheduled reports."),
    "sample-events": ("samples", "Write sample events."),
    "demo": ("demo", "Run the whole loop on sample events."),
    "api": ("serve", "Serve GraphQL, GraphiQL, the read and the write API."),
    "up": ("serve", "Run stream, Dagster and API together."),
    "backfill": ("serve", "Ask Dagster to archive, verify and clear many slices."),
    "housekeeping": ("serve", "Turn the weekly work of Dagster on or off."),
    "schema": ("schema", "Show, create or check the tables of the hot store."),
    "upgrade": ("upgrade", "Bring the stores of an earlier version to this one."),
    "size": ("size", "Print how large an installation has to be."),
    "settings": ("settings", "Print the settings and where they come from."),
    "doctor": ("doctor", "Check everything and show what to do."),
    "completion": ("completion", "Print the script with which a shell completes commands."),
}
"""Command -> its module, and its line in the list of commands."""

FIRST_STEPS: Final = """\
Type one of these first:
  assess demo      run the whole loop on sample events and see that no answer changes
  assess up        start stream, Dagster and API, and open the pages that it prints
  assess doctor    check settings and stores, and see what to type next

`assess --help` lists all commands; `assess COMMAND --help` explains one, with examples."""


class _Commands(click.Group):
    """Imports only the module of the command that is called: `--help` must not import DuckDB."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"assess_cli.{COMMANDS[cmd_name][0]}")
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(module, f"{name}_" if iskeyword(name) else name)
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the exit codes, which are the same for every command."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes a command without importing one."""
        commands = [CompletionItem(name, help=about) for name, (_, about) in COMMANDS.items()]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(item for item in commands if item.value.startswith(incomplete)), *options]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (alike := get_close_matches(args[0], COMMANDS, 1)):
            ctx.fail(f"no such command {args[0]!r}; did you mean `assess {alike[0]}`?")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **options: Any) -> Any:
        """Also an error of the operating system is a sentence, for example when the disk of standard output is full."""
        try:
            return super().main(*args, **options)
        except OSError as error:
            where = f"{os.fspath(error.filename)!r}: " if isinstance(error.filename, str | os.PathLike) else ""
            action = "free some space and run it again" if is_full(error) else "check the path and its permissions"
            _complain(f"{where}{error.strerror or error}; {action}")
            sys.exit(StoreUnavailable.exit_code if is_full(error) else 1)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with measuring(ctx):
                return super().invoke(ctx)
        except AssessError as error:
            _complain(str(error))
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            # the reader of our output (`| head`) closed it; without this, Python's flush at exit would fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (click.exceptions.Exit, click.Abort, click.ClickException, OSError):
            raise
        except Exception as error:  # noqa: BLE001 nobody expected it; people get a sentence and no stack trace
            _complain(fault_of(error))
            ctx.exit(1)


def _complain(text: str) -> None:
    if is_json():
        write_message(f"assess: {text}")
    else:
        click.echo(f"assess: {printable_lines(text)}", err=True)


@click.command(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="The folder of all embedded stores.")
@click.version_option(package_name="assessment-lakehouse")
@click.pass_context
def main(ctx: click.Context, home: Path | None) -> None:
    """Assessment attempts: events in, scores out, finished weeks archived, reports that never change.

    \b
    Results go to standard output, everything else to standard error.

    \b
    Examples:
      assess ingest events/                        fold a folder of events into the hot store
      assess score --learner U --assessment A      the score that a learner reads
      assess archive --closed && assess verify --closed && assess clear --closed
      assess exhaust BATCH --report response       the report that a mentor downloads
    """
    if ctx.invoked_subcommand is None:
        click.echo(FIRST_STEPS)
        return
    keep_files_private()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: an id can have any character
    ctx.obj = Settings.from_env(os.environ, str(home) if home else None)
    use(ctx.obj.messages)
