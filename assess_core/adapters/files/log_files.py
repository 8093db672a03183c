"""The embedded log: files of events, read from the start (`ingest`) or followed with positions (`up`).

A `.jsonl` or `.jsonl.gz` file has an event a line, a `.json` file is one event; a folder is its log files in the order
of their names, without what lies in folders below it; `-` is standard input, an event a line. Blank lines are no
events. A record's topic is the file's path, its partition 0, its offset the line, from 1.
"""

import gzip
import os
import stat
import sys
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import IO, Final, NamedTuple

from assess_core.domain.events import STDIN, Record, RecordKind
from assess_core.domain.slices import Unread
from assess_core.errors import BadLog
from assess_core.ports.log import LogBatch, Notify, Position, Positions

BATCH_RECORDS: Final = 1000  # a batch is one set of writes: 1,000 take some 60 ms, 10,000 are no faster
BATCH_BYTES: Final = 16 * 1024 * 1024  # with one line more this bounds what is in memory
LINE_BYTES: Final = 1024 * 1024 * 1024  # a longer line is no event of anybody's: the file is something else
START: Final = Position(1, 0)


class Kind(Enum):
    """How a log file holds its events."""

    LINES = ".jsonl"
    ZIPPED = ".jsonl.gz"
    ONE = ".json"

    @classmethod
    def of(cls, name: str) -> "Kind | None":
        """By the end of its name; None for what is no log file."""
        return next((kind for kind in cls if name.lower().endswith(kind.value)), None)


class LogFile(NamedTuple):
    """A log file, and how many bytes it had when it was found."""

    path: str
    kind: Kind
    size: int
    identity: tuple[int, int, int]
    """Inode, size, time of change (ns): another file, or another content, has another."""

    @property
    def topic(self) -> str:
        """The path as given; as a `file:` URL where it is not UTF-8, which no store could keep."""
        try:
            self.path.encode()
        except UnicodeEncodeError:
            return Path(self.path).absolute().as_uri()
        return self.path


class _Line(NamedTuple):
    topic: str
    number: int
    raw: bytes
    end: Position
    size: int


def find(paths: Iterable[str], notify: Notify) -> list[LogFile]:
    """The log files that these paths name, in order; `say` hears of files in folders that are passed over.

    Raises `BadLog` for what is missing, cannot be read, or is named and is no log file.
    """
    found: list[LogFile] = []
    for path in paths:
        if path == STDIN:
            found.append(LogFile(STDIN, Kind.LINES, 0, (0, 0, 0)))
        elif os.path.isdir(path):
            files = _folder(path, notify)
            if not files:
                notify(f"{path!r} holds no log file (.jsonl, .jsonl.gz or .json): no events in it")
            found += files
        else:
            found.append(_named(path))
    return found


def _named(path: str) -> LogFile:
    try:
        os.stat(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    kind = Kind.of(os.path.basename(path))
    file = _log_file(path, kind) if kind else None
    if file is None:
        raise BadLog(
            f"{path!r} is no log file (.jsonl, .jsonl.gz or .json); "
            "rename it, or give it on standard input: assess ingest - < FILE"
        )
    return file


def read_files(files: Iterable[LogFile], notify: Notify) -> Iterator[LogBatch]:
    """The files' events from the start; an unfinished last line is a line. `say` hears of files without an event.

    Raises `BadLog` naming what cannot be read, after everything before it was given.
    """
    return _batches(line for file in files for line in _read_file(file, notify))


def _read_file(file: LogFile, notify: Notify) -> Iterator[_Line]:
    empty = True
    for line in _open(file, START):
        empty = empty and not line.raw
        yield line
    if empty:
        notify(
            f"{file.path!r} is empty: no events in it" if file.path != STDIN else "standard input is empty: no events"
        )


def unread(log: Path, positions: Positions) -> Unread | None:
    """Which lines of the log nobody folded yet: `3 files, e.g. events.jsonl from line 17`; None: none.

    Compares sizes with positions; an unfinished last line is unread, a folder that does not exist holds nothing.
    Raises `BadLog` when the folder cannot be read.
    """
    if _is_missing(log):
        return None
    known = positions.positions()
    waiting = [
        (os.path.basename(file.topic), known.get(file.topic, START))
        for file in _folder(str(log), _say_nothing)
        if file.size != known.get(file.topic, START).byte
    ]
    if not waiting:
        return None
    name, position = waiting[0]
    files = "1 file" if len(waiting) == 1 else f"{len(waiting)} files"
    return Unread(f"{files}, e.g. {name} from line {position.line}")


def folded(log: Path, positions: Positions) -> dict[tuple[str, int], int]:
    """By topic and partition, the line from which files go on; a file that changed since is read from its start."""
    known = positions.positions()
    found: dict[tuple[str, int], int] = {}
    for file in [] if _is_missing(log) else _folder(str(log), _say_nothing):
        line, byte = known.get(file.topic, START)
        same = file.size >= byte if file.kind is Kind.LINES else byte in (0, file.size)
        found[file.topic, 0] = line if same else START.line
    return found


def read_log(log: Path) -> Iterator[LogBatch]:
    """Every line of the log, from its start; which files there are is looked up when this is read. Raises `BadLog`."""
    yield from read_files([] if _is_missing(log) else _folder(str(log), _say_nothing), _say_nothing)


class Tail:
    """Follows the log files of a folder from the positions to which they were folded.

    A `.jsonl` file is appended to: an unfinished last line waits. One that shrank or was replaced (another inode, or no
    line ended where the position is) is read again from the start, for a replay is harmless; one of the same size that
    replaced it while nobody looked is not noticed. Rotate to a name that ends in `.jsonl`. A `.json` or `.jsonl.gz`
    file is taken when two looks found it unchanged, and again from the start when it changes. Of `workers`, each takes
    the files whose names hash to its number.
    """

    def __init__(
        self, folder: Path, positions: Mapping[str, Position], notify: Notify, worker: int = 0, workers: int = 1
    ) -> None:
        self._folder = folder
        self._positions = dict(positions)
        self._share = (worker, workers)
        self._say = notify
        self._said: set[str] = set()
        self._seen: dict[str, LogFile] = {}
        self._broken: dict[str, LogFile] = {}

    def batches(self) -> Iterator[LogBatch]:
        """What is there now; ends when all of it was given. Raises `BadLog` when the folder cannot be read."""
        return _batches(self._lines())

    def _lines(self) -> Iterator[_Line]:
        for file in self._files():
            topic, before = file.topic, self._seen.get(file.topic)
            self._seen[topic] = file
            if self._is_another(file, before):
                yield self._passed(_Line(topic, 0, b"", START, 0))  # committed even while there is no line in it
            start = self._positions.get(topic, START)
            if not self._is_due(file, before, start):
                continue
            try:
                for line in _open(file, start, following=True):
                    yield self._passed(line)
            except BadLog as error:
                self._broken[topic] = file
                self._say_once(f"{error}; until then its lines count as unread")

    def _files(self) -> list[LogFile]:
        if _is_missing(self._folder):
            self._say_once(f"waiting for the folder {str(self._folder)!r} (ASSESS_LOG)")
            return []
        worker, workers = self._share
        found = _folder(str(self._folder), self._say_once)
        return [file for file in found if zlib.crc32(file.topic.encode()) % workers == worker]

    def _is_another(self, file: LogFile, before: LogFile | None) -> bool:
        """Whether what stands in the file is not what was read of it."""
        byte = self._positions.get(file.topic, START).byte
        if file.kind is Kind.LINES:
            return file.size < byte or (before is not None and before.identity[0] != file.identity[0])
        return byte not in (0, file.size) or (before is not None and before.identity != file.identity)

    def _is_due(self, file: LogFile, before: LogFile | None, start: Position) -> bool:
        """Whether there is something to read now."""
        if file.size == start.byte or self._broken.get(file.topic) == file:
            return False
        # a log that did not change since has an unfinished last line; a whole file that did not is written to its end
        return (file == before) is not (file.kind is Kind.LINES)

    def _passed(self, line: _Line) -> _Line:
        self._positions[line.topic] = line.end
        return line

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text)


def _say_nothing(text: str) -> None:
    """For those who only count."""


def _is_missing(folder: Path) -> bool:
    """Whether nothing is there. What may not be looked at is not missing: to read it says why."""
    try:
        folder.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _unreadable(path: str, error: OSError) -> BadLog:
    return BadLog(f"{path!r} cannot be read: {error.strerror or error}; check its name and permissions")


def _log_file(path: str, kind: Kind) -> LogFile | None:
    """None for what is no regular file: a folder, a pipe, a link that leads nowhere, a file that went just now."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        return None
    return LogFile(path, kind, found.st_size, (found.st_ino, found.st_size, found.st_mtime_ns))


def _folder(path: str, notify: Notify) -> list[LogFile]:
    try:
        names = sorted(os.listdir(path), key=os.fsencode)
    except OSError as error:
        raise _unreadable(path, error) from error
    files: list[LogFile] = []
    passed_over: list[str] = []
    for name in names:
        # tools write under a hidden name what they rename when it is whole
        kind, whole = None if name.startswith(".") else Kind.of(name), os.path.join(path, name)
        file = _log_file(whole, kind) if kind else None
        if file is not None:
            files.append(file)
        else:
            passed_over.append(name)
    if passed_over:
        what = f"{passed_over[0]!r}" if len(passed_over) == 1 else f"{passed_over[0]!r} and {len(passed_over) - 1} more"
        notify(f"passed over in {path!r}, being no log files (.jsonl, .jsonl.gz or .json): {what}")
    return files


def _batches(lines: Iterable[_Line]) -> Iterator[LogBatch]:
    """Batches bounded by records and bytes; what was read before a file failed is given before the failure."""
    records: list[Record] = []
    ends: dict[str, Position] = {}
    taken = held = 0
    failure: BadLog | None = None
    try:
        for topic, number, raw, end, size in lines:
            if raw:
                records.append(Record(topic, 0, number, raw, kind=RecordKind.LINE))
                held += len(raw)
            ends[topic] = end
            taken += size
            if len(records) >= BATCH_RECORDS or held >= BATCH_BYTES:
                yield LogBatch(records, ends, taken)
                records, ends, taken, held = [], {}, 0, 0
    except BadLog as error:
        failure = error
    if ends:
        yield LogBatch(records, ends, taken)
    if failure is not None:
        raise failure


def _open(file: LogFile, start: Position, following: bool = False) -> Iterator[_Line]:
    """The lines of a file from a position; `following` leaves an unfinished last line, and what came since `find`."""
    number = start.line
    try:
        if file.path == STDIN:
            yield from _lines(file, sys.stdin.buffer, start, following)
            return
        with open(file.path, "rb") as source:
            if file.kind is Kind.LINES:
                yield from _lines(file, source, _checked(source, start), following)
            elif file.kind is Kind.ONE:
                yield _line(file.topic, 1, _bounded(source.read(LINE_BYTES + 1), file, 1), Position(2, file.size))
            else:
                for line in _unzipped(file, source, start):
                    number = line.end.line
                    yield line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadLog(
            f"{file.path!r} is damaged after line {number - 1} ({error}); what stands before that was read: "
            "put the whole file in its place and read it again, what is stored already is only repeated"
        ) from error
    except OSError as error:
        raise _unreadable(file.path, error) from error


def _checked(source: IO[bytes], start: Position) -> Position:
    """Go to a position; to the start where no line ended there, for then the file is another one."""
    if start.byte:
        source.seek(start.byte - 1)
        if source.read(1) == b"\n":
            return start
        source.seek(0)
    return START


def _lines(file: LogFile, source: IO[bytes], start: Position, following: bool) -> Iterator[_Line]:
    topic = file.topic
    number, byte = start
    while not following or byte < file.size:
        raw = _bounded(source.readline(LINE_BYTES + 1), file, number)
        if not raw or (following and not raw.endswith(b"\n")):
            return
        byte += len(raw)
        yield _line(topic, number, raw, Position(number + 1, byte))
        number += 1


def _unzipped(file: LogFile, source: IO[bytes], start: Position) -> Iterator[_Line]:
    """Within the file positions have byte 0: only the whole file is compared with its size."""
    topic = file.topic
    number, taken = 1, 0
    with gzip.GzipFile(fileobj=source) as text:
        while raw := _bounded(text.readline(LINE_BYTES + 1), file, number):
            at = source.tell()
            if number >= start.line:
                yield _line(topic, number, raw, Position(number + 1, 0))._replace(size=at - taken)
                taken = at
            number += 1
    yield _Line(topic, number, b"", Position(number, file.size), max(file.size - taken, 0))


def _bounded(raw: bytes, file: LogFile, number: int) -> bytes:
    if len(raw) > LINE_BYTES:
        raise BadLog(f"line {number} of {file.path!r} is longer than {LINE_BYTES:,} bytes; is it a log of events?")
    return raw


def _line(topic: str, number: int, raw: bytes, end: Position) -> _Line:
    text = raw.rstrip(b"\r\n")
    if number == 1:
        text = text.removeprefix(BOM_UTF8)
    return _Line(topic, number, b"" if text.isspace() else text, end, len(raw))
