"""Records of decisions that mention an erased learner: what leaves the register, and what stays in force."""

import pytest

from assess_core.domain.holds import Target
from assess_core.domain.register import Kind
from assess_core.errors import HoldInForce
from assess_core.ports.stores import Stores
from assess_core.usecases.erasing import erase
from assess_core.usecases.holds import add_hold, read_holds, release_hold
from tests.factories import event
from tests.loop import take
from tests.usecases.test_erasing import BESIDES, NOW, ORDER, SECRET


def test_a_hold_in_force_that_mentions_the_learner_stops_an_erasure(stores: Stores) -> None:
    take(stores, event(user=SECRET))
    hold = add_hold(stores, Target.BATCH, "another batch", "an office", f"complaint of {SECRET}", NOW - 1)

    with pytest.raises(HoldInForce, match=hold.id):
        erase(stores, BESIDES, [SECRET], ORDER)

    assert [one.id for one in read_holds(stores.hot, NOW)] == [hold.id]


def test_a_hold_stays_released_although_its_release_mentions_the_learner(stores: Stores) -> None:
    hold = add_hold(stores, Target.BATCH, "b7", "an office", "case 12", NOW - 2)
    release_hold(stores, hold.id, "an office", f"as {SECRET} asked", NOW - 1)

    erase(stores, BESIDES, [SECRET], ORDER)

    assert read_holds(stores.hot, NOW) == []
    for register in (stores.hot.register, stores.lake.register):
        assert not any(SECRET in str(record) for kind in Kind for record in register.all(kind))


@pytest.mark.parametrize("user", ["batch", "reason", "null"])
def test_a_learner_whose_id_is_a_word_of_json_takes_no_record_along(stores: Stores, user: str) -> None:
    hold = add_hold(stores, Target.BATCH, "b7", "an office", "case 12", NOW - 2)

    erase(stores, BESIDES, [user], ORDER)

    assert [one.id for one in read_holds(stores.hot, NOW)] == [hold.id]
