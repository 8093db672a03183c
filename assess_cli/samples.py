"""`assess sample-events`."""

import sys
from pathlib import Path
from typing import IO

import click

from assess_cli.output import notify
from assess_core.domain.counts import counted
from assess_core.domain.samples import sample_events as lines_of
from assess_core.errors import BadSettings, is_full


@click.command("sample-events")
@click.option("--events", type=click.IntRange(min=0), default=1000, show_default=True, help="How many lines.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same lines.")
@click.option("--output", type=click.Path(path_type=Path), help="File to write (default: standard output).")
def sample_events(events: int, seed: int, output: Path | None) -> None:
    """Write realistic sample events of four weeks around a turn of the year.

    They include retries, late receipts, attempts that are submitted again, requests to recompute, and bad events.

    \b
    Examples:
      assess sample-events --events 2000 --output events.jsonl
      assess sample-events --seed 7 | assess ingest -
    """
    if output is None or str(output) == "-":
        _write(events, seed, sys.stdout.buffer)
        return
    try:
        with output.open("wb") as file:
            _write(events, seed, file)
    except OSError as error:
        if is_full(error):
            raise
        raise BadSettings(
            f"--output: {str(output)!r} cannot be written: {error.strerror}; name another file"
        ) from error
    notify(f"{counted(events, 'event')} in {str(output)!r}")


def _write(events: int, seed: int, file: IO[bytes]) -> None:
    for line in lines_of(events, seed):
        file.write(line)
