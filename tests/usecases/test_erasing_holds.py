"""A hold stops the erasure of a learner before anything is deleted; a released one does not."""

import pytest

from assess_core.domain.holds import Target
from assess_core.domain.register import Kind
from assess_core.errors import HoldInForce
from assess_core.ports.stores import Stores
from assess_core.usecases.erasing import count, erase
from assess_core.usecases.holds import add_hold, release_hold
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


def test_a_hold_on_somebody_else_does_not_stop_an_erasure(stores: Stores) -> None:
    take(stores, event(user="u1", batch="b1"), event(user="u2", batch="b2", assessment="a2"))
    add_hold(stores, Target.LEARNER, "u2", *BY, NOW - 1)
    add_hold(stores, Target.BATCH, "b2", *BY, NOW - 1)
    add_hold(stores, Target.ASSESSMENT, "a2", *BY, NOW - 1)

    erase(stores, BESIDES, ["u1"], ORDER)

    assert list(stores.hot.learners(["u1", "u2"])) == ["u2"]
