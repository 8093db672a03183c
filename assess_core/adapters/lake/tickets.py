"""The port `Tickets`: a folder for each ticket, in the place of the lake."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.lake.tables import translated
from assess_core.domain.tickets import HOT_ROWS, Ticket, is_id, parse_ticket, ticket_text
from assess_core.errors import UnknownTicket

_TICKET: Final = "ticket.json"


class LakeTickets:
    """A `ports.Tickets` at a location, which the first ticket creates."""

    def __init__(self, place: Location) -> None:
        self._place = place

    def write(self, ticket: Ticket) -> None:
        with temporary_folder("assess-ticket-") as folder:
            source = Path(folder) / _TICKET
            source.write_bytes(ticket_text(ticket))
            self.add(ticket.id, _TICKET, source)

    def all(self) -> Iterator[Ticket]:
        with translated(self._place):
            ids = sorted(self._place.names())
        for id_ in ids:
            if not is_id(id_):  # a file of another program
                continue
            try:
                yield self.read(id_)
            except UnknownTicket:  # deleted since, or a process was killed before it stored the ticket
                continue

    def read(self, id_: str) -> Ticket:
        where = f"{id_}/{_TICKET}"
        with translated(self._place):
            try:
                text = self._place.read(where)
            except FileNotFoundError:
                raise UnknownTicket(f"there is no ticket {id_}; `assess ticket list` lists the tickets") from None
        return parse_ticket(text, f"{self._place.url}/{where}")

    def add(self, id_: str, name: str, source: Path) -> None:
        with translated(self._place):
            self._place.put(f"{id_}/{name}", source)

    @contextmanager
    def fetched(self, id_: str, name: str) -> Iterator[Path | None]:
        with temporary_folder("assess-ticket-") as folder:
            target: Path | None = Path(folder) / name
            with translated(self._place):
                try:
                    self._place.fetch(f"{id_}/{name}", Path(folder) / name)
                except FileNotFoundError:
                    target = None
            yield target

    def remove(self, id_: str, name: str) -> None:
        with translated(self._place):
            self._place.delete([f"{id_}/{name}"])

    def delete(self, id_: str) -> None:
        with translated(self._place):
            # rows first: a process that is killed in between leaves a ticket that can be deleted again
            self._place.delete([f"{id_}/{HOT_ROWS}"])
            self._place.delete_all(id_)
