"""The lines of log files as batches of records.

The topic of a record is the absolute path of its file, the partition is 0, and the offset is the line number, from 1.
Blank lines are not events. If a line is longer than the largest event, its record has only the bytes that `decode`
needs to reject it.
"""

import gzip
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, NamedTuple

from assess_core.adapters.files.log_files import Kind, LogFile, unreadable
from assess_core.adapters.files.proofs import WINDOW, ProofInput, proof_input
from assess_core.domain.events import MAX_EVENT_BYTES, STDIN, Record, RecordKind
from assess_core.errors import BadLog
from assess_core.ports.log import BATCH_BYTES, BATCH_RECORDS, LogBatch, Notify, Position

START: Final = Position(1, 0)
_MOST: Final = MAX_EVENT_BYTES + len(BOM_UTF8) + len(b"\r\n")  # bytes of a line with the largest event
_CHUNK: Final = 1024 * 1024  # the rest of a longer line is skipped in chunks of this size


class Line(NamedTuple):
    """A line of a log file. If `raw` is empty, it only sets a new position in the file."""

    topic: str
    number: int
    raw: bytes
    end: Position
    """The position after the line, without the proof."""
    size: int
    """How many bytes of the file it covers."""
    proof: Callable[[], bytes]
    """Computes the proof of `end`; valid until the next line is read."""


def read_files(files: Iterable[LogFile], notify: Notify) -> Iterator[LogBatch]:
    """All events of the files; an unfinished last line counts as a line. Reports files without events through `notify`.

    Raises `BadLog` for a file that cannot be read, after it yielded all events before the failure.
    """
    return in_batches(line for file in files for line in _read_file(file, notify))


def _read_file(file: LogFile, notify: Notify) -> Iterator[Line]:
    empty = True
    for line in read_lines(file, START):
        empty = empty and not line.raw
        yield line
    if empty:
        notify(
            f"{file.path!r} is empty: no events in it" if file.path != STDIN else "standard input is empty: no events"
        )


def in_batches(lines: Iterable[Line]) -> Iterator[LogBatch]:
    """Batches with limited records and bytes. If a file fails, the records before the failure are yielded first."""
    records: list[Record] = []
    ends: dict[str, Line] = {}
    took = held = 0
    failure: BadLog | None = None
    try:
        for line in lines:
            if line.raw:
                records.append(Record(line.topic, 0, line.number, line.raw, kind=RecordKind.LINE))
                held += len(line.raw)
            ends[line.topic] = line
            took += line.size
            if len(records) >= BATCH_RECORDS or held >= BATCH_BYTES:
                yield LogBatch(records, _positions(ends), took)
                records, ends, took, held = [], {}, 0, 0
    except BadLog as error:
        failure = error
    if ends:
        yield LogBatch(records, _positions(ends), took)
    if failure is not None:
        raise failure


def _positions(ends: dict[str, Line]) -> dict[str, Position]:
    return {topic: line.end._replace(proof=line.proof()) for topic, line in ends.items()}


def read_lines(file: LogFile, start: Position, following: bool = False) -> Iterator[Line]:
    """The lines of a file from a position. Raises `BadLog`.

    If the proof does not hold, a `Line` without an event sets the position to the start, and the whole file is read.
    `following` skips an unfinished last line, and lines that were appended after the file was found.
    """
    number = start.line
    try:
        if file.path == STDIN:
            yield from _lines(file, sys.stdin.buffer, START, ProofInput(), following)
            return
        with open(file.path, "rb") as source:
            before = proof_input(source.fileno(), start.byte if file.kind is Kind.LINES else file.size)
            if start != START and before.proof() != start.proof:
                yield Line(file.topic, 0, b"", START, 0, lambda: b"")  # committed even if the file has no line yet
                start, number = START, START.line
                before = proof_input(source.fileno(), 0 if file.kind is Kind.LINES else file.size)
            if file.kind is Kind.LINES:
                source.seek(start.byte)
                yield from _lines(file, source, start, before, following)
            elif start.byte != file.size or not file.size:
                read = _one if file.kind is Kind.ONE else _unzipped
                for line in read(file, source, start, before.proof()):
                    number = line.end.line
                    yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadLog(
            f"{file.path!r} is damaged after line {number - 1} ({error}); the lines before that were read: "
            "replace it by the complete file and read it again, stored events are only repeated"
        ) from error
    except OSError as error:
        raise unreadable(file.path, error) from error


def holds(file: LogFile, position: Position) -> bool:
    """Whether the bytes before the position are still the ones that were read. Raises `BadLog`."""
    byte = position.byte if file.kind is Kind.LINES else file.size
    if byte > file.size or (byte and not position.proof):
        return False
    try:
        with open(file.path, "rb") as source:
            return proof_input(source.fileno(), byte).proof() == position.proof
    except OSError as error:
        raise unreadable(file.path, error) from error


def _lines(file: LogFile, source: IO[bytes], start: Position, before: ProofInput, following: bool) -> Iterator[Line]:
    number, byte, _ = start
    while not following or byte < file.size:
        raw, rest = _next_line(source)
        if not raw or (following and not _is_finished(raw, rest)):
            return
        before.add(raw)
        if rest is not None:
            before.skip(rest.size, rest.tail)
        size = len(raw) if rest is None else len(raw) + rest.size
        byte += size
        yield Line(file.topic, number, _event(raw, number, rest), Position(number + 1, byte), size, before.proof)
        number += 1


def _one(file: LogFile, source: IO[bytes], start: Position, proof: bytes) -> Iterator[Line]:
    raw = source.read(_MOST + 1)
    rest = _Rest(file.size - len(raw), b"") if len(raw) > _MOST else None
    yield Line(file.topic, 1, _event(raw, 1, rest), Position(2, file.size), file.size, lambda: proof)


def _unzipped(file: LogFile, source: IO[bytes], start: Position, proof: bytes) -> Iterator[Line]:
    """Positions within the file have byte 0, because its lines have no byte offset in the compressed file."""
    number, took = 1, 0
    with gzip.GzipFile(fileobj=source) as text:
        while (read := _next_line(text))[0]:
            at = source.tell()
            if number >= start.line:
                end = Position(number + 1, 0)
                yield Line(file.topic, number, _event(read[0], number, read[1]), end, at - took, lambda: proof)
                took = at
            number += 1
    yield Line(file.topic, number, b"", Position(number, file.size), max(file.size - took, 0), lambda: proof)


class _Rest(NamedTuple):
    """The part of a long line that its record does not hold."""

    size: int
    tail: bytes
    """Its last `WINDOW` bytes, or all of it."""


def _next_line(source: IO[bytes] | gzip.GzipFile) -> tuple[bytes, _Rest | None]:
    """The next line with its line end; empty at the end of the file. A line that is too long is split in two."""
    raw = source.readline(_MOST + 1)
    return raw, _skip(source) if len(raw) > _MOST and not raw.endswith(b"\n") else None


def _skip(source: IO[bytes] | gzip.GzipFile) -> _Rest:
    size, tail = 0, b""
    while not tail.endswith(b"\n") and (chunk := source.readline(_CHUNK)):
        size += len(chunk)
        tail = (tail + chunk)[-WINDOW:]
    return _Rest(size, tail)


def _is_finished(raw: bytes, rest: _Rest | None) -> bool:
    return (raw if rest is None else rest.tail).endswith(b"\n")


def _event(raw: bytes, number: int, rest: _Rest | None) -> bytes:
    """The bytes of a line's event; empty for a blank line."""
    text = raw.removeprefix(BOM_UTF8) if number == 1 else raw
    if rest is not None:
        return text[: MAX_EVENT_BYTES + 1]
    text = text.rstrip(b"\r\n")
    return b"" if text.isspace() else text
