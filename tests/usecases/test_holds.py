"""Holds are entered into both tiers, and found for learners through their scores."""

import pytest

from assess_core.domain.holds import Target
from assess_core.domain.register import Kind
from assess_core.domain.scores import Entry
from assess_core.errors import HoldInForce, UnknownHold
from assess_core.ports.stores import Stores
from assess_core.usecases.holds import add_hold, all_holds, holds_on_learners, read_holds, release_hold, require_no_hold
from tests.factories import MONDAY, version

BY = ("examinations office", "case 12", MONDAY)


def test_a_hold_and_its_release_are_in_both_tiers(stores: Stores) -> None:
    held = add_hold(stores, Target.BATCH, "b1", *BY)
    assert read_holds(stores.hot, MONDAY) == [held]

    for _ in range(2):
        assert release_hold(stores, held.id, "auditor", "closed", MONDAY + 1) == held

    assert read_holds(stores.hot, MONDAY + 2) == []
    assert [state.status(MONDAY + 2) for state in all_holds(stores.hot)] == ["released"]
    for register in (stores.hot.register, stores.lake.register):
        assert [len(register.all(kind)) for kind in (Kind.HOLD, Kind.RELEASE)] == [1, 1]


def test_a_hold_that_does_not_exist_cannot_be_released(stores: Stores) -> None:
    with pytest.raises(UnknownHold, match="assess hold list --all"):
        release_hold(stores, "nonsense", *BY)


@pytest.mark.parametrize(
    ("target", "of", "stopped"),
    [
        (Target.LEARNER, "u1", {"u1"}),
        (Target.BATCH, "b1", {"u1"}),
        (Target.ASSESSMENT, "a2", {"u2"}),
        (Target.ASSESSMENT, "a3", set()),
        (Target.BATCH, "u1", set()),
    ],
)
def test_a_hold_protects_the_learners_with_attempts_in_it(
    stores: Stores, target: Target, of: str, stopped: set[str]
) -> None:
    rows = [
        version(user_id="u1", batch_id="b1", content_id="a1"),
        version(user_id="u2", batch_id="b2", content_id="a2"),
    ]
    stores.hot.add_entries([Entry.of(row) for row in rows])
    add_hold(stores, target, of, *BY)

    assert set(holds_on_learners(stores.hot, ["u1", "u2", "nobody"], MONDAY)) == stopped


def test_what_a_hold_forbids_is_refused_with_who_and_why(stores: Stores) -> None:
    add_hold(stores, Target.LEARNER, "u1", *BY)

    with pytest.raises(HoldInForce, match=r"on learner 'u1' \(by examinations office: case 12\): nothing was done"):
        require_no_hold(stores.hot, ["u1", "u2"], MONDAY)
    require_no_hold(stores.hot, ["u2"], MONDAY)
