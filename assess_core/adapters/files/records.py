"""Numbered records, which are stored in several files in any order and read by number.

A record is a line `NUMBER SIZE ROWS` in ASCII, then SIZE bytes. ROWS is the number of the report's rows in them.
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from assess_core.errors import ReportFailed

_MISSING: Final = -1


class Records:
    """The records with the numbers 0 to `count` - 1 in some files. In memory each takes 24 bytes."""

    def __init__(self, files: Iterable[Path], count: int) -> None:
        self._files = list(files)
        self._file = array("q", [_MISSING]) * count
        self._start = array("q", [0]) * count
        self._size = array("q", [0]) * count
        self.rows = 0
        """The rows of all records."""
        for number, path in enumerate(self._files):
            self._index(number, path)

    def _index(self, number: int, path: Path) -> None:
        start = 0
        with path.open("rb") as file:
            while header := file.readline():
                record, size, rows = map(int, header.split())
                start += len(header)
                self._file[record], self._start[record], self._size[record] = number, start, size
                start += size
                self.rows += rows
                file.seek(start)

    def in_order(self) -> Iterator[bytes]:
        """The bytes of each record. Raises `ReportFailed` if a record is missing or cut."""
        with ExitStack() as opened:
            descriptors = [opened.enter_context(path.open("rb")).fileno() for path in self._files]
            for file, start, size in zip(self._file, self._start, self._size, strict=True):
                record = b"" if file == _MISSING else os.pread(descriptors[file], size, start)
                if file == _MISSING or len(record) < size:
                    raise ReportFailed("the rows of an attempt were not read completely; run the report again")
                yield record
