"""Use case: store the ticket of a report while the report is written.

The order makes it safe to run a vacuum, or to be killed, at any moment:

    ticket (writing) -> hot rows are read, lake is pinned -> report is written to a temporary file
    -> copy of the hot rows -> ticket (live) -> report appears -> sidecar appears

Until the ticket is live no vacuum deletes anything, and from then on the ticket names its files.
"""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import msgspec

from assess_core.domain.completeness import Sidecar
from assess_core.domain.corrections import Correction
from assess_core.domain.report_spec import ReportSpec
from assess_core.domain.tickets import HOT_ROWS, WRITING_TIME, Ticket, TicketStatus, id_of
from assess_core.errors import AssessError, ReportFailed
from assess_core.ports.reports import Union
from assess_core.ports.tickets import Tickets


class NewTicket(NamedTuple):
    """A wish for a ticket."""

    keep: int
    """How long (ms) it is kept."""
    now: Callable[[], int]


class Draft:
    """A ticket that is being written."""

    def __init__(self, tickets: Tickets, ticket: Ticket, wish: NewTicket) -> None:
        self._tickets = tickets
        self._ticket = ticket
        self._wish = wish

    @property
    def id(self) -> str:
        return self._ticket.id

    def seal(self, union: Union, batches: Collection[str], corrections: Sequence[Correction], sidecar: Sidecar) -> None:
        """Store what the report read. Call this before the report appears."""
        hot = union.hot_rows()
        if hot is not None:
            self._tickets.add(self.id, HOT_ROWS, hot.path)
        self._tickets.write(
            msgspec.structs.replace(
                self._ticket,
                status=TicketStatus.LIVE,
                expires=self._ticket.created + self._wish.keep,
                batches=sorted(batches),
                lake_files=union.lake_files(),
                hot_rows=hot.file if hot else None,
                corrections=list(corrections),
                sidecar=sidecar,
            )
        )
        # a process that slept for a day: a vacuum may have taken it for killed
        if self._wish.now() >= self._ticket.expires:
            raise ReportFailed("the report took longer than a day, so its ticket is not reliable; write it again")


@contextmanager
def drafted(tickets: Tickets, spec: ReportSpec, wish: NewTicket | None) -> Iterator[Draft | None]:
    """A ticket that is being written; None without a wish. It is deleted if the block fails.

    Enter the block before the lake is pinned.
    """
    if wish is None:
        yield None
        return
    now = wish.now()
    ticket = Ticket(
        id=id_of(now, secrets.token_hex(6)),
        status=TicketStatus.WRITING,
        created=now,
        expires=now + WRITING_TIME,
        spec=spec,
        batches=list(spec.batches),
    )
    try:
        tickets.write(ticket)
        yield Draft(tickets, ticket, wish)
    except BaseException:
        with suppress(AssessError):  # then it expires
            tickets.delete(ticket.id)
        raise
