"""A hold stops the erasure of a learner before anything is deleted; a released one does not."""

import threading
import time
from typing import Any

import pytest

from assess_core.adapters.files.erasure_keys import KeyFile
from assess_core.domain.erasing import beginnings
from assess_core.domain.holds import Target
from assess_core.domain.register import Kind
from assess_core.errors import BadHold, HoldInForce
from assess_core.ports.stores import Stores
from assess_core.usecases import registering
from assess_core.usecases.erasing import count, erase
from assess_core.usecases.holds import add_hold, read_holds, release_hold
from assess_core.usecases.registering import Copied, agree
from tests.erasures import KEY
from tests.factories import event
from tests.loop import put_away, take
from tests.usecases.test_erasing import BESIDES, NOW, ORDER

BY = ("examinations office", "case 12")


@pytest.mark.parametrize(
    ("target", "of"), [(Target.LEARNER, "u1"), (Target.BATCH, "b1"), (Target.ASSESSMENT, "a1")], ids=str
)
def test_a_hold_stops_an_erasure_until_it_is_released(stores: Stores, target: Target, of: str) -> None:
    take(stores, event(user="u1", batch="b1", assessment="a1"))
    put_away(stores)
    hold = add_hold(stores, target, of, *BY, NOW - 1)

    for attempt in (lambda: count(stores, ["u1"], ORDER), lambda: erase(stores, BESIDES, ["u1"], ORDER)):
        with pytest.raises(HoldInForce, match=f"hold {hold.id} on {target}"):
            attempt()
    assert stores.hot.register.all(Kind.ERASURE) == []
    assert list(stores.hot.learners(["u1"])) == ["u1"]

    release_hold(stores, hold.id, *BY, NOW)
    erase(stores, BESIDES, ["u1"], ORDER)

    assert stores.hot.learners(["u1"]) == {}


@pytest.mark.parametrize(
    ("target", "of"), [(Target.LEARNER, "u1"), (Target.BATCH, "b1"), (Target.ASSESSMENT, "a1")], ids=str
)
def test_a_hold_that_is_entered_while_an_erasure_begins_stops_it(
    stores: Stores, target: Target, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(stores, event(user="u1", batch="b1", assessment="a1"))
    create = KeyFile.create

    def meanwhile(ring: KeyFile) -> tuple[str, ...]:
        add_hold(stores, target, of, *BY, NOW - 1)
        return create(ring)

    monkeypatch.setattr(KeyFile, "create", meanwhile)

    with pytest.raises(HoldInForce, match=f"on {target}"):
        erase(stores, BESIDES, ["u1"], ORDER)

    assert [*stores.hot.register.all(Kind.ERASURE), *stores.hot.register.all(Kind.ERASURE_BEGUN)] == []
    assert list(stores.hot.learners(["u1"])) == ["u1"]


def test_a_hold_waits_for_the_order_of_an_erasure_that_has_begun(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The erasure read the holds before it."""
    take(stores, event(user="u1"))
    refused: list[BadHold] = []

    def hold() -> None:
        with pytest.raises(BadHold, match="the learner is erased") as error:
            add_hold(stores, Target.LEARNER, "u1", *BY, NOW - 1)
        refused.append(error.value)

    holding = threading.Thread(target=hold)
    enter = registering.enter

    def meanwhile(*arguments: Any) -> None:
        holding.start()
        time.sleep(0.1)
        assert holding.is_alive()
        enter(*arguments)

    monkeypatch.setattr("assess_core.usecases.erasing.enter", meanwhile)
    erase(stores, BESIDES, ["u1"], ORDER)
    holding.join()

    assert len(refused) == 1
    assert stores.hot.register.all(Kind.HOLD) == stores.lake.register.all(Kind.HOLD) == []


def test_a_hold_does_not_wait_for_an_erasure_that_was_killed_before_its_order(stores: Stores) -> None:
    killed = beginnings(KEY, ["u1"], NOW - 61_000)
    stores.hot.register.add(killed)

    hold = add_hold(stores, Target.LEARNER, "u1", *BY, NOW)

    assert read_holds(stores.hot, NOW) == [hold]
    assert agree(stores.hot, stores.lake, stores.keys) == Copied(0, 0)


def test_a_hold_on_somebody_else_does_not_stop_an_erasure(stores: Stores) -> None:
    take(stores, event(user="u1", batch="b1"), event(user="u2", batch="b2", assessment="a2"))
    add_hold(stores, Target.LEARNER, "u2", *BY, NOW - 1)
    add_hold(stores, Target.BATCH, "b2", *BY, NOW - 1)
    add_hold(stores, Target.ASSESSMENT, "a2", *BY, NOW - 1)

    erase(stores, BESIDES, ["u1"], ORDER)

    assert list(stores.hot.learners(["u1", "u2"])) == ["u2"]
