"""The journal of an import: the files that are finished, so that the next run does not read them again."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from assess_core.domain.archive_files import ArchiveFile
from assess_core.errors import BadArchives


class _Entry(msgspec.Struct):
    file: str
    mark: str


_decode = msgspec.json.Decoder(_Entry).decode
_encode = msgspec.json.Encoder().encode
_BEGIN: Final = b'{"file":'
"""How each line begins."""


class Journal:
    """A file of JSON lines, one for each finished file. A file that was replaced since then is not finished."""

    def __init__(self, path: Path) -> None:
        """Creates the file if it is missing. Raises `BadArchives` if it is no journal, or cannot be written."""
        self._path = path
        self._marks: dict[str, str] = {}
        if path.exists() and not path.is_file():
            raise _not_a_journal(path)
        try:
            path.open("ab").close()  # before anything is imported
            lines = path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise BadArchives(
                f"--journal: {str(path)!r} cannot be written: {error.strerror}; name a file in a folder that exists"
            ) from error
        for number, line in enumerate(lines, start=1):
            try:
                entry = _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                if number == 1 and (line.endswith(b"\n") or not line.startswith(_BEGIN[: len(line)])):
                    raise _not_a_journal(path) from None
                continue  # an import was killed while it wrote the line
            self._marks[entry.file] = entry.mark

    def has(self, file: ArchiveFile) -> bool:
        """Whether this file was finished, and is still the same."""
        return self._marks.get(file.url) == file.mark

    def add(self, files: Sequence[ArchiveFile]) -> None:
        """Write that files are finished."""
        text = b"".join(_encode(_Entry(file.url, file.mark)) + b"\n" for file in files)
        with self._path.open("ab") as journal:
            if journal.tell() and not self._ends_with_line():
                journal.write(b"\n")
            journal.write(text)
            journal.flush()
            os.fsync(journal.fileno())

    def _ends_with_line(self) -> bool:
        with self._path.open("rb") as journal:
            journal.seek(-1, os.SEEK_END)
            return journal.read() == b"\n"


def _not_a_journal(path: Path) -> BadArchives:
    return BadArchives(f"--journal: {str(path)!r} is not a journal; name a new file")
