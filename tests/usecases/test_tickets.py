"""Tickets: a report is printed again with the same bytes, whatever happened to the stores in the meantime."""

import hashlib
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection
from msgspec import structs

from assess_core.adapters.files.names import FileNames
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_formats import Format, Password
from assess_core.domain.report_spec import Naming, Report, ReportSpec
from assess_core.domain.ticket_diff import Change
from assess_core.domain.tickets import HOT_ROWS
from assess_core.errors import BadReport, BadTicket, TicketBroken, UnknownTicket
from assess_core.ports.lake import name_of
from assess_core.ports.names import Names
from assess_core.ports.reports import WrittenReport
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.tickets import compared, release, reprint
from assess_core.wiring import open_output
from tests.factories import RECEIVED, WEEK, version
from tests.lakes import asked, keep, reports, stores_over
from tests.loop import NOW, put_away
from tests.report_files import PASSWORD, csv_bytes
from tests.tickets import FIRST, LATE, SPECS, WISH, Aged, with_ticket

pytestmark = pytest.mark.xdist_group("tickets")  # one worker makes the aged stores, once


@pytest.fixture
def stores(ticketed: Stores) -> Stores:
    return ticketed


@pytest.mark.long
def test_every_report_and_format_is_printed_again_with_the_same_bytes_after_everything(aged: Aged) -> None:
    stores, made = aged.stores, aged.made

    assert (
        write_exhaust(stores, SPECS[0]).sidecar.sha256 != reprint(stores, made[SPECS[0]][0], NOW).written.sidecar.sha256
    )
    for spec, (ticket, before) in made.items():
        again = reprint(stores, ticket, NOW)
        assert Path(again.written.path).read_bytes() == before, (spec.report, spec.format)
        assert again.difference is None
        assert again.written.sidecar == stores.lake.tickets.read(ticket).sidecar


def test_a_report_that_is_printed_again_does_not_replace_the_newest_report(aged: Aged) -> None:
    stores, (ticket, before) = aged.stores, aged.made[SPECS[0]]
    newest = write_exhaust(stores, SPECS[0])

    again = reprint(stores, ticket, NOW)

    assert again.written.path != newest.path
    assert hashlib.sha256(Path(newest.path).read_bytes()).hexdigest() == newest.sidecar.sha256
    assert Path(again.written.path).read_bytes() == before


def test_an_encrypted_report_is_printed_again_with_the_same_content(aged: Aged) -> None:
    stores, ticket = aged.stores, aged.encrypted
    _, before = aged.made[asked("b1", Report.SCORE)]

    again = reprint(stores, ticket, NOW, password=Password(PASSWORD))

    assert csv_bytes(Path(again.written.path), Format.ZIP, PASSWORD) == before
    with pytest.raises(BadReport, match="the report was encrypted; add --ask-password"):
        reprint(stores, ticket, NOW)


def test_a_report_without_a_ticket_leaves_nothing_in_the_lake(stores: Stores) -> None:
    assert write_exhaust(stores, SPECS[0]).sidecar.ticket is None
    assert list(stores.lake.tickets.all()) == []


# --- what is missing or differs ---


def test_a_changed_or_missing_file_of_the_lake_is_named(stores: Stores) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])
    changed, missing = (Path(file.url) for file in stores.lake.pin().files())
    changed.write_bytes(changed.read_bytes()[:-1] + b"X")
    missing.unlink()

    with pytest.raises(TicketBroken, match=rf"{changed.name} has other bytes; .*{missing.name} is missing; restore"):
        reprint(stores, ticket, NOW, open_output(str(reports(stores) / "again.csv"), None))
    assert not (reports(stores) / "again.csv").exists()


@pytest.mark.parametrize(("change", "problem"), [(b"X", "has other bytes"), (None, "is missing")])
def test_a_changed_or_missing_copy_of_the_hot_rows_is_named(
    stores: Stores, tmp_path: Path, change: bytes | None, problem: str
) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])
    path = tmp_path / "lake" / "tickets" / ticket / HOT_ROWS
    path.unlink() if change is None else path.write_bytes(path.read_bytes() + change)

    with pytest.raises(TicketBroken, match=f"hot.parquet {problem}; restore the folder"):
        reprint(stores, ticket, NOW)


def test_bytes_that_another_version_writes_are_refused_or_reported(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assess_core.adapters.duckdb.reports import writing

    ticket, before = with_ticket(stores, asked("b1", Report.SCORE, Format.PARQUET))
    write = writing.write_parquet

    def otherwise(duck: DuckDBPyConnection, spec: ReportSpec, target: Path, names: Names | None) -> WrittenReport:
        written = write(duck, spec, target, names)
        with target.open("ab") as file:
            file.write(b"another version")
        return written

    monkeypatch.setattr(writing, "write_parquet", otherwise)
    monkeypatch.setitem(writing.VERSIONS, "duckdb", "9.9.9")

    with pytest.raises(
        TicketBroken, match=r"bytes differ: .* written with duckdb .*, now 9\.9\.9; nothing was written"
    ):
        reprint(stores, ticket, NOW)
    again = reprint(stores, ticket, NOW, allow_different=True)
    assert again.difference is not None
    assert again.written.sidecar.sha256 == hashlib.sha256(Path(again.written.path).read_bytes()).hexdigest()
    assert Path(again.written.path).read_bytes() != before


def test_an_unknown_released_or_expired_ticket_is_refused(stores: Stores) -> None:
    ticket, _ = with_ticket(stores, SPECS[0])

    with pytest.raises(UnknownTicket, match="is expired"):
        reprint(stores, ticket, NOW + WISH.keep)
    release(stores.lake.tickets, ticket, NOW)
    with pytest.raises(UnknownTicket, match="is released"):
        reprint(stores, ticket, NOW)
    with pytest.raises(UnknownTicket, match="there is no ticket"):
        reprint(stores, "20240101-0123456789ab", NOW)
    with pytest.raises(BadTicket, match="is not the id of a ticket"):
        reprint(stores, "../../etc", NOW)


def test_a_ticket_names_only_the_files_with_rows_of_its_batches(stores: Stores) -> None:
    keep(stores.hot, [version(batch_id="b2", received=RECEIVED + 5 * WEEK)])
    put_away(stores)
    ticket, _ = with_ticket(stores, asked("b2", Report.SCORE))
    pinned = stores.lake.pin()
    [name] = [name_of(file, pinned) for file in pinned.files([version(received=RECEIVED + 5 * WEEK).slice.week])]

    found = stores.lake.tickets.read(ticket)

    assert [file.name for file in found.lake_files] == [name]
    assert found.hot_rows is None


# --- comparison ---


def newest(rows: list[AttemptVersion]) -> dict[object, tuple[AttemptVersion, int]]:
    """Plain Python: the newest version of each attempt with its earliest receipt, and the number of versions."""
    found: dict[object, tuple[AttemptVersion, int]] = {}
    for key in {row.key for row in rows}:
        of_key = [row for row in rows if row.key == key]
        best = max(row.version for row in of_key)
        first = min((row for row in of_key if row.version == best), key=lambda row: row.received_at)
        found[key] = first, len({row.version for row in of_key})
    return found


def test_a_comparison_equals_the_one_in_plain_python(aged: Aged) -> None:
    stores, (ticket, _) = aged.stores, aged.made[SPECS[0]]
    before, after = newest(FIRST), newest([*FIRST, *LATE])
    expected = dict.fromkeys(after.keys() - before.keys(), Change.ADDED)
    expected |= {key: Change.CHANGED for key in before.keys() & after.keys() if before[key] != after[key]}

    with compared(stores, ticket, "latest", NOW) as found:
        differences = list(found)

    keys = [(one.after or one.before).key for one in differences]  # type: ignore[union-attr]
    assert {key: one.change for key, one in zip(keys, differences, strict=True)} == expected
    assert len(expected) == 3
    assert keys == sorted(
        keys, key=lambda key: (key.batch_id, key.user_id, key.course_id, key.content_id, key.attempt_id)
    )
    for key, one in zip(keys, differences, strict=True):
        for state, rows in ((one.before, before), (one.after, after)):
            assert (state is None) == (key not in rows)
            if state is not None:
                row, versions = rows[key]
                assert state.content_hash == row.version.content_hash
                assert (state.total_score, state.received_at, state.versions) == (
                    row.total_score,
                    row.received_at,
                    versions,
                )


def test_attempts_that_only_the_ticket_has_are_gone(tmp_path: Path) -> None:
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, FIRST[:3])
    ticket, _ = with_ticket(stores, SPECS[0])
    stores.hot.delete([FIRST[0].row_key])

    with compared(stores, ticket, "latest", NOW) as found:
        assert [(one.change, one.before and one.before.key) for one in found] == [(Change.GONE, FIRST[0].key)]


def test_two_tickets_of_the_same_batches_are_compared_within_the_filters_of_the_first(aged: Aged) -> None:
    stores, first = aged.stores, aged.of_one_learner
    second, _ = with_ticket(stores, SPECS[0])

    with compared(stores, first, second, NOW) as found:
        assert [one.row()["user_id"] for one in found] == ["u1"]
    keep(stores.hot, [version(batch_id="b2")])
    archive(stores.hot.slices(), stores, NOW)
    other, _ = with_ticket(stores, asked("b2", Report.SCORE))
    with pytest.raises(BadTicket, match="different batches"), compared(stores, first, other, NOW):
        pass


def test_a_report_with_names_gets_no_ticket_because_names_change(stores: Stores, tmp_path: Path) -> None:
    keep(stores.hot, FIRST)
    file = tmp_path / "names.csv"
    file.write_text("kind,id,name\nbatch,b1,Class 7\n")
    named = stores._replace(names=FileNames(file))

    with pytest.raises(BadReport, match="names: a ticket does not keep names"):
        write_exhaust(named, SPECS[0], ticket=WISH)
    assert write_exhaust(named, structs.replace(SPECS[0], names=Naming.NONE), ticket=WISH).sidecar.ticket is not None
