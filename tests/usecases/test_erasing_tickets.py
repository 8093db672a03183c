"""A report of a ticket that is printed again after an erasure lacks the learner, and says so."""

import csv
import io
from pathlib import Path

import msgspec
import pytest

from assess_core.adapters.lake.erasing import DeltaTraces
from assess_core.domain.erasing import Receipt
from assess_core.domain.report_formats import Format, Password
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.tickets import TicketStatus
from assess_core.errors import ErasureRefused, UnknownTicket
from assess_core.ports.erasures import StoredFile
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.erasing import Step, erase
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.sealing import NewTicket, drafted
from assess_core.usecases.tickets import release, reprint
from tests.factories import WEEK
from tests.usecases.test_erasing import BESIDES, NOW, ORDER, SECRET, W5, take, traces

SCORES = ReportSpec(report=Report.SCORE, batches=("b1",))


@pytest.fixture
def sealed(stores: Stores) -> tuple[Stores, str]:
    """A ticket of a report that read a file of the lake and rows of the hot store, both with the learner."""
    take(stores, SECRET, "u1", "u2")
    archive([W5], stores, NOW)
    verify([W5], stores, NOW)
    clear([W5], stores, NOW)
    take(stores, SECRET, "u3", weeks=1)
    write_exhaust(stores, SCORES, ticket=NewTicket(52 * WEEK, lambda: NOW))
    [ticket] = stores.lake.tickets.all()
    return stores, ticket.id


def learners(path: str) -> list[str]:
    rows = csv.reader(io.StringIO(Path(path).read_text()))
    return sorted(cell for row in rows for cell in row if cell in (SECRET, "u1", "u2", "u3"))


def test_a_ticket_prints_the_old_report_without_the_learner(sealed: tuple[Stores, str], settings: Settings) -> None:
    stores, id_ = sealed
    assert SECRET in learners(reprint(stores, id_, NOW).written.path)

    receipt = erase(stores, BESIDES, [SECRET], ORDER)
    printed = reprint(stores, id_, NOW)

    assert learners(printed.written.path) == ["u1", "u2", "u3"]
    assert (printed.written.sidecar.rows, printed.written.sidecar.attempts) == (3, 3)
    assert printed.difference is not None
    assert "learners were erased at 2024-02-26" in printed.difference
    assert traces(stores, settings) == []
    assert [place.before for place in receipt.places if place.name == "lake: tickets"] == [1]
    assert [file.name.partition("without-")[1] for file in receipt.files_after] == ["", "without-"]


@pytest.mark.long
def test_reports_that_hold_the_learner_are_deleted(sealed: tuple[Stores, str], settings: Settings) -> None:
    stores, _ = sealed
    written = write_exhaust(stores, SCORES)
    assert Path(written.path).exists()

    receipt = erase(stores, BESIDES, [SECRET], ORDER)

    assert not Path(written.path).exists()
    assert any(file.name.startswith("reports/") for file in receipt.files_before)


def test_an_encrypted_report_that_read_a_slice_of_the_learner_is_deleted(stores: Stores) -> None:
    take(stores, SECRET, "u1")
    take(stores, "u2", batch="b2")
    zipped = msgspec.structs.replace(SCORES, format=Format.ZIP)
    theirs = write_exhaust(stores, zipped, password=Password("correct horse battery"))
    other = write_exhaust(
        stores, msgspec.structs.replace(zipped, batches=("b2",)), password=Password("correct horse battery")
    )

    erase(stores, BESIDES, [SECRET], ORDER)

    assert not Path(theirs.path).exists()
    assert not Path(f"{theirs.path}.json").exists()
    assert Path(other.path).exists()


@pytest.mark.long
@pytest.mark.parametrize("step", [Step.WEEKS, Step.FILES])
def test_a_ticket_survives_an_erasure_that_was_killed(sealed: tuple[Stores, str], step: Step) -> None:
    def die(reached: Step) -> None:
        if reached is step:
            raise KeyboardInterrupt

    stores, id_ = sealed
    with pytest.raises(KeyboardInterrupt):
        erase(stores, BESIDES, [SECRET], ORDER, reached=die)
    erase(stores, BESIDES, [SECRET], ORDER)

    assert learners(reprint(stores, id_, NOW).written.path) == ["u1", "u2", "u3"]


@pytest.mark.long
def test_a_vacuum_keeps_the_files_of_the_ticket_until_it_is_released(sealed: tuple[Stores, str]) -> None:
    stores, id_ = sealed
    erase(stores, BESIDES, [SECRET], ORDER)
    vacuum(stores.lake, NOW, 0)
    assert learners(reprint(stores, id_, NOW).written.path) == ["u1", "u2", "u3"]

    [file] = stores.lake.tickets.read(id_).lake_files
    release(stores.lake.tickets, id_, NOW)
    assert f"attempts/{file.name}" in vacuum(stores.lake, NOW, 0).deleted


@pytest.mark.long
def test_a_ticket_of_a_report_about_the_learner_alone_is_deleted(sealed: tuple[Stores, str]) -> None:
    stores, id_ = sealed
    alone = msgspec.structs.replace(SCORES, learner=SECRET)
    write_exhaust(stores, alone, ticket=NewTicket(52 * WEEK, lambda: NOW))

    erase(stores, BESIDES, [SECRET], ORDER)

    assert [ticket.id for ticket in stores.lake.tickets.all()] == [id_]
    with pytest.raises(UnknownTicket):
        reprint(stores, "20240226-000000000000", NOW)


@pytest.mark.long
def test_a_ticket_that_is_released_beside_an_erasure_stays_released(
    sealed: tuple[Stores, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, id_ = sealed
    real = DeltaTraces.rewrite

    def released(traces: DeltaTraces, name: str, user_ids: list[str]) -> StoredFile:
        release(stores.lake.tickets, id_, NOW)
        return real(traces, name, user_ids)

    monkeypatch.setattr(DeltaTraces, "rewrite", released)
    erase(stores, BESIDES, [SECRET], ORDER)

    assert stores.lake.tickets.read(id_).state(NOW) is TicketStatus.RELEASED
    assert vacuum(stores.lake, NOW, 0).tickets == [id_]


def test_an_erasure_waits_for_a_ticket_that_is_being_written(stores: Stores) -> None:
    take(stores, SECRET, "u1")
    with drafted(stores.lake.tickets, SCORES, NewTicket(WEEK, lambda: NOW)) as ticket:
        pass
    with pytest.raises(ErasureRefused, match="is being written"):
        erase(stores, BESIDES, [SECRET], ORDER)
    assert ticket is not None
    stores.lake.tickets.delete(ticket.id)
    assert SECRET in [user for user, _ in stores.hot.all_learners()]
    assert isinstance(erase(stores, BESIDES, [SECRET], ORDER), Receipt)
