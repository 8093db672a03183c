"""Where the API learns which batches and courses a mentor may read, beside the claims of its token."""

from collections.abc import Iterator
from typing import Final, Protocol

from assess_core.domain.access import Granted
from assess_core.ports.findings import Finding

MOST: Final = 10_000
"""The most grants of one mentor. They are held in memory, for up to 10,000 mentors."""


class Grants(Protocol):
    """A source of grants. Threads can share an object."""

    def of(self, mentor: str) -> Granted:
        """What a mentor is granted; nothing if the source does not name it.

        Raises `BadGrants` if the source is wrong or grants this mentor more than 10,000, and `StoreUnavailable`.
        """
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the source, for `assess doctor`. Raises `BadGrants`, `StoreUnavailable`."""
        ...
