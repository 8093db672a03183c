"""The location of Delta tables: everything that differs between a folder and a bucket."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import pyarrow as pa

from assess_core.errors import AssessError
from assess_core.ports.findings import Finding
from assess_core.ports.lake import Pinned

if TYPE_CHECKING:
    import duckdb


class Location(Protocol):
    """A folder, or a prefix of a bucket. It can be empty, or not exist yet."""

    @property
    def url(self) -> str:
        """The address for DuckDB and deltalake: an absolute path or an s3:// URL, without a trailing slash."""
        ...

    @property
    def name(self) -> str:
        """The last part of the URL."""
        ...

    @property
    def advice(self) -> str:
        """What to check if it cannot be written, as the end of a sentence."""
        ...

    def within(self, name: str) -> "Location":
        """The location with this name inside."""
        ...

    def options(self) -> dict[str, str] | None:
        """deltalake's storage options, with credentials that are valid now; None if it needs none."""
        ...

    def attach(self, duck: "duckdb.DuckDBPyConnection") -> None:
        """Let a DuckDB connection read the files here, with credentials that are valid now."""
        ...

    def names(self) -> set[str]:
        """The names of the files and folders directly inside. Raises `OSError`."""
        ...

    def files(self) -> Iterator[str]:
        """The names of all files here and below, with their folders, in any order. Raises `OSError`."""
        ...

    def read(self, name: str) -> bytes:
        """The content of a small file. Raises `OSError`, `FileNotFoundError`."""
        ...

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to a local file. Raises `OSError`, `FileNotFoundError`."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Copy a local file to here. It appears whole, and only its owner can read it. Raises `OSError`."""
        ...

    def delete(self, names: Collection[str]) -> None:
        """Delete files. Nothing happens if one does not exist. Raises `OSError`."""
        ...

    def delete_all(self, folder: str) -> None:
        """Delete a folder with all that is in it. Nothing happens if it does not exist. Raises `OSError`."""
        ...

    def temporaries(self, seconds: float) -> Iterator[str]:
        """The names of temporary files of `put`, here and below, to which nobody has written for so long."""
        ...

    def mark(self, name: str) -> object | None:
        """A value that changes if the file of this name is replaced; None if there is no file. Raises `OSError`."""
        ...

    def sources(self, names: Sequence[str]) -> "Iterator[str | pa.Buffer]":
        """A source for pyarrow for each of these files, in their order. Raises `OSError`."""
        ...

    def is_missing(self, url: str, error: Exception) -> bool:
        """Whether DuckDB could not read a file because the file is missing."""
        ...

    def fault(self, error: BaseException) -> AssessError | None:
        """Our error, if a driver's error is about the connection; None if it is about a file."""
        ...

    def examine(self, what: str) -> Iterator[Finding]:
        """Findings for `doctor`; none if the location needs no server."""
        ...


def location_of(pinned: Pinned) -> Location:
    """The location of a pinned lake's files. Every lake of ours has a `Location`; the port shows only its URL."""
    return cast(Location, pinned.place)
