"""CSV as Spark writes it: a cell in quotes has `\\"` for a quote and `\\\\` for a backslash; other cells are literal.

Reading takes linear time and bounded memory, whatever the bytes are, and every problem has the number of a line.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of a record: an event has at most 8 MiB, and escapes can double them."""
MAX_COLUMNS: Final = 64
MAX_LINES: Final = 16
"""The largest number of lines of a record: a cell in quotes may contain line ends."""

_QUOTED: Final = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPED: Final = re.compile(rb'\\(["\\])')
_NEEDS_QUOTES: Final = re.compile(r'[",\r\n]|^\s|\s\Z')
_OPEN: Final = "a quote is not closed"
_TOO_LONG: Final = f"the line has more than {MAX_LINE:,} bytes"


class Line(NamedTuple):
    """A line of a file, without its line end."""

    number: int
    """From 1."""
    text: bytes | None
    """None if the line is longer than `MAX_LINE`."""
    ended: bool
    """Whether it has a line end; a whole file ends with one."""


class Record(NamedTuple):
    """A record of a CSV file."""

    line: int
    """The number of its first line."""
    cells: list[bytes] | None
    """None if it cannot be read."""
    problem: str | None
    """Why it cannot be read."""
    ended: bool


def lines(chunks: Iterable[bytes]) -> Iterator[Line]:
    """Split a file into lines. A line that is too long is skipped without being held in memory."""
    number, parts, size = 1, list[bytes](), 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for end in whole:
            size += len(end)
            parts.append(end)
            yield Line(number, b"".join(parts) if size <= MAX_LINE else None, True)
            number, parts, size = number + 1, [], 0
        size += len(rest)
        if size <= MAX_LINE:
            parts.append(rest)
        else:
            parts = []
    if size:
        yield Line(number, b"".join(parts) if size <= MAX_LINE else None, False)


def records(chunks: Iterable[bytes]) -> Iterator[Record]:
    """The records of a file, the header among them. Empty lines are skipped.

    After a record that cannot be read, the next line begins a new one, so one bad quote costs one line.
    """
    source = _Lines(lines(chunks))
    while (line := source.take()) is not None:
        if line.text is None:
            yield Record(line.number, None, _TOO_LONG, line.ended)
        elif line.text and not line.text.isspace():
            cells = _cells(line.text)
            yield _over_lines(line, source) if cells == _OPEN else _record(line.number, cells, line.ended)


class _Lines:
    """Lines, some of which are read again."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._again: list[Line] = []

    def take(self) -> Line | None:
        return self._again.pop() if self._again else next(self._source, None)

    def put_back(self, taken: list[Line]) -> None:
        self._again += reversed(taken)


def _record(number: int, cells: list[bytes] | str, ended: bool) -> Record:
    return Record(number, None, cells, ended) if isinstance(cells, str) else Record(number, cells, None, ended)


def _over_lines(first: Line, source: _Lines) -> Record:
    """A record whose first line ends within quotes. If they are not closed, only that line is used."""
    text, taken = first.text or b"", list[Line]()
    while len(taken) < MAX_LINES - 1 and (line := source.take()) is not None:
        taken.append(line)
        if line.text is None or len(text) + len(line.text) > MAX_LINE:
            break
        text += b"\n" + line.text
        if b'"' in line.text and (cells := _cells(text)) != _OPEN:
            return _record(first.number, cells, line.ended)
    source.put_back(taken)
    return Record(first.number, None, _OPEN, first.ended)


def _cells(text: bytes) -> list[bytes] | str:
    """The cells of a record, or what is wrong with it."""
    text = text.removesuffix(b"\r")
    cells: list[bytes] = []
    at = 0
    while len(cells) < MAX_COLUMNS:
        if text.startswith(b'"', at):
            found = _QUOTED.match(text, at)
            if found is None:
                return _OPEN
            cells.append(_unescaped(found[1]))
            end = found.end()
            if end < len(text) and not text.startswith(b",", end):
                return f"column {len(cells)} has text after its closing quote"
        else:
            end = text.find(b",", at)
            end = len(text) if end < 0 else end
            cells.append(text[at:end])
        if end >= len(text):
            return cells
        at = end + 1
    return f"it has more than {MAX_COLUMNS} columns"


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    if b"\0" in text:
        return _ESCAPED.sub(rb"\1", text)
    return text.replace(b"\\\\", b"\0").replace(b'\\"', b'"').replace(b"\0", b"\\")  # ten times as fast


def written(cells: Iterable[str]) -> str:
    """A record with its line end, which `records` and Spark read back as these cells."""
    return ",".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    if not _NEEDS_QUOTES.search(cell):
        return cell
    return '"' + cell.replace("\\", "\\\\").replace('"', '\\"') + '"'
