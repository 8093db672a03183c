"""Where a lake's tables lie: the few things in which a folder and a bucket differ."""

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
    """A folder, or a prefix of a bucket; there need not be anything in it yet."""

    @property
    def url(self) -> str:
        """What DuckDB and deltalake call it: an absolute path or an s3:// URL, without a slash at its end."""
        ...

    @property
    def name(self) -> str:
        """The last part of it."""
        ...

    @property
    def advice(self) -> str:
        """What to look at when it cannot be written, as the end of a sentence."""
        ...

    def within(self, name: str) -> "Location":
        """The place of this name inside."""
        ...

    def options(self) -> dict[str, str] | None:
        """What deltalake must know to get there, credentials that are valid now among it; None: nothing."""
        ...

    def attach(self, duck: duckdb.DuckDBPyConnection) -> None:
        """Let a connection of DuckDB read what lies there, with credentials that are valid now."""
        ...

    def names(self) -> set[str]:
        """The first parts of the names of what lies inside (up to a thousand); raises `OSError`."""
        ...

    def sources(self, names: Sequence[str]) -> "Iterator[str | pa.Buffer]":
        """What pyarrow can read these files inside from, one after the other; raises `OSError`."""
        ...

    def is_missing(self, url: str, error: Exception) -> bool:
        """Whether DuckDB could not read a file because it is not there."""
        ...

    def fault(self, error: BaseException) -> AssessError | None:
        """What an error of a driver says of the way there; None when it says nothing: the error is about a file."""
        ...

    def examine(self, what: str) -> Iterator[Finding]:
        """How the place is, for `doctor`; one that needs no server is as it is."""
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
        return "see that the folder can be written and has room"

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
