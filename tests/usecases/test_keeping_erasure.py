"""Erasing learners of whom the lake keeps scores: nothing of them stays, and all other scores are proved."""

import threading
from pathlib import Path
from typing import Any

import pytest

from assess_core.adapters.dagster.storage import DagsterStorage
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.erasing import Mentions, Order
from assess_core.domain.manifest import broken
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.erasures import Besides
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import verify
from assess_core.usecases.dropping import drop
from assess_core.usecases.erasing import are_in, erase, remembered
from assess_core.usecases.erasure_check import find
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.restoring import begin_rebuild, rebuild
from assess_core.usecases.sealing import NewTicket
from assess_core.usecases.tickets import reprint
from tests.erasures import KEY, Ring, order_to_erase
from tests.factories import WEEK, event
from tests.lakes import Prepared, asked
from tests.loop import NOW, put_away, take

pytestmark = pytest.mark.xdist_group("keeping and erasing")  # one worker makes the stores, once

W5 = ArchiveSlice.parse("b1|2024-W05")
SECRET = "learner-4f1c9a"
BESIDES = Besides(MemoryRequests(), DagsterStorage(Path("/nonexistent")))
ORDER = Order("a director", "asked for it", NOW)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    def prepare(stores: Stores) -> None:
        take(stores, event(), event(user="u2", attempt="t2"), event(user=SECRET, attempt="t3"))
        put_away(stores)

    return Prepared(tmp_path_factory.mktemp("prepared"), prepare)


@pytest.fixture
def stores(prepared: Prepared, tmp_path: Path) -> Stores:
    """Three learners of one slice that the lake has with answers, and nowhere else."""
    return prepared.copy(tmp_path)._replace(keys=Ring())


@pytest.fixture(scope="module")
def prepared_kept(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Prepared:
    return prepared.then(tmp_path_factory.mktemp("prepared"), keep_scores)


@pytest.fixture
def kept(prepared_kept: Prepared, tmp_path: Path) -> Stores:
    """The stores of `stores`, after a drop of week 5 that kept its scores."""
    return prepared_kept.copy(tmp_path)._replace(keys=Ring())


def keep_scores(stores: Stores) -> None:
    assert drop([W5], stores, NOW, keeping=[W5])[W5].refused is None


def traces(stores: Stores) -> list[str]:
    mentions = Mentions([SECRET])
    return [name for name, texts in stores.lake.traces.texts() if are_in(texts, mentions)]


def kept_rows(stores: Stores) -> int:
    return sum(file.rows for file in stores.lake.pin_scores().files())


def sound(stores: Stores) -> bool:
    return broken(stores.lake.manifest()) == {} and verify([W5], stores, NOW)[W5].problem is None


def test_an_erased_learner_leaves_the_kept_scores(kept: Stores) -> None:
    receipt = erase(kept, BESIDES, [SECRET], ORDER)

    assert (kept_rows(kept), traces(kept), sound(kept)) == (2, [], True)
    places = {place.name: (place.before, place.after) for place in receipt.places}
    assert places["lake: kept scores"] == (1, 0)
    assert (receipt.slices, any("lake/scores/" in file.name for file in receipt.files_before)) == ({str(W5): 1}, True)
    assert list(find(kept, BESIDES, receipt, [SECRET], lambda _: None)) == []


@pytest.mark.long
def test_an_erasure_that_is_killed_is_completed_by_the_next_one(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> int:
        raise StoreUnavailable("killed")

    keep_scores(stores)
    with monkeypatch.context() as patched:
        patched.setattr(stores.lake, "replace_scores", killed)
        with pytest.raises(StoreUnavailable):
            erase(stores, BESIDES, [SECRET], ORDER)
    assert "scores of erased learners are in the lake" in (verify([W5], stores, NOW)[W5].problem or "")

    erase(stores, BESIDES, [SECRET], ORDER)

    assert (kept_rows(stores), traces(stores), sound(stores)) == (2, [], True)


@pytest.mark.long
@pytest.mark.parametrize("step", ["replace_scores", "replace"])
def test_a_drop_that_runs_beside_an_erasure_brings_no_score_back(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write = getattr(stores.lake, step)

    def erased_meanwhile(*args: object) -> object:
        monkeypatch.undo()
        erase(stores, BESIDES, [SECRET], ORDER)
        return write(*args)

    monkeypatch.setattr(stores.lake, step, erased_meanwhile)
    keep_scores(stores)

    assert (kept_rows(stores), sound(stores)) == (2, True)
    assert stores.lake.traces.stored([SECRET]) == []


def test_a_learner_of_a_restored_backup_is_found(kept: Stores) -> None:
    kept.keys.create()
    order_to_erase(kept.hot, SECRET, key=KEY)

    assert remembered(kept) == {SECRET}


@pytest.mark.long
def test_a_rebuild_does_not_bring_an_erased_learner_back(kept: Stores) -> None:
    kept.keys.create()
    order_to_erase(kept.hot, SECRET, key=KEY)
    lost = kept._replace(hot=MemoryHot())
    order_to_erase(lost.hot, SECRET, key=KEY)
    for week in begin_rebuild(lost):
        rebuild(week, lost)

    assert sorted(user for user, _ in lost.hot.all_learners()) == ["u1", "u2"]


@pytest.mark.long
def test_a_ticket_prints_a_report_of_kept_scores_without_the_learner(kept: Stores) -> None:
    written = write_exhaust(kept, asked("b1", Report.SUMMARY), ticket=NewTicket(WEEK, lambda: NOW))
    erase(kept, BESIDES, [SECRET], ORDER)

    again = reprint(kept, written.sidecar.ticket or "", NOW)

    assert (written.rows, again.written.rows) == (3, 2)
    assert "learners were erased" in (again.difference or "")
    assert traces(kept) == []


@pytest.mark.long
def test_a_drop_that_read_the_week_before_the_erasure_rewrote_it_brings_no_score_back(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, read, erased = stores.lake, threading.Event(), threading.Event()
    rewritten, replace_scores = lake.rewritten, lake.replace_scores
    dropping = threading.Thread(target=keep_scores, args=[stores])

    def when_erased(*args: Any) -> int:
        read.set()
        erased.wait(60)
        return replace_scores(*args)

    def when_read(*args: Any, **more: Any) -> object:
        monkeypatch.setattr(lake, "rewritten", rewritten)
        dropping.start()
        read.wait(60)
        return rewritten(*args, **more)

    monkeypatch.setattr(lake, "replace_scores", when_erased)
    monkeypatch.setattr(lake, "rewritten", when_read)
    erase(stores, BESIDES, [SECRET], ORDER)
    erased.set()
    dropping.join()

    assert (kept_rows(stores), lake.traces.stored([SECRET]), sound(stores)) == (2, [], True)
