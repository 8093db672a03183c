"""`python -m stream ingest PATH...` folds files from their start; `python -m stream tail` follows `ASSESS_LOG`."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from assess_core import tracing
from assess_core.errors import AssessError
from assess_core.faults import fault_of
from assess_core.messages import use
from assess_core.messages import write_message as notify
from assess_core.ports.log import Feed
from assess_core.privacy import keep_files_private
from assess_core.settings import Settings
from assess_core.usecases.folding import Folded, Tally
from assess_core.wiring import open_checks, open_files, open_hot, open_log, open_meter, serve_metrics
from stream.flow import build_flow
from stream.pace import Pace
from stream.runs import Run, ending_on_signals
from stream.sinks import FoldSink, Target
from stream.sources import FilesSource, TailSource
from stream.steps import DecodedBatch
from stream.terminal import emit_json, progress

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Fold events into attempts and scores. Settings come from the environment (`assess settings`)."""
    ctx.obj = Settings.from_env(os.environ)
    use(ctx.obj.messages)
    tracing.start(ctx.obj.traces, "assess-stream")


def facts_options(command: _Command) -> _Command:
    """The options about facts; the help of `assess ingest` explains them."""
    command = click.option("--check-question-count", is_flag=True)(command)
    return click.option("--facts", type=click.Path(path_type=Path))(command)


@commands.command()
@click.option("--json", "as_json", is_flag=True)
@facts_options
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.pass_obj
def ingest(
    settings: Settings, paths: Sequence[str], facts: Path | None, check_question_count: bool, as_json: bool
) -> None:
    """Fold files, folders or standard input from their start. `assess ingest` runs this."""
    run, tally = Run(), Tally()
    checks = open_checks(settings, facts, check_question_count, notify)
    files = open_files(paths, notify)
    hot, _ = open_hot(settings)
    with progress("bytes", files.size or None) as advance, ending_on_signals(run):

        def count(batch: DecodedBatch, folded: Folded) -> None:
            tally.add(folded)
            advance(batch.batch.size)

        try:
            target = Target(hot, checks, meter=open_meter(settings))
            run.run(build_flow(FilesSource(files, run), FoldSink(target, run, count)))
        except AssessError:
            notify(f"before the error: {tally}")
            raise
    if run.ending:
        notify(f"interrupted after {tally}; run it again to fold the rest: stored events count as repeated")
        sys.exit(1)
    if as_json:
        emit_json(tally.counts())
    else:
        notify(str(tally))
    if tally.failed:
        notify("`assess failed list` shows why events failed; `assess failed replay` tries them again")


@commands.command()
@click.option("--metrics", metavar="HOST:PORT", help="Serve /metrics there, instead of adding to the home folder's.")
@facts_options
@click.pass_obj
def tail(settings: Settings, facts: Path | None, check_question_count: bool, metrics: str | None) -> None:
    """Follow the log, `ASSESS_LOG`, until SIGINT or SIGTERM. `assess up` runs this."""
    meter = serve_metrics(metrics) if metrics else open_meter(settings)
    run, feeds = Run(), list[Feed]()
    checks = open_checks(settings, facts, check_question_count, notify)
    with ending_on_signals(run):
        hot, positions = run.call_until_available(lambda: open_hot(settings), notify)
        log = open_log(settings, positions)

        def follow(worker: int, workers: int) -> Feed:
            feeds.append(run.call_until_available(lambda: log.feed(notify, worker, workers), notify))
            return feeds[-1]

        try:
            folded = Pace(notify if sys.stderr.isatty() else _silent)
            sink = FoldSink(Target(hot, checks, notify, meter), run, folded)
            run.run(build_flow(TailSource(follow, run), sink))
        finally:
            for feed in feeds:
                feed.close()


def _silent(text: str) -> None:
    """Ignore reports of the pace, because standard error is not a terminal."""


def main() -> None:
    """Run a command. An `AssessError` prints a sentence on standard error and sets the exit code."""
    keep_files_private()
    try:
        commands()
    except AssessError as error:
        notify(f"assess: {error}")
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 nobody expected it; people get a sentence and no stack trace
        notify(f"assess: {fault_of(error)}")
        sys.exit(1)


if __name__ == "__main__":
    main()
