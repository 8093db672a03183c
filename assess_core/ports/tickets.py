"""The tickets of reports. They are stored in the lake, so that every vacuum of the lake finds them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from assess_core.domain.tickets import Ticket


class Tickets(Protocol):
    """The folder, or the prefix of a bucket, with the tickets. Methods raise `StoreUnavailable`."""

    def write(self, ticket: Ticket) -> None:
        """Store a ticket, or replace it: a reader finds the old or the new one."""
        ...

    def all(self) -> Iterator[Ticket]:
        """All tickets, ordered by id. Raises `BadTicket` if one cannot be read."""
        ...

    def read(self, id_: str) -> Ticket:
        """A ticket. Raises `UnknownTicket`, `BadTicket`."""
        ...

    def add(self, id_: str, name: str, source: Path) -> None:
        """Store a copy of a file with a ticket."""
        ...

    def fetched(self, id_: str, name: str) -> AbstractContextManager[Path | None]:
        """A local copy of a file of a ticket, until the block ends; None if it does not exist."""
        ...

    def remove(self, id_: str, name: str) -> None:
        """Delete a file of a ticket. Nothing happens if there is none."""
        ...

    def delete(self, id_: str) -> None:
        """Delete a ticket: first its files, then the ticket. Nothing happens if there is none."""
        ...
