"""Locations of a lake's tables: the operations in which a folder and a bucket differ."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import duckdb
import pyarrow as pa

from assess_core.errors import AssessError, BadSettings
from assess_core.ports.findings import Finding

# deltalake 1.6.6 finds no table (or panics) below a folder with one of these in its name
_REFUSED: Final = re.compile(r"%[0-9A-Fa-f]{2}|[\x00-\x1f\x7f\\\[\]|^]")


class Location(Protocol):
    """A folder or a prefix of a bucket. It need not exist yet."""

    @property
    def url(self) -> str:
        """The name for DuckDB and deltalake: an absolute path or an s3:// URL, without a trailing slash."""
        ...

    @property
    def name(self) -> str:
        """The last part of the URL."""
        ...

    @property
    def advice(self) -> str:
        """What to check when it cannot be written, as the end of a sentence."""
        ...

    def within(self, name: str) -> "Location":
        """The location of this name inside."""
        ...

    def options(self) -> dict[str, str] | None:
        """The storage options for deltalake, with credentials that are valid now; None when it needs none."""
        ...

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Let a DuckDB connection read the files, with credentials that are valid now."""
        ...

    def names(self) -> set[str]:
        """The names of the files and folders directly inside (up to a thousand). Raises `OSError`."""
        ...

    def sources(self, names: Sequence[str]) -> "Iterator[str | pa.Buffer]":
        """Sources from which pyarrow reads these files, in this order. Raises `OSError`."""
        ...

    def is_missing(self, url: str, error: Exception) -> bool:
        """Whether DuckDB could not read a file because it does not exist."""
        ...

    def fault(self, error: BaseException) -> AssessError | None:
        """The error of ours for a driver's error about the connection; None when the error is about a file."""
        ...

    def examine(self, what: str) -> Iterator[Finding]:
        """The state of the location, for `doctor`; nothing for a folder."""
        ...


class Folder(NamedTuple):
    """A folder of this machine."""

    path: Path

    @classmethod
    def of(cls, setting: str, path: Path) -> "Folder":
        """A folder for tables. Raises `BadSettings` for a name that deltalake cannot handle."""
        if found := _REFUSED.search(str(path)):
            raise BadSettings(
                f"{setting}: {str(path)!r} has {found.group()!r} in it, which the Delta library cannot handle; "
                "choose a folder with a plain name"
            )
        return cls(path)

    @property
    def url(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def advice(self) -> str:
        return "check that the folder can be written and that the disk has room"

    def within(self, name: str) -> "Folder":
        return Folder(self.path / name)

    def options(self) -> None:
        return None

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        return

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir()} if self.path.exists() else set()

    def sources(self, names: Sequence[str]) -> Iterator[str]:
        return (str(self.path / name) for name in names)

    def is_missing(self, url: str, error: Exception) -> bool:
        return not Path(url).exists()

    def fault(self, error: BaseException) -> None:
        return None

    def examine(self, what: str) -> Iterator[Finding]:
        yield from ()
