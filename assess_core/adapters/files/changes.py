"""Files that are read again when they change."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from assess_core.adapters.files.setting_files import read_beginning

T = TypeVar("T")
Identity = tuple[int, int, int]


def identity_of(found: os.stat_result) -> Identity:
    """A value that changes with a file and its content."""
    return found.st_ino, found.st_size, found.st_mtime_ns


class ChangingFile(Generic[T]):
    """The parsed content of a file. It is parsed once for each state of the file. Any thread may call."""

    def __init__(
        self, path: Path, most_bytes: int, parse: Callable[[bytes], T], unreadable: Callable[[OSError], Exception]
    ) -> None:
        """`parse` gets one byte more than `most_bytes` of a file that is larger. `unreadable` makes the error."""
        self._path = path
        self._most_bytes = most_bytes
        self._parse = parse
        self._unreadable = unreadable
        self._read: tuple[Identity, T] | None = None
        self._lock = threading.Lock()

    def content(self) -> T:
        """What the file says now. Raises the error of `unreadable`, and what `parse` raises."""
        with self._lock:
            try:
                seen = identity_of(os.stat(self._path))
                if self._read is not None and self._read[0] == seen:
                    return self._read[1]
                content = read_beginning(self._path, self._most_bytes)
            except OSError as error:
                raise self._unreadable(error) from error
            parsed = self._parse(content)
            self._read = seen, parsed
            return parsed
