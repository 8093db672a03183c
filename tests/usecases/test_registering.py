"""Decisions are in both tiers, and survive the loss of either."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from assess_core.adapters.lake.locations import Folder
from assess_core.domain.register import Kind, Record
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.compacting import vacuum
from assess_core.usecases.erasing import remembered
from assess_core.usecases.registering import Copied, agree, enter
from assess_core.usecases.restoring import begin_rebuild
from tests.loop import NOW

HELD, ERASED, CORRECTED = (Record(kind, "topic", "1", "{}") for kind in (Kind.HOLD, Kind.ERASURE, Kind.CORRECTION))


def test_a_decision_is_in_both_tiers_and_can_be_entered_again(stores: Stores) -> None:
    for _ in range(2):
        enter(stores.hot, stores.lake, [HELD, ERASED])

    for register in (stores.hot.register, stores.lake.register):
        assert register.all(Kind.HOLD) == [HELD]
        assert register.all(Kind.ERASURE) == [ERASED]


def test_of_processes_that_enter_the_same_decision_the_first_one_decides_its_text(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = (HELD._replace(content=content) for content in ('{"by": "me"}', '{"by": "another"}'))
    add = stores.lake.register.add

    def meanwhile(records: Sequence[Record]) -> None:
        monkeypatch.undo()
        add(records)
        stores.hot.register.add([theirs])  # the other one found nothing in the lake before

    monkeypatch.setattr(stores.lake.register, "add", meanwhile)
    enter(stores.hot, stores.lake, [mine])

    assert stores.hot.register.all(Kind.HOLD) == stores.lake.register.all(Kind.HOLD) == [theirs]


def test_a_decision_that_a_killed_process_left_in_the_lake_keeps_its_text(stores: Stores) -> None:
    stores.lake.register.add([HELD])

    enter(stores.hot, stores.lake, [HELD._replace(content='{"by": "another"}')])

    assert stores.hot.register.all(Kind.HOLD) == stores.lake.register.all(Kind.HOLD) == [HELD]


def test_what_one_tier_lost_comes_back_from_the_other(stores: Stores) -> None:
    enter(stores.hot, stores.lake, [HELD])
    stores.lake.register.add([ERASED])
    stores.hot.register.add([CORRECTED])

    assert agree(stores.hot, stores.lake, stores.keys) == Copied(into_hot=1, into_lake=1)
    assert agree(stores.hot, stores.lake, stores.keys) == Copied(0, 0)

    for register in (stores.hot.register, stores.lake.register):
        assert [record for kind in Kind for record in register.all(kind)] == [CORRECTED, ERASED, HELD]


def test_a_decision_that_both_tiers_have_is_not_read_from_the_lake_again(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(stores.hot, stores.lake, [HELD, ERASED])
    stores.lake.register.add([CORRECTED])
    read: list[str] = []
    real = Folder.read

    def noted(place: Folder, name: str) -> bytes:
        read.append(name)
        return real(place, name)

    monkeypatch.setattr(Folder, "read", noted)

    assert agree(stores.hot, stores.lake, stores.keys) == Copied(into_hot=1, into_lake=0)

    assert read == [f"{CORRECTED.name}.json"]


@pytest.mark.parametrize("begin", [begin_rebuild, remembered])
def test_a_rebuild_and_a_search_for_erased_learners_first_bring_the_decisions_of_the_lake_into_force(
    stores: Stores, begin: Callable[[Stores], object]
) -> None:
    stores.lake.register.add([HELD, ERASED])

    begin(stores)

    assert [record for kind in Kind for record in stores.hot.register.all(kind)] == [ERASED, HELD]


def test_what_a_killed_writer_of_a_decision_left_is_deleted_after_an_hour(stores: Stores, settings: Settings) -> None:
    enter(stores.hot, stores.lake, [HELD])
    folder = Path(settings.lake) / "register" / "hold"
    before = sorted(folder.iterdir())
    old, young = (folder / f".exhaust-{name}.tmp" for name in ("old", "young"))
    for path, age in ((old, 3700), (young, 3500)):
        path.write_bytes(b"{")
        os.utime(path, (time.time() - age,) * 2)

    assert vacuum(stores.lake, NOW, dry_run=True).deleted == ["register/hold/.exhaust-old.tmp"]
    assert old.exists()
    assert vacuum(stores.lake, NOW).deleted == ["register/hold/.exhaust-old.tmp"]
    assert sorted(folder.iterdir()) == sorted([*before, young])
