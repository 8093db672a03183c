"""Vacuum leaves the files of tickets; killed and concurrent processes break no ticket."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain import tickets as rules
from assess_core.domain.moments import DAY
from assess_core.domain.tickets import WRITING_TIME, TicketStatus
from assess_core.errors import BadTicket, ReportFailed
from assess_core.ports.lake import Unused
from assess_core.ports.stores import Stores
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.exhaust import Exhaust, write_exhaust
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import release, reprint
from tests.forked import run_forked
from tests.lakes import reports, stores_over
from tests.loop import NOW
from tests.tickets import SPECS, WISH, replaced_files, with_ticket


@pytest.fixture
def stores(ticketed: Stores) -> Stores:
    return ticketed


@pytest.mark.long
@pytest.mark.parametrize("end", ["released", "expired"])
def test_vacuum_leaves_the_files_of_a_ticket_until_it_ends_then_deletes_files_and_ticket(
    stores: Stores, end: str
) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])
    old = replaced_files(stores)

    kept = vacuum(stores.lake, NOW, retain=0)
    assert (kept.deleted, len(kept.held), kept.tickets) == ([], len(old), [])
    assert old
    assert all(path.exists() for path in old)

    later = NOW
    if end == "released":
        release(stores.lake.tickets, ticket, NOW)
    else:
        later += WISH.keep
    done = vacuum(stores.lake, later, retain=0)

    assert (len(done.deleted), done.held, done.tickets) == (len(old), [], [ticket])
    assert not any(path.exists() for path in old)
    assert list(stores.lake.tickets.all()) == []


def test_a_released_file_of_which_delta_s_log_says_nothing_any_more_is_deleted_too(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a checkpoint that dropped the removal, because it is old."""
    ticket, _ = with_ticket(stores, SPECS[0])
    old = replaced_files(stores)
    monkeypatch.setattr(type(stores.lake), "unused", lambda lake, hours: Unused([], frozenset()))
    release(stores.lake.tickets, ticket, NOW)

    vacuum(stores.lake, NOW)

    assert not any(path.exists() for path in old)
    assert all(Path(file.url).exists() for file in stores.lake.pin().files())


def test_a_file_that_left_the_table_recently_stays_after_a_release(stores: Stores) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])
    old = replaced_files(stores)
    release(stores.lake.tickets, ticket, NOW)

    vacuum(stores.lake, NOW, retain=DAY)
    assert all(path.exists() for path in old)

    assert vacuum(stores.lake, NOW, retain=0).tickets == [ticket]
    assert not any(path.exists() for path in old)


def test_a_file_of_two_tickets_stays_until_both_are_released(stores: Stores) -> None:
    (one, _), (two, before) = with_ticket(stores, SPECS[0]), with_ticket(stores, SPECS[1])
    old = replaced_files(stores)

    release(stores.lake.tickets, one, NOW)
    assert vacuum(stores.lake, NOW, retain=0).tickets == [one]
    assert Path(reprint(stores, two, NOW).written.path).read_bytes() == before

    release(stores.lake.tickets, two, NOW)
    assert len(vacuum(stores.lake, NOW, retain=0).deleted) == len(old)


def test_a_release_deletes_the_copy_of_the_hot_rows_at_once_and_can_be_repeated(stores: Stores, tmp_path: Path) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])

    for _ in range(2):
        release(stores.lake.tickets, ticket, NOW)

    assert [path.name for path in (tmp_path / "lake" / "tickets" / ticket).iterdir()] == ["ticket.json"]


def test_vacuum_deletes_nothing_if_a_ticket_cannot_be_read(stores: Stores, tmp_path: Path) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])
    old = replaced_files(stores)
    (tmp_path / "lake" / "tickets" / ticket / "ticket.json").write_text("{")

    with pytest.raises(
        BadTicket, match=r"ticket\.json cannot be read: .*; restore it from a copy, or delete its folder"
    ):
        vacuum(stores.lake, NOW, retain=0)
    assert all(path.exists() for path in old)


def test_a_ticket_that_names_a_file_outside_of_the_table_is_refused(stores: Stores) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])
    found = stores.lake.tickets.read(ticket)
    outside = structs.replace(found.lake_files[0], name="../archive_manifest/x.parquet")
    stores.lake.tickets.write(structs.replace(found, lake_files=[outside]))

    with pytest.raises(BadTicket, match="is no file of a lake"):
        vacuum(stores.lake, NOW, retain=0)


# --- races and crashes ---


@pytest.mark.long
@pytest.mark.parametrize("step", ["the lake is pinned", "the report is written", "the ticket is stored"])
def test_a_compaction_and_a_vacuum_at_any_step_leave_what_a_new_ticket_needs(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The vacuum runs without retention, after the report has pinned files that are then replaced."""
    done: list[int] = []

    def disturb() -> None:
        replaced_files(stores)
        done.append(len(vacuum(stores.lake, NOW, retain=0).held))

    if step == "the lake is pinned":
        pin, tickets = stores.lake.pin, stores.lake.tickets

        def pinned(version: int | None = None) -> object:
            found = pin(version)
            if any(ticket.status is TicketStatus.WRITING for ticket in tickets.all()) and not done:
                done.append(-1)
                disturb()
            return found

        monkeypatch.setattr(stores.lake, "pin", pinned)
        written = write_exhaust(stores, SPECS[0], ticket=WISH)
    elif step == "the report is written":
        written = write_exhaust(stores, SPECS[0], ticket=WISH, look=lambda path: disturb())
    else:
        written = written_with_a_disturbance_after_the_ticket(stores, monkeypatch, disturb)

    assert done[-1] == 2
    before = Path(written.path).read_bytes()
    assert written.sidecar.ticket is not None
    vacuum(stores.lake, NOW, retain=0)
    assert Path(reprint(stores, written.sidecar.ticket, NOW).written.path).read_bytes() == before


def written_with_a_disturbance_after_the_ticket(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, disturb: Callable[[], None]
) -> Exhaust:
    write = type(stores.lake.tickets).write

    def stored(tickets: object, ticket: rules.Ticket) -> None:
        write(tickets, ticket)  # type: ignore[arg-type]
        if ticket.status is TicketStatus.LIVE:
            disturb()

    monkeypatch.setattr(type(stores.lake.tickets), "write", stored)
    return write_exhaust(stores, SPECS[0], ticket=WISH)


def test_a_report_that_fails_leaves_no_ticket(stores: Stores) -> None:
    def fail(path: Path) -> None:
        raise ReportFailed("no")

    with pytest.raises(ReportFailed):
        write_exhaust(stores, SPECS[0], ticket=WISH, look=fail)
    assert list(stores.lake.tickets.all()) == []


def test_a_report_that_takes_longer_than_a_day_gets_no_ticket(stores: Stores) -> None:
    clock = iter([NOW, NOW + WRITING_TIME])

    with pytest.raises(ReportFailed, match="took longer than a day"):
        write_exhaust(stores, SPECS[0], ticket=NewTicket(DAY, lambda: next(clock)))
    assert list(stores.lake.tickets.all()) == []
    assert not list(reports(stores).rglob("*.csv"))


KILLED = """
import os, sys
from pathlib import Path
from assess_core.domain.tickets import TicketStatus
from assess_core.adapters.lake.tickets import LakeTickets
from assess_core.usecases.exhaust import write_exhaust
from tests.tickets import SPECS, WISH, copy_of_first

step, first, folder = sys.argv[1:]
stores = copy_of_first(Path(first), Path(folder))
write = LakeTickets.write

def stored(tickets, ticket):
    write(tickets, ticket)
    if ticket.status == step:
        os.kill(os.getpid(), 9)

LakeTickets.write = stored
write_exhaust(stores, SPECS[0], ticket=WISH)
"""


@pytest.mark.parametrize("step", [TicketStatus.WRITING, TicketStatus.LIVE])
def test_a_process_that_is_killed_before_its_report_appears_leaves_a_ticket_that_is_right_or_ends(
    first: Path, tmp_path: Path, step: TicketStatus
) -> None:
    assert run_forked(["-c", KILLED, step, first, tmp_path]).returncode == -signal.SIGKILL
    stores = stores_over(MemoryHot(), tmp_path)
    [ticket] = stores.lake.tickets.all()
    assert not list(reports(stores).rglob("*.csv"))

    if step is TicketStatus.LIVE:
        assert ticket.sidecar is not None
        again = reprint(stores, ticket.id, NOW).written
        assert again.sidecar.sha256 == ticket.sidecar.sha256
        return
    old = replaced_files(stores)
    assert vacuum(stores.lake, NOW, retain=0).is_writing
    with pytest.raises(BadTicket, match="is still being written"):
        release(stores.lake.tickets, ticket.id, NOW)
    done = vacuum(stores.lake, NOW + WRITING_TIME, retain=0)
    assert (len(done.deleted), done.tickets) == (len(old), [ticket.id])
