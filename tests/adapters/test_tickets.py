"""The contract of `ports.Tickets`, in a folder and in a bucket; and a report that is printed again from each."""

import stat
from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.files.log import FolderLog
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.lake.tickets import LakeTickets
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.moments import DAY
from assess_core.domain.report_spec import Report
from assess_core.domain.tickets import HOT_ROWS, Ticket, TicketStatus, id_of
from assess_core.errors import BadTicket, TicketBroken, UnknownTicket
from assess_core.ports.stores import Stores
from assess_core.ports.tickets import Tickets
from assess_core.usecases.archiving import archive
from assess_core.usecases.compacting import compact, vacuum, weeks_worth_it
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import release, reprint
from tests.factories import version
from tests.lakes import asked, keep
from tests.loop import NOW, put_away
from tests.places import Store


@pytest.fixture
def tickets(place: Location) -> Tickets:
    return LakeTickets(place)


def ticket(day: int = 0, status: TicketStatus = TicketStatus.LIVE) -> Ticket:
    at = NOW + day * DAY
    spec = asked("b1", Report.SCORE)
    return Ticket(id=id_of(at, "0123456789ab"), status=status, created=at, expires=at + DAY, spec=spec, batches=["b1"])


def test_a_ticket_is_read_as_it_was_written_and_can_be_replaced(tickets: Tickets) -> None:
    assert list(tickets.all()) == []
    late, early = ticket(1), ticket(0, TicketStatus.WRITING)
    for each in (late, early):
        tickets.write(each)

    assert list(tickets.all()) == [early, late]
    assert tickets.read(late.id) == late
    replaced = structs.replace(early, status=TicketStatus.LIVE)
    tickets.write(replaced)
    assert list(tickets.all()) == [replaced, late]


def test_an_unknown_ticket_is_named_and_a_damaged_one_too(tickets: Tickets, place: Location) -> None:
    made = ticket()
    with pytest.raises(UnknownTicket, match=f"there is no ticket {made.id}"):
        tickets.read(made.id)
    Store(place).write(f"{made.id}/ticket.json", b"[" * 100_000)
    with pytest.raises(BadTicket, match=r"ticket\.json cannot be read"):
        list(tickets.all())


def test_files_of_other_programs_are_no_tickets(tickets: Tickets, place: Location) -> None:
    Store(place).write(".DS_Store", b"")
    Store(place).write("notes/a.txt", b"")

    assert list(tickets.all()) == []


def test_a_file_of_a_ticket_has_the_same_bytes_and_disappears_with_it(
    tickets: Tickets, place: Location, tmp_path: Path
) -> None:
    made, source = ticket(), tmp_path / "rows"
    source.write_bytes(b"rows" * 1000)
    tickets.write(made)
    tickets.add(made.id, HOT_ROWS, source)

    with tickets.fetched(made.id, HOT_ROWS) as found:
        assert found is not None
        assert found.read_bytes() == source.read_bytes()
    for _ in range(2):
        tickets.remove(made.id, HOT_ROWS)
    with tickets.fetched(made.id, HOT_ROWS) as gone:
        assert gone is None
    tickets.add(made.id, HOT_ROWS, source)
    for _ in range(2):
        tickets.delete(made.id)
    assert Store(place).names() == []


def test_only_the_owner_can_read_a_ticket_in_a_folder(tmp_path: Path) -> None:
    made = ticket()
    LakeTickets(Folder(tmp_path / "lake" / "tickets")).write(made)

    paths = [tmp_path / "lake" / "tickets" / made.id / "ticket.json"]
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o600
    assert stat.S_IMODE(paths[0].parent.stat().st_mode) == 0o700


@pytest.mark.long
def test_a_report_is_printed_again_from_files_that_vacuum_left(place: Location, tmp_path: Path) -> None:
    hot, lake = MemoryHot(), DeltaLake(place)
    exhausts = FolderExhausts(tmp_path / "exhausts")
    stores = Stores(hot, FolderLog(tmp_path / "log", hot), lake, DuckUnions(hot, lake), exhausts)
    for user in ("u1", "u2"):
        keep(hot, [version(user_id=user)])
        archive(hot.slices(), stores, NOW)
    put_away(stores)
    keep(hot, [version(user_id="u3")])
    written = write_exhaust(stores, asked("b1", Report.SCORE), ticket=NewTicket(DAY, lambda: NOW))
    made, before = written.sidecar.ticket or "", Path(written.path).read_bytes()

    put_away(stores)
    compact(weeks_worth_it(lake), lake, NOW)
    assert len(vacuum(lake, NOW, retain=0).held) == 2
    assert Path(reprint(stores, made, NOW).written.path).read_bytes() == before

    lost = lake.tickets.read(made).lake_files[0].name
    Store(place).remove(f"attempts/{lost}")
    with pytest.raises(TicketBroken, match=f"{lost} is missing"):
        reprint(stores, made, NOW)
    release(lake.tickets, made, NOW)
    assert vacuum(lake, NOW, retain=0).tickets == [made]
    assert len([name for name in Store(place).files("attempts") if "/year=" in name]) == 1
