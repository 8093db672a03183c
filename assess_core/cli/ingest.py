"""`assess ingest`: becomes the stream's job, so that whoever ends this process ends the job."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from assess_core.cli.output import say
from assess_core.errors import BadSettings
from assess_core.facts import NoFacts
from assess_core.folding import Checks
from assess_core.settings import Settings
from assess_core.wiring import open_facts

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
    command = click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON on standard output.")(
        facts_options(command)
    )
    return click.argument("paths", nargs=-1, required=True, metavar="PATH...")(command)


def read_checks(settings: Settings, facts: Path | None, check_question_count: bool) -> Checks:
    """What these options ask for, over the facts that the settings name. Raises `BadFacts`, `BadSettings`."""
    known = open_facts(str(facts) if facts else settings.facts, say)
    if check_question_count and known is None:
        raise BadSettings("--check-question-count compares with facts; add --facts FILE")
    return Checks(known or NoFacts(), check_question_count)


@click.command()
@ingest_options
@click.pass_obj
def ingest(
    settings: Settings, paths: Sequence[str], facts: Path | None, check_question_count: bool, as_json: bool
) -> None:
    """Fold events into the hot store, from the start of the log to its end.

    PATH is a .jsonl or .jsonl.gz file (an event a line), a .json file (one event), a folder of them (not of folders),
    or - for standard input. What is stored already is only repeated, so ingesting again is harmless. Events that
    cannot be understood are set aside with their reason (`assess failed list`); the exit code is 0 all the same.

    \b
    Ends with
      9 events = 8 stored (2 superseded) + 0 repeated + 0 recomputed + 1 failed

    \b
    Examples:
      assess ingest events/
      assess ingest monday.jsonl.gz tuesday.jsonl --facts facts.json --check-question-count
      zcat old.gz | assess ingest - --json
    """
    read_checks(settings, facts, check_question_count)
    for name, value in settings.env().items():
        os.putenv(name, value)  # what `execv` hands on
    options = ["--facts", str(facts)] if facts else []
    options += ["--check-question-count"] if check_question_count else []
    options += ["--json"] if as_json else []
    sys.stdout.flush()
    # -P: a file `stream.py` in the folder where somebody keeps events is not ours
    os.execv(sys.executable, [sys.executable, "-P", "-m", "stream", "ingest", *options, "--", *paths])
