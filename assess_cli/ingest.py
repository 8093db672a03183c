"""`assess ingest`: the stream runs in this process, so that a signal to it ends the stream."""

import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

import assess_cli
from assess_cli.output import emit_json, notify, progress
from assess_core.domain.counts import counted
from assess_core.errors import Unbalanced
from assess_core.settings import Settings
from assess_core.usecases.balance import balance
from assess_core.usecases.folding import Checks, Tally
from assess_core.usecases.repairing import repair as repaired
from assess_core.wiring import empty_hot, open_checks, open_files, open_ledger, open_stores
from assess_core.wiring.places import clock

_Command = TypeVar("_Command", bound=Callable[..., Any])


def facts_options(command: _Command) -> _Command:
    """The options for checks of an event against facts."""
    command = click.option(
        "--check-question-count", is_flag=True, help="Fail events that answer more questions than the assessment has."
    )(command)
    return click.option(
        "--facts",
        type=click.Path(path_type=Path),
        help='JSON file {"leafNodes": {COURSE: [ID, ...]}, "questionCounts": {ASSESSMENT: N}}, over ASSESS_FACTS.',
    )(command)


def ingest_options(command: _Command) -> _Command:
    """The options of `assess ingest`."""
    return click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON on standard output.")(
        facts_options(command)
    )


@click.command()
@ingest_options
@click.option("--repair", is_flag=True, help="Also rewrite rows that a summary names and no tier holds.")
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

    PATH is a .jsonl or .jsonl.gz file (one event per line), a .json file (one event), a folder of such files (without
    subfolders), or - for standard input. Stored events count as repeated, so it is safe to ingest again. Events that
    cannot be read become failed events with a reason (`assess failed list`); the exit code is still 0.

    --repair also rewrites rows that a summary names and no tier holds (`assess balance` names them). Without PATH, it
    reads everything that the log (ASSESS_LOG, a folder or a topic) still holds. Cleared rows stay in the lake.

    \b
    The last line is like
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
        raise click.UsageError("name files, folders or - for standard input; only --repair reads the log without them")
    options = ["--facts", str(facts)] if facts else []
    options += ["--check-question-count"] if check_question_count else []
    options += ["--json"] if as_json else []
    os.environ |= settings.env()
    sys.argv[1:] = ["ingest", *options, "--", *paths]
    ours = str(Path(assess_cli.__file__).parents[1])
    # like `python -P`: a file `stream.py` in the current folder is not ours
    sys.path[:] = [path for path in sys.path if path not in ("", _current_folder()) or path == ours]
    runpy.run_module("stream", run_name="__main__", alter_sys=True)


def _current_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was deleted
        return ""


def write_again(
    settings: Settings, paths: Sequence[str], checks: Checks, as_json: bool, before: Mapping[str, object] | None = None
) -> None:
    """Fold files, or the whole log, again and write rows that are in no tier. Raises `Unbalanced`.

    `before`: more members of the JSON object.
    """
    stores, tally = open_stores(settings), Tally()
    rewritten = in_lake = 0
    files = open_files(paths, notify)
    with open_ledger() as ledger, progress("events") as advance:
        found = balance(stores, ledger)
        for problem in found.unreadable:
            notify(problem)
        log = (batch for part in stores.log.retained().parts for batch in part.batches)
        batches = files.batches() if paths else log
        for done in repaired(batches, stores, ledger, checks, clock(), empty_hot):
            tally.add(done.folded)
            rewritten += done.rewritten
            in_lake += done.in_lake
            advance(done.events)
    left = found.total.missing - rewritten
    if as_json:
        emit_json({**(before or {}), **tally.counts(), "rewritten": rewritten, "in_lake": in_lake, "missing": left})
    else:
        notify(f"{tally}; {counted(rewritten, 'row')} written again")
    if in_lake:
        notify(f"{in_lake:,} of these were written to the lake, because the hot store has a newer deletion")
    if left > 0:
        raise Unbalanced(
            f"{counted(left, 'version is', 'versions are')} still missing, and not among the events of "
            "the log or the files that were read"
        )
