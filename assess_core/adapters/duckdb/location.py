"""Where Delta tables are: the few things in which a folder and a bucket differ."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

import pyarrow as pa

from assess_core.errors import AssessError
from assess_core.ports.findings import Finding
from assess_core.ports.lake import Pinned

if TYPE_CHECKING:
    import duckdb


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

    def attach(self, duck: "duckdb.DuckDBPyConnection") -> None:
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


def location_of(pinned: Pinned) -> Location:
    """Where the files of a pinned lake are. Every lake of ours is at a `Location`; the port shows its URL alone."""
    return cast(Location, pinned.place)
