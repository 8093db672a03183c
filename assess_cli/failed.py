"""`assess failed`: list, show and replay failed events."""

import os
import sys
from pathlib import Path
from typing import Final

import click

from assess_cli.ingest import facts_options
from assess_cli.output import Format, emit_rows, format_options, notify, progress
from assess_core.domain.events import FailedEvent
from assess_core.domain.moments import iso
from assess_core.errors import BadSettings
from assess_core.settings import Settings
from assess_core.usecases.operating import replay as replay_records
from assess_core.wiring import open_checks, open_hot

COLUMNS: Final = ("topic", "partition", "offset", "received_at", "reason", "message")


@click.group()
def failed() -> None:
    """List and show failed events, and fold them again.

    \b
    Examples:
      assess failed list
      assess failed show events/monday.jsonl 0 17 > event.json
      assess failed replay --facts facts.json
    """


@failed.command("list")
@format_options()
@click.pass_obj
def list_(settings: Settings, format_: Format) -> None:
    """List failed events that are not resolved: their position in the log, and why they failed."""
    emit_rows(COLUMNS, map(_row, open_hot(settings, only_reads=True)[0].failed()), format_)


def _row(event: FailedEvent) -> dict[str, object]:
    return {
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "received_at": None if event.received_at is None else iso(event.received_at),
        "reason": event.reason.value,
        "message": event.message,
    }


@failed.command()
@click.argument("topic")
@click.argument("partition", type=int)
@click.argument("offset", type=int)
@click.pass_obj
def show(settings: Settings, topic: str, partition: int, offset: int) -> None:
    """Write the bytes of a failed event to standard output. For a log folder, TOPIC is a file and OFFSET its line.

    A relative path is made absolute. If the file was changed, several events may have failed at one position: all are
    written, with a line end between them.
    """
    found, topics = 0, {topic, os.path.realpath(topic)}
    for event in open_hot(settings, only_reads=True)[0].failed():
        if event.topic in topics and (event.partition, event.offset) == (partition, offset):
            sys.stdout.buffer.write(b"\n" + event.raw if found else event.raw)
            notify(f"{event.reason.value}: {event.message}")
            found += 1
    if not found:
        raise BadSettings(f"there is no failed event at {topic!r} {partition} {offset}; see `assess failed list`")
    sys.stdout.buffer.flush()


@failed.command()
@facts_options
@click.pass_obj
def replay(settings: Settings, facts: Path | None, check_question_count: bool) -> None:
    """Fold failed events again, for example after new facts or a new release; stored events leave the list."""
    checks = open_checks(settings, facts, check_question_count, notify)
    hot, _ = open_hot(settings)
    with progress("events") as advance:
        tally = replay_records((event.record for event in hot.failed()), hot, checks, advance)
    notify(f"{tally.events - tally.failed} resolved, {tally.failed} still failed")
