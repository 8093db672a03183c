"""Where reports get the names of courses, batches, assessments and learners."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from assess_core.domain.names import Named, NameKind
from assess_core.ports.findings import Finding


class OpenedNames(Protocol):
    """A source of names during one report. What was looked up once does not change."""

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the file; None if the source is not a file."""
        ...

    def look_up(self, kind: NameKind, ids: Sequence[str]) -> dict[str, Named]:
        """The names of these ids. Ids without a name and without an organisation are missing.

        Raises `BadNames` if an id has two different names, `StoreUnavailable`.
        """
        ...


class Names(Protocol):
    """A source of names."""

    @property
    def source(self) -> str:
        """The file or URL, without secrets."""
        ...

    def open(self) -> OpenedNames:
        """The source for one report. Raises `BadNames`, `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the source, for `assess doctor`. Raises `BadNames`, `StoreUnavailable`."""
        ...
