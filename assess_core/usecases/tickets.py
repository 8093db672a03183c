"""Use cases of tickets: print a report again, list what changed since, release."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.completeness import Sidecar
from assess_core.domain.moments import iso
from assess_core.domain.report_formats import Password
from assess_core.domain.ticket_diff import AttemptState, Difference, differences
from assess_core.domain.tickets import (
    HOT_ROWS,
    Ticket,
    TicketStatus,
    changed_files,
    parse_id,
    why_other_bytes,
)
from assess_core.errors import BadReport, BadTicket, TicketBroken, UnknownTicket
from assess_core.ports.reports import Packing, ReportOutput, Union
from assess_core.ports.stores import Stores
from assess_core.ports.tickets import Tickets
from assess_core.usecases.completeness import survey
from assess_core.usecases.corrections_in_force import corrections_of
from assess_core.usecases.exhaust import (
    NO_PICTURES,
    Exhaust,
    matching_batches,
    measured,
    member_name,
    place_of,
    require_place,
)
from assess_core.usecases.proving import product_version

LATEST: Final = "latest"
"""The stores as they are now, in a comparison."""


class Reprint(NamedTuple):
    """A report that was printed again."""

    written: Exhaust
    difference: str | None
    """Why its bytes differ, as a sentence; None if they are the same."""


def live_ticket(tickets: Tickets, id_: str, now: int) -> tuple[Ticket, Sidecar]:
    """A live ticket and its sidecar. Raises `BadTicket`, `UnknownTicket`."""
    ticket = tickets.read(parse_id(id_))
    state = ticket.state(now)
    if state is not TicketStatus.LIVE or ticket.sidecar is None:
        being = "is still being written" if state is TicketStatus.WRITING else f"is {state}"
        raise UnknownTicket(f"ticket {id_} {being}; `assess ticket list` lists the tickets")
    return ticket, ticket.sidecar


def reprint(
    stores: Stores,
    id_: str,
    now: int,
    output: ReportOutput | None = None,
    *,
    password: Password | None = None,
    allow_different: bool = False,
) -> Reprint:
    """Print the report of a ticket again, with the same bytes. If learners were erased since, it lacks them.

    Raises `TicketBroken` if a file of the ticket is missing or was changed, or if the bytes would differ, unless
    `allow_different`. Of an encrypted zip file the content is the same; its bytes always differ.
    """
    started = time.perf_counter()
    ticket, before = live_ticket(stores.lake.tickets, id_, now)
    _require_password(before, password)
    spec = ticket.spec
    require_place(spec, output, password)
    with _opened(stores, ticket) as union:
        place = place_of(stores, spec, output, is_partial=bool(before.problems), folder=f"ticket-{ticket.id}/")
        with place.output.write() as temporary:
            report = union.write_report(
                spec, temporary, Packing(member_name(spec), password), corrections=ticket.corrections
            )
            pictures = union.draw(spec, corrections=ticket.corrections) if spec.pictures else NO_PICTURES
            size, digest = measured(spec, report, temporary)
            sidecar = msgspec.structs.replace(
                before,
                file=PurePath(place.path).name,
                product=product_version(),
                written_with=report.written_with,
                rows=report.rows,  # fewer, if learners were erased
                attempts=sum(1 for _ in union.attempts(spec)) if ticket.erased_at else before.attempts,
                suppressed_cells=report.suppressed_cells,
                bytes=size,
                sha256=digest,
                content=report.content,
                pictures=place.picture_files(pictures),
            )
            difference = _difference(before, sidecar)
            if difference is not None and ticket.erased_at:
                difference = (
                    f"learners were erased at {', '.join(map(iso, ticket.erased_at))}, and the report lacks them; "
                    f"{difference}"
                )
            elif difference is not None and not allow_different:
                raise TicketBroken(
                    f"{difference}; nothing was written; install the versions of then, or add --allow-different"
                )
        place.write_beside(pictures, sidecar)
    return Reprint(place.written(sidecar, time.perf_counter() - started), difference)


def _require_password(before: Sidecar, password: Password | None) -> None:
    if before.encrypted and password is None:
        raise BadReport(["password: the report was encrypted; add --ask-password or --password-file"])
    if password is not None and not before.encrypted:
        raise BadReport(["password: the report was not encrypted; leave it out"])


def _difference(before: Sidecar, now: Sidecar) -> str | None:
    same_content = before.content is not None and before.content == now.content
    if before.sha256 == now.sha256 or (before.encrypted and same_content):
        return None
    what = "the content is the same, its compressed bytes differ" if same_content else "the bytes differ"
    why = why_other_bytes(before, now.product, now.written_with)
    return f"{what}: SHA-256 was {before.sha256}, and is {now.sha256}; {why}"


@contextmanager
def _opened(stores: Stores, ticket: Ticket) -> Iterator[Union]:
    """The union that a ticket sealed. Raises `TicketBroken`."""
    with stores.lake.tickets.fetched(ticket.id, HOT_ROWS) as hot_rows:
        if ticket.hot_rows is not None:
            found = _sha256(hot_rows) if hot_rows is not None else None
            if problems := changed_files([ticket.hot_rows], {HOT_ROWS: found}):
                raise TicketBroken(
                    f"the report of ticket {ticket.id} cannot be printed again: in its folder, {'; '.join(problems)}; "
                    "restore the folder from a copy"
                )
        rows = hot_rows if ticket.hot_rows is not None else None
        with stores.union.sealed(ticket.batches, ticket.lake_files, rows) as union:
            yield union


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def compared(stores: Stores, id_: str, other: str, now: int) -> Iterator[Iterator[Difference]]:
    """The attempts of a ticket's report that differ in another ticket, or in the stores now (`LATEST`).

    Memory does not grow with the attempts. Raises `TicketBroken`, `BadTicket`, `UnknownTicket`, and the errors of
    `write_exhaust`.
    """
    ticket, _ = live_ticket(stores.lake.tickets, id_, now)
    spec = ticket.spec
    with _opened(stores, ticket) as before, _other(stores, ticket, other, now) as after:
        yield differences(before.attempts(spec, ticket.corrections), after)


@contextmanager
def _other(stores: Stores, ticket: Ticket, other: str, now: int) -> Iterator[Iterator[AttemptState]]:
    """The attempts that the spec of a ticket selects in another ticket, or in the stores now."""
    spec = ticket.spec
    if other != LATEST:
        found, _ = live_ticket(stores.lake.tickets, other, now)
        if found.batches != ticket.batches:
            raise BadTicket(f"tickets {ticket.id} and {other} have different batches, so they cannot be compared")
        with _opened(stores, found) as union:
            yield union.attempts(spec, found.corrections)
        return
    batches = matching_batches(stores, spec)
    decided = corrections_of(stores.hot.register, batches, spec.course, spec.assessments or None)
    with stores.union(batches=batches, scores=spec.reads_scores) as union:
        # a comparison with a part of the rows would mislead
        survey(stores, union, batches, allow_partial=False, scores=spec.reads_scores)
        yield union.attempts(spec, [each.correction for each in decided])


def release(tickets: Tickets, id_: str, now: int) -> Ticket:
    """Release a ticket: its rows are deleted now, and vacuum may delete its files of the lake. Can be repeated.

    Raises `BadTicket`, `UnknownTicket`.
    """
    ticket = tickets.read(parse_id(id_))
    if ticket.state(now) is TicketStatus.WRITING:
        raise BadTicket(f"ticket {id_} is still being written; if its process was killed, it ends a day after it began")
    released = msgspec.structs.replace(ticket, status=TicketStatus.RELEASED)
    tickets.write(released)  # first: a ticket without its rows must not look live
    tickets.remove(ticket.id, HOT_ROWS)
    return released
