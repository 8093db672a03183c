"""Records of decisions that mention an erased learner: what leaves the register, and what stays in force."""

import pytest

from assess_core.domain.correction_records import decision
from assess_core.domain.corrections import Correction, Drop
from assess_core.domain.erasing import Order, orders
from assess_core.domain.holds import Target
from assess_core.domain.register import Kind
from assess_core.errors import BadHold, HoldInForce
from assess_core.ports.stores import Stores
from assess_core.usecases.applying import apply
from assess_core.usecases.correcting import NamedCorrection
from assess_core.usecases.corrections_in_force import corrections_in_force
from assess_core.usecases.erasing import erase
from assess_core.usecases.holds import add_hold, read_holds, release_hold
from assess_core.usecases.registering import Copied, agree, enter
from tests.factories import event
from tests.loop import take
from tests.usecases.test_erasing import BESIDES, NOW, ORDER, SECRET
from tests.usecases.test_erasing import take as fold_of


def mentioned(stores: Stores) -> list[str]:
    registers = (stores.hot.register, stores.lake.register)
    return [record.id for of in registers for kind in Kind for record in of.all(kind) if SECRET in str(record)]


def test_a_hold_stays_in_force_although_its_reason_mentions_the_learner(stores: Stores) -> None:
    hold = add_hold(stores, Target.BATCH, "another batch", "an office", f"complaint of {SECRET}", NOW - 1)

    receipt = erase(stores, BESIDES, [SECRET], ORDER)

    assert mentioned(stores) == []
    [kept] = read_holds(stores.hot, NOW)
    assert (kept.id, kept.by, kept.reason) == (hold.id, "an office", "(it named a learner who was erased)")
    assert [place.before for place in receipt.places if place.name == "register"] == [1]


def test_a_hold_on_a_batch_with_the_id_of_the_learner_stops_an_erasure(stores: Stores) -> None:
    hold = add_hold(stores, Target.BATCH, SECRET, "an office", "case 12", NOW - 1)

    with pytest.raises(HoldInForce, match=hold.id):
        erase(stores, BESIDES, [SECRET], ORDER)


def test_a_correction_stays_in_force_although_its_reason_mentions_the_learner(stores: Stores) -> None:
    take(stores, event(user=SECRET), event(user="u2"))
    decided = decision(f"an office, for {SECRET}", "two options were right", NOW - 1)
    apply(stores, NamedCorrection("rule.json", Correction("a1", "q1", Drop())), decided)
    before = stores.hot.learners(["u2"])["u2"].summaries

    erase(stores, BESIDES, [SECRET], ORDER)

    assert mentioned(stores) == []
    assert agree(stores.hot, stores.lake, stores.keys) == Copied(0, 0)
    assert len(corrections_in_force(stores.hot.register)) == 1
    assert stores.hot.learners(["u2"])["u2"].summaries == before


def test_an_order_stays_in_force_although_its_reason_mentions_a_learner_erased_later(stores: Stores) -> None:
    erase(stores, BESIDES, ["u2"], Order("an office", f"the sister of {SECRET}", NOW))

    erase(stores, BESIDES, [SECRET], ORDER)

    assert mentioned(stores) == []
    assert fold_of(stores, "u2", SECRET) == 0


def test_a_hold_stays_released_although_its_release_mentions_the_learner(stores: Stores) -> None:
    hold = add_hold(stores, Target.BATCH, "b7", "an office", "case 12", NOW - 2)
    release_hold(stores, hold.id, "an office", f"as {SECRET} asked", NOW - 1)

    erase(stores, BESIDES, [SECRET], ORDER)

    assert read_holds(stores.hot, NOW) == []
    assert mentioned(stores) == []


@pytest.mark.parametrize("user", ["batch", "reason", "null"])
def test_a_learner_whose_id_is_a_word_of_json_takes_no_record_along(stores: Stores, user: str) -> None:
    hold = add_hold(stores, Target.BATCH, "b7", "an office", "case 12", NOW - 2)

    erase(stores, BESIDES, [user], ORDER)

    assert [one.id for one in read_holds(stores.hot, NOW)] == [hold.id]


@pytest.mark.parametrize("removed_first", ["hot", "lake"])
def test_tiers_that_agree_during_an_erasure_do_not_bring_a_hold_on_the_learner_back(
    stores: Stores, removed_first: str
) -> None:
    hold = add_hold(stores, Target.LEARNER, SECRET, "an office", "case 12", NOW - 2)
    release_hold(stores, hold.id, "an office", "closed", NOW - 1)
    key = stores.keys.create()[0]
    enter(stores.hot, stores.lake, orders(key, [SECRET], ORDER))
    register = getattr(stores, removed_first).register
    register.remove([*register.all(Kind.HOLD), *register.all(Kind.RELEASE)])  # and then the other tier

    assert agree(stores.hot, stores.lake, stores.keys) == Copied(0, 0)


def test_a_hold_on_an_erased_learner_is_refused_and_stores_no_id(stores: Stores) -> None:
    erase(stores, BESIDES, [SECRET], ORDER)

    with pytest.raises(BadHold, match="is erased"):
        add_hold(stores, Target.LEARNER, SECRET, "an office", "case 12", NOW)

    assert mentioned(stores) == []
