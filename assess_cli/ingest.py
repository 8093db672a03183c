"""`assess ingest`: becomes the stream's job, so that whoever ends this process ends the job."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from assess_cli.output import emit_json, notify, progress
from assess_core.errors import Unbalanced
from assess_core.settings import Settings
from assess_core.usecases.balance import balance
from assess_core.usecases.folding import Checks, Tally
from assess_core.usecases.repairing import repair as repaired
from assess_core.wiring import empty_hot, open_checks, open_files, open_ledger, open_stores

_Command = TypeVar("_Command", bound=Callable[..., Any])


def facts_options(command: _Command) -> _Command:
    """The options that say what is asked of an event beyond its own text."""
    command = click.option("--check-question-count", is_flag=True, help="Fail events that answer too many questions.")(
        command
    )
    return click.option(
        "--facts",
        type=click.Path(path_type=Path),
        help='JSON file {"leafNodes": {COURSE: [ID, ...]}, "questionCounts": {ASSESSMENT: N}}, over ASSESS_FACTS.',
    )(command)


def ingest_options(command: _Command) -> _Command:
    """What `assess ingest` and the job that it becomes both take."""
    return click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON on standard output.")(
        facts_options(command)
    )


@click.command()
@ingest_options
@click.option("--repair", is_flag=True, help="Write again, besides, what the summaries name and neither tier holds.")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.pass_obj
def ingest(
    settings: Settings,
    paths: Sequence[str],
    facts: Path | None,
    check_question_count: bool,
    as_json: bool,
    repair: bool,
) -> None:
    """Fold events into the hot store, from the start of the log to its end.

    PATH is a .jsonl or .jsonl.gz file (an event a line), a .json file (one event), a folder of them (not of folders),
    or - for standard input. What is stored already is only repeated, so ingesting again is harmless. Events that
    cannot be understood are set aside with their reason (`assess failed list`); the exit code is 0 all the same.

    With --repair rows are written again that the summaries name and neither tier holds (`assess balance` names them);
    without PATH all that the log (ASSESS_LOG) still holds is taken, a folder or a topic. What was cleared is in the
    lake, and stays there.

    \b
    Ends with
      9 events = 8 stored (2 superseded) + 0 repeated + 0 recomputed + 1 failed

    \b
    Examples:
      assess ingest events/
      assess ingest monday.jsonl.gz tuesday.jsonl --facts facts.json --check-question-count
      zcat old.gz | assess ingest - --json
      assess ingest --repair
    """
    checks = open_checks(settings, facts, check_question_count, notify)
    if repair:
        write_again(settings, paths, checks, as_json)
        return
    if not paths:
        raise click.UsageError("name files, folders or - for standard input; only --repair takes the log by itself")
    for name, value in settings.env().items():
        os.putenv(name, value)  # what `execv` hands on
    options = ["--facts", str(facts)] if facts else []
    options += ["--check-question-count"] if check_question_count else []
    options += ["--json"] if as_json else []
    sys.stdout.flush()
    # -P: a file `stream.py` in the folder where somebody keeps events is not ours
    os.execv(sys.executable, [sys.executable, "-P", "-m", "stream", "ingest", *options, "--", *paths])


def write_again(settings: Settings, paths: Sequence[str], checks: Checks, as_json: bool) -> None:
    """Take files, or the whole log, again, and write rows that are in neither tier. Raises `Unbalanced`."""
    stores, tally = open_stores(settings), Tally()
    rewritten = in_lake = 0
    files = open_files(paths, notify)
    with open_ledger() as ledger, progress("events") as advance:
        found = balance(stores, ledger)
        for problem in found.unreadable:
            notify(problem)
        log = (batch for part in stores.log.retained().parts for batch in part.batches)
        batches = files.batches() if paths else log
        for done in repaired(batches, stores, ledger, checks, time.time_ns() // 1_000_000, empty_hot):
            tally.add(done.folded)
            rewritten += done.rewritten
            in_lake += done.in_lake
            advance(done.events)
    left = found.total.missing - rewritten
    if as_json:
        emit_json({**tally.counts(), "rewritten": rewritten, "in_lake": in_lake, "missing": left})
    else:
        notify(f"{tally}; {rewritten} {'row' if rewritten == 1 else 'rows'} written again")
    if in_lake:
        notify(f"{in_lake} of these rows went to the lake, for the hot store keeps a newer deletion of them")
    if left > 0:
        raise Unbalanced(f"{left:,} versions are missing still: their events are not in what was read")
