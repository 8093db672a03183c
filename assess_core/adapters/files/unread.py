"""Finds the lines of a log folder that are not folded yet: compares its files with the positions."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from assess_core.adapters.files.log_files import Kind, LogFile, in_folder, is_missing, unreadable
from assess_core.adapters.files.log_lines import START, holds, read_files
from assess_core.domain.counts import counted
from assess_core.domain.slices import Unread
from assess_core.ports.log import LogBatch, Position, Positions

OWN_FILE: Final = re.compile(r"api-(?P<at>[0-9]{1,15})-[0-9]+-[0-9]+\.jsonl\Z", re.ASCII)
"""The files that the write API makes. Their lines have receipts in order, none earlier than the time in the name."""
_RECEIPT: Final = re.compile(rb'\{"receivedAt": (?P<at>[0-9]{1,15}), "value": ')
_ROOM: Final = 64  # bytes; a receipt takes 40


def unread(log: Path, positions: Positions) -> Unread | None:
    """The lines that are not folded yet, as `3 files, e.g. events.jsonl from line 17`; None if all are folded.

    An unfinished last line is unread; a folder that does not exist has no lines. Raises `BadLog`.
    """
    if is_missing(log):
        return None
    known = positions.positions()  # read before the files, so a line that is folded in between counts as unread
    waiting = [(file, start) for file in _files(log) if file.size != (start := _next_position(file, known)).byte]
    if not waiting:
        return None
    file, start = waiting[0]
    files = counted(len(waiting), "file")
    receipts = [_first_receipt(file, start) for file, start in waiting]
    return Unread(
        f"{files}, e.g. {os.path.basename(file.topic)} from line {start.line}",
        None if None in receipts else min(at for at in receipts if at is not None),
    )


def unread_bytes(log: Path, positions: Positions) -> int:
    """The bytes of the files that are not folded yet. Raises `BadLog`."""
    known = positions.positions()
    return sum(file.size - _next_position(file, known).byte for file in _files(log))


def folded(log: Path, positions: Positions) -> dict[tuple[str, int], int]:
    """The next line to read of each file, by topic and partition. Raises `BadLog`."""
    known = positions.positions()
    return {(file.topic, 0): _next_position(file, known).line for file in _files(log)}


def read_log(log: Path) -> Iterator[LogBatch]:
    """Every line of the log, from the files that exist when the first batch is read. Raises `BadLog`."""
    yield from read_files(_files(log), lambda _text: None)


def read_likely(log: Path, moments: Collection[int]) -> Iterator[LogBatch]:
    """The lines that may have been received at one of these moments (epoch ms), the likely ones first.

    A file of the write API begins at the time in its name. So for each moment, the newest file that began before it is
    the most likely one. Files of other programs follow, because their names say nothing. Raises `BadLog`.
    """
    began, others = dict[LogFile, int](), list[LogFile]()
    for file in _files(log):
        if own := OWN_FILE.fullmatch(os.path.basename(file.topic)):
            began[file] = int(own["at"])
        else:
            others.append(file)
    gaps = {file: min((moment - at for moment in moments if moment >= at), default=None) for file, at in began.items()}
    likely = sorted((gap, file.topic, file) for file, gap in gaps.items() if gap is not None)
    yield from read_files([*(file for _, _, file in likely), *others], lambda _text: None)


def _files(log: Path) -> list[LogFile]:
    return [] if is_missing(log) else in_folder(str(log)).files


def _next_position(file: LogFile, known: dict[str, Position]) -> Position:
    """The position from which a file is read next: the start if the content before the position has changed."""
    position = known.get(file.topic, START)
    return position if holds(file, position) else START


def _first_receipt(file: LogFile, start: Position) -> int | None:
    """The receipt of the first unread line, which is the earliest; None if the file does not have receipts in order."""
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
