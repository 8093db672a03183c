"""Numbered records, which are stored in several files in any order and read by number.

A record is a line `NUMBER ROWS` in ASCII, then UTF-8 text, then `RECORD_END`. ROWS is the number of rows in the text.
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from assess_core.errors import ReportFailed

RECORD_END: Final = b"\xff"
"""A byte that UTF-8 text never has, so the writer of a record need not know its size."""
_MISSING: Final = -1
_CHUNK: Final = 256 * 1024


class Records:
    """The records with the numbers 0 to `count` - 1 in some files. In memory each takes 14 bytes."""

    def __init__(self, files: Iterable[Path], count: int, rows: int) -> None:
        """Raises `ReportFailed` if a record is cut, or if the records should not have as many rows as were written."""
        self._files = list(files)
        self._file = array("h", [_MISSING]) * count
        self._start = array("q", [0]) * count
        self._size = array("I", [0]) * count
        self.rows = 0
        """The rows of all records."""
        for number, path in enumerate(self._files):
            self._index(number, path)
        if self.rows != rows:
            raise _incomplete()

    def _index(self, number: int, path: Path) -> None:
        start = 0
        for content in _contents(path):
            header = content.index(b"\n") + 1
            record, rows = map(int, content[:header].split())
            self._file[record], self._start[record], self._size[record] = number, start + header, len(content) - header
            self.rows += rows
            start += len(content) + len(RECORD_END)

    def in_order(self) -> Iterator[bytes]:
        """The bytes of each record. Raises `ReportFailed` if a record is missing."""
        with ExitStack() as opened:
            descriptors = [opened.enter_context(path.open("rb")).fileno() for path in self._files]
            for file, start, size in zip(self._file, self._start, self._size, strict=True):
                if file == _MISSING:
                    raise _incomplete()
                yield os.pread(descriptors[file], size, start)


def _contents(path: Path) -> Iterator[bytes]:
    """The bytes of each record with its header, but without its end."""
    begun = b""
    with path.open("rb") as file:
        for chunk in iter(partial(file.read, _CHUNK), b""):
            *ended, begun = (begun + chunk).split(RECORD_END)
            yield from ended
    if begun:
        raise _incomplete()


def _incomplete() -> ReportFailed:
    return ReportFailed("the rows of an attempt were not read completely; run the report again")
