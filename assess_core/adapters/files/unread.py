"""What of a log folder is not folded yet, by comparing its files with the positions."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from assess_core.adapters.files.log_files import Kind, LogFile, in_folder, is_missing, unreadable
from assess_core.adapters.files.log_lines import START, holds, read_files
from assess_core.domain.slices import Unread
from assess_core.ports.log import LogBatch, Position, Positions

OWN_FILE: Final = re.compile(r"api-(?P<at>[0-9]{1,15})-[0-9]+-[0-9]+\.jsonl\Z", re.ASCII)
"""The files that the write API makes: their lines carry receipts, in order, none before the moment in the name."""
_RECEIPT: Final = re.compile(rb'\{"receivedAt": (?P<at>[0-9]{1,15}), "value": ')
_ROOM: Final = 64  # bytes; a receipt takes 40


def unread(log: Path, positions: Positions) -> Unread | None:
    """Which lines of the log are not folded yet: `3 files, e.g. events.jsonl from line 17`; None: none.

    An unfinished last line is unread; a folder that does not exist has no lines. Raises `BadLog`.
    """
    if is_missing(log):
        return None
    known = positions.positions()  # before the files: a line that is folded in between counts as unread
    waiting = [(file, start) for file in _files(log) if file.size != (start := _go_on(file, known)).byte]
    if not waiting:
        return None
    file, start = waiting[0]
    files = "1 file" if len(waiting) == 1 else f"{len(waiting)} files"
    receipts = [_first_receipt(file, start) for file, start in waiting]
    return Unread(
        f"{files}, e.g. {os.path.basename(file.topic)} from line {start.line}",
        None if None in receipts else min(at for at in receipts if at is not None),
    )


def folded(log: Path, positions: Positions) -> dict[tuple[str, int], int]:
    """By topic and partition, the line from which a file goes on. Raises `BadLog`."""
    known = positions.positions()
    return {(file.topic, 0): _go_on(file, known).line for file in _files(log)}


def read_log(log: Path) -> Iterator[LogBatch]:
    """Every line of the log from its start, of the files that are there when this is read. Raises `BadLog`."""
    yield from read_files(_files(log), lambda _text: None)


def _files(log: Path) -> list[LogFile]:
    return [] if is_missing(log) else in_folder(str(log)).files


def _go_on(file: LogFile, known: dict[str, Position]) -> Position:
    """Where the file is read next: at its position, or from its start if its content is another one."""
    position = known.get(file.topic, START)
    return position if holds(file, position) else START


def _first_receipt(file: LogFile, start: Position) -> int | None:
    """When the first unread line was received, and none after it earlier; None if the file does not say."""
    own = OWN_FILE.fullmatch(os.path.basename(file.topic))
    if own is None or file.kind is not Kind.LINES:
        return None
    try:
        with open(file.path, "rb") as source:
            source.seek(start.byte)
            begins = source.readline(_ROOM)
    except OSError as error:
        raise unreadable(file.path, error) from error
    line = _RECEIPT.match(begins)
    if line is not None:
        return int(line["at"])
    is_being_written = len(begins) < _ROOM and not begins.endswith(b"\n")
    return int(own["at"]) if is_being_written else None
