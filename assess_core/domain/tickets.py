"""Tickets: everything that is needed to print a report again, byte for byte. Pure values and rules."""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.completeness import Sidecar
from assess_core.domain.corrections import Correction
from assess_core.domain.counts import counted
from assess_core.domain.moments import DAY, moment
from assess_core.domain.report_spec import ReportSpec
from assess_core.errors import BadTicket

TICKET_VERSION: Final = 1
"""The version of the ticket's format."""
HOT_ROWS: Final = "hot.parquet"
"""The name of the copy of the rows of the hot store, in the folder of a ticket."""
WRITING_TIME: Final = DAY
"""How long (ms) a ticket can be written. After it, the process that wrote it counts as killed."""
_ID: Final = re.compile(r"\d{8}-[0-9a-f]{12}")
_LAKE_FILE: Final = re.compile(r"(?:scores/)?year=\d{1,4}/week=\d{1,2}/[^/\x00]+\.parquet")
_NAMED: Final = 5
"""Files that a message names."""


class TicketStatus(StrEnum):
    """The states of a ticket."""

    WRITING = "writing"
    """The report is being written. Its files are not known yet, so no file of the lake may be deleted."""
    LIVE = "live"
    RELEASED = "released"
    """Its files may be deleted. Vacuum deletes the ticket with them."""
    EXPIRED = "expired"


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a report read."""

    name: str
    """Within the folder of the ticket, or within the lake's `attempts`; `scores/...` within its `scores`."""
    rows: int
    bytes: int
    sha256: str


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The ticket of a report."""

    ticket_version: int = TICKET_VERSION
    id: str
    status: TicketStatus
    created: int
    """Epoch ms."""
    expires: int
    spec: ReportSpec
    batches: list[str]
    """The batches that were read: those of the spec, or those that matched its pattern."""
    lake_files: list[SealedFile] = []
    """The files of the lake with rows of these batches, in the order in which they were read."""
    hot_rows: SealedFile | None = None
    """The copy of the rows of the hot store; None if it had none."""
    corrections: list[Correction] = []
    """The corrections that count in the report, in the order in which they apply."""
    sidecar: Sidecar | None = None
    """The sidecar of the report; None while it is being written."""
    erased_at: list[int] = []
    """When learners were erased from its rows (epoch ms). Printed again, its report lacks them."""

    @property
    def bytes(self) -> int:
        """The size of its files of the lake, and of its copy of hot rows."""
        return sum(file.bytes for file in [*self.lake_files, *([self.hot_rows] if self.hot_rows else [])])

    def state(self, now: int) -> TicketStatus:
        """The status at a time (epoch ms)."""
        ends = self.status in (TicketStatus.WRITING, TicketStatus.LIVE) and self.expires <= now
        return TicketStatus.EXPIRED if ends else self.status


def id_of(now: int, digits: str) -> str:
    """The id of a ticket: its day, and 12 random hexadecimal digits."""
    return f"{moment(now):%Y%m%d}-{digits}"


def is_id(text: str) -> bool:
    """Whether a text can be the id of a ticket."""
    return _ID.fullmatch(text) is not None


def parse_id(text: str) -> str:
    """Raises `BadTicket` if a text cannot be the id of a ticket."""
    if not is_id(text):
        raise BadTicket(f"{text[:40]!r} is not the id of a ticket; `assess ticket list` lists them")
    return text


def ticket_text(ticket: Ticket) -> bytes:
    """The bytes of the file of a ticket."""
    return msgspec.json.format(msgspec.json.encode(ticket), indent=2) + b"\n"


def parse_ticket(text: bytes, where: str) -> Ticket:
    """The inverse of `ticket_text`. Raises `BadTicket`; `where` is the file's name for the message."""
    try:
        ticket = msgspec.json.decode(text, type=Ticket)
    except (msgspec.DecodeError, RecursionError) as error:
        problem = str(error)
    else:
        wrong = [file.name for file in ticket.lake_files if not _LAKE_FILE.fullmatch(file.name)]
        if ticket.ticket_version == TICKET_VERSION and not wrong and is_id(ticket.id):
            return ticket
        problem = (
            f"it is of version {ticket.ticket_version}" if not wrong else f"{wrong[0][:80]!r} is no file of a lake"
        )
    raise BadTicket(f"the ticket {where} cannot be read: {problem}; restore it from a copy, or delete its folder")


class Holds(NamedTuple):
    """The files that tickets hold at a moment."""

    held: frozenset[str]
    """Names of files of `attempts` and `scores`. They must not be deleted."""
    is_writing: bool
    """Whether a ticket is being written. Then no file may be deleted."""
    ended: list[Ticket]
    """Tickets that were released or have expired."""


def holds(tickets: Iterable[Ticket], now: int) -> Holds:
    """What these tickets hold at a time (epoch ms)."""
    held: set[str] = set()
    ended, is_writing = list[Ticket](), False
    for ticket in tickets:
        state = ticket.state(now)
        if state is TicketStatus.LIVE:
            held.update(file.name for file in ticket.lake_files)
        elif state is TicketStatus.WRITING:
            is_writing = True
        else:
            ended.append(ticket)
    return Holds(frozenset(held), is_writing, ended)


def held_space(tickets: Iterable[Ticket], current: Collection[str], now: int) -> tuple[int, int]:
    """Number and size of the files that left the table and stay only because of live tickets."""
    held = {
        file.name: file.bytes
        for ticket in tickets
        if ticket.state(now) is TicketStatus.LIVE
        for file in ticket.lake_files
        if file.name not in current
    }
    return len(held), sum(held.values())


class Vacuuming(NamedTuple):
    """What a vacuum does with the files of `attempts` and `scores`."""

    deleted: list[str]
    held: list[str]
    """Files that would be deleted without tickets."""
    finished: list[Ticket]
    """Ended tickets of which no file is left to delete."""


def plan_vacuum(unused: Collection[str], recent: Collection[str], current: Collection[str], found: Holds) -> Vacuuming:
    """Which files to delete.

    `unused`: files that left the table long enough ago. `recent`: files that left it later. `current`: the files of
    the table. Delta forgets after some time that a file left the table, so the files of ended tickets are added.
    """
    forgotten = {file.name for ticket in found.ended for file in ticket.lake_files} - {*current, *recent}
    candidates = forgotten.union(unused)
    held = candidates if found.is_writing else candidates & found.held
    finished = [
        ticket
        for ticket in found.ended
        if not found.is_writing and not any(file.name in recent for file in ticket.lake_files)
    ]
    return Vacuuming(sorted(candidates - held), sorted(held), finished)


def holders(tickets: Iterable[Ticket], name: str) -> list[Ticket]:
    """The tickets with this file of the lake."""
    return [ticket for ticket in tickets if any(file.name == name for file in ticket.lake_files)]


def with_other_file(ticket: Ticket, old: str, new: SealedFile, now: int) -> Ticket:
    """The ticket with a file from which learners were erased in the place of the old one."""
    files = [new if file.name == old else file for file in ticket.lake_files]
    return msgspec.structs.replace(ticket, lake_files=files, erased_at=_with(ticket.erased_at, now))


def with_other_rows(ticket: Ticket, hot_rows: SealedFile, now: int) -> Ticket:
    """The ticket with other rows of the hot store, from which learners were erased."""
    return msgspec.structs.replace(ticket, hot_rows=hot_rows, erased_at=_with(ticket.erased_at, now))


def _with(times: Iterable[int], at: int) -> list[int]:
    return sorted({*times, at})


def changed_files(expected: Iterable[SealedFile], found: dict[str, str | None]) -> list[str]:
    """The files that are missing or have other bytes, in words. `found`: the SHA-256 of each file; None: missing."""
    problems = [
        f"{file.name} {'is missing' if found.get(file.name) is None else 'has other bytes'}"
        for file in expected
        if found.get(file.name) != file.sha256
    ]
    more = (
        [f"{counted(len(problems) - _NAMED, 'more file is', 'more files are')} missing or changed"]
        if len(problems) > _NAMED
        else []
    )
    return problems[:_NAMED] + more


def why_other_bytes(then: Sidecar, product: str, written_with: dict[str, str]) -> str:
    """Why a report that was printed again can have other bytes: the versions that changed, as a phrase."""
    before = {"assessment-lakehouse": then.product, **then.written_with}
    now = {"assessment-lakehouse": product, **written_with}
    changed = [
        f"{name} {before.get(name, 'unknown')}, now {now.get(name, 'unknown')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    return f"it was written with {'; '.join(changed)}" if changed else "all versions are the same as then"
