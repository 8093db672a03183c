"""What an import needs from the place of old archives: a list of files, and their decompressed bytes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from assess_core.domain.archive_files import ArchiveFile


class Content(NamedTuple):
    """The bytes of a file that can be trusted."""

    problem: str | None
    """What is wrong with the file; None if nothing is."""
    chunks: Iterator[bytes] | None
    """Decompressed: all bytes of a whole file, or the bytes before the cut; None for a damaged file."""


class ArchiveFiles(Protocol):
    """The files below some paths or s3:// URLs."""

    @property
    def files(self) -> Sequence[ArchiveFile]:
        """Each file once, in the order of `ArchiveFile.order`."""
        ...

    def open(self, file: ArchiveFile) -> AbstractContextManager[Content]:
        """Check a file, then read it. Raises `StoreUnavailable` if a bucket does not answer."""
        ...
