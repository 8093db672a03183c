"""The space that tickets hold: files that left the table, each counted once."""

from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.tickets import SealedFile, Ticket, TicketStatus, held_space

NOW = 1000


def ticket(*names: str, status: TicketStatus = TicketStatus.LIVE, expires: int = NOW + 1) -> Ticket:
    files = [SealedFile(name=name, rows=1, bytes=len(name), sha256="") for name in names]
    spec = ReportSpec(report=Report.SCORE, batches=("b1",))
    return Ticket(
        id="20240101-0123456789ab", status=status, created=0, expires=expires, spec=spec, batches=["b1"],
        lake_files=files,
    )  # fmt: skip


def test_only_files_that_left_the_table_count_and_each_once() -> None:
    assert held_space([ticket("a", "bb", "ccc"), ticket("bb", "dddd")], {"a", "ccc"}, NOW) == (2, 6)
    assert held_space([ticket("a")], {"a"}, NOW) == (0, 0)
    assert held_space([], (), NOW) == (0, 0)


def test_tickets_that_ended_hold_nothing() -> None:
    ended = [ticket("a", status=TicketStatus.RELEASED), ticket("b", expires=NOW)]
    assert held_space(ended, (), NOW) == (0, 0)
