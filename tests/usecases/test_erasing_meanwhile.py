"""What runs beside an erasure, or after a killed one, does not bring the learner back: reports, tickets, repairs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assess_core.adapters.duckdb.ledger import open_ledger
from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.adapters.files.erasure_keys import KeyFile
from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.correction_records import decision
from assess_core.domain.corrections import Correction, Drop
from assess_core.domain.report_formats import Format, Password
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.errors import BadSettings, ErasureRefused, ReportFailed
from assess_core.ports.facts import NoFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.applying import apply
from assess_core.usecases.balance import balance
from assess_core.usecases.correcting import NamedCorrection
from assess_core.usecases.erasing import Step, erase
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.folding import Checks
from assess_core.usecases.repairing import repair
from assess_core.usecases.sealing import NewTicket, drafted
from tests.balances import lose
from tests.erasures import users
from tests.factories import RECEIVED, WEEK, event, line
from tests.properties.tables import rows
from tests.usecases.test_erasing import BESIDES, NOW, ORDER, SECRET, take, traces

SCORES = ReportSpec(report=Report.SCORE, batches=("b1",))


@pytest.mark.parametrize("step", list(Step))
def test_an_encrypted_report_goes_although_the_erasure_was_killed(stores: Stores, step: Step) -> None:
    def die(reached: Step) -> None:
        if reached is step:
            raise KeyboardInterrupt

    take(stores, SECRET, "u1")
    zipped = msgspec.structs.replace(SCORES, format=Format.ZIP)
    report = write_exhaust(stores, zipped, password=Password("correct horse battery"))

    with pytest.raises(KeyboardInterrupt):
        erase(stores, BESIDES, [SECRET], ORDER, reached=die)
    erase(stores, BESIDES, [SECRET], ORDER)

    assert not Path(report.path).exists()
    assert not Path(f"{report.path}.json").exists()


def test_a_report_that_read_the_learner_before_an_erasure_does_not_appear_after_it(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, SECRET, "u1")
    real = DuckUnion.write_report
    with monkeypatch.context() as patched:

        def late(*arguments: Any) -> object:
            patched.setattr(DuckUnion, "write_report", real)
            erase(stores, BESIDES, [SECRET], ORDER)
            return real(*arguments)

        patched.setattr(DuckUnion, "write_report", late)
        with pytest.raises(ReportFailed, match="write it again"):
            write_exhaust(stores, SCORES)

    assert list(stores.exhausts.texts()) == []
    assert SECRET not in Path(write_exhaust(stores, SCORES).path).read_text()


def test_nothing_is_written_with_a_ring_of_keys_that_cannot_be_read(stores: Stores, tmp_path: Path) -> None:
    take(stores, SECRET, "u1")
    (tmp_path / "ring").write_text("no keys")

    with pytest.raises(BadSettings, match="is not a ring of keys"):
        write_exhaust(stores._replace(keys=KeyFile(tmp_path / "ring")), SCORES)

    assert list(stores.exhausts.texts()) == []


def test_an_erasure_ends_without_a_receipt_while_a_ticket_is_written_that_began_after_its_order(
    stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, SECRET, "u1")

    @contextmanager
    def report() -> Iterator[None]:
        with drafted(stores.lake.tickets, SCORES, NewTicket(WEEK, lambda: NOW)):
            yield

    writing = report()

    def begin(reached: Step) -> None:
        if reached is Step.ORDERED:
            writing.__enter__()

    with pytest.raises(ErasureRefused, match="is being written"):
        erase(stores, BESIDES, [SECRET], ORDER, reached=begin)
    [ticket] = stores.lake.tickets.all()
    stores.lake.tickets.delete(ticket.id)

    erase(stores, BESIDES, [SECRET], ORDER)
    assert traces(stores, settings) == []


@pytest.mark.parametrize("hidden", [False, True], ids=["to the hot store", "to the lake"])
def test_a_repair_that_began_before_an_erasure_does_not_write_the_learner(
    stores: Stores, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: bool
) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(
        b"\n".join(line(event(user=user, batch="b1", attempt="t0"), RECEIVED + WEEK) for user in (SECRET, "u1")) + b"\n"
    )
    take(stores, SECRET, "u1")  # a week before
    lose(stores.hot, rows(stores.hot))
    if hidden:
        monkeypatch.setattr(type(stores.hot), "get", lambda hot, keys: [])  # as Cassandra hides rows after a deletion

    with open_ledger() as ledger:
        balance(stores, ledger, wait=lambda seconds: None)
        erase(stores, BESIDES, [SECRET], ORDER)
        checks = Checks(NoFacts(), keys=stores.keys)
        done = list(repair(read_files(find([str(log)], print), print), stores, ledger, checks, NOW, MemoryHot))

    assert sum(each.rewritten for each in done) == 1, "only the row of the other learner"
    assert users(stores.hot.all_learners()) == ["u1"]
    assert SECRET not in {row.key.user_id for row in rows(stores.hot)}
    assert traces(stores, settings) == []


@pytest.mark.parametrize("write", ["put_summaries", "put_activities"])
def test_scores_that_a_correction_writes_beside_an_erasure_do_not_stay(
    stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    take(stores, SECRET, "u1")
    real = getattr(type(stores.hot), write)
    with monkeypatch.context() as patched:

        def late(*arguments: Any) -> object:
            patched.setattr(type(stores.hot), write, real)
            erase(stores, BESIDES, [SECRET], ORDER)
            return real(*arguments)

        patched.setattr(type(stores.hot), write, late)
        decided = decision("an office", "two options were right", NOW - 1)
        apply(stores, NamedCorrection("rule.json", Correction("a1", "q1", Drop())), decided)

    assert users(stores.hot.all_learners()) == ["u1"]
    assert {activity.key.user_id for activity in stores.hot.all_activities()} == {"u1"}
    stores.hot.scrub()
    assert traces(stores, settings) == []


def test_a_report_that_a_worker_deletes_beside_an_erasure_does_not_stop_it(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, SECRET, "u1")
    report = Path(write_exhaust(stores, SCORES).path)
    real = type(stores.exhausts).read

    def gone(exhausts: Any, name: str) -> Any:
        report.unlink(missing_ok=True)
        return real(exhausts, name)

    monkeypatch.setattr(type(stores.exhausts), "read", gone)

    assert erase(stores, BESIDES, [SECRET], ORDER).slices == {}
