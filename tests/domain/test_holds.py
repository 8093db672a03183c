"""Holds: which are in force, and what each protects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.holds import (
    Hold,
    Target,
    hold_record,
    hold_states,
    holds_in_force,
    new_hold,
    release_record,
    stopping,
)
from assess_core.domain.register import Kind, Record
from assess_core.errors import BadHold
from tests.factories import MONDAY, WEEK

NOW = MONDAY + WEEK


def hold(target: Target = Target.BATCH, of: str = "b1", until: int | None = None) -> Hold:
    return new_hold(target, of, "examinations office", "case 12", MONDAY, until)


def test_a_hold_is_in_force_until_it_is_released() -> None:
    held, other = hold(), hold(of="b2")
    records = [hold_record(held), hold_record(other)]

    assert set(holds_in_force(records, [], NOW)) == {held, other}
    assert holds_in_force(records, [release_record(held, "auditor", "closed", NOW)], NOW) == [other]


def test_a_hold_ends_at_its_last_moment() -> None:
    held = hold(until=NOW)

    assert holds_in_force([hold_record(held)], [], NOW - 1) == [held]
    assert holds_in_force([hold_record(held)], [], NOW) == []
    assert [state.status(NOW) for state in hold_states([hold_record(held)], [])] == ["over"]


def test_the_release_of_a_hold_on_a_batch_does_not_end_one_on_a_learner_with_the_same_id() -> None:
    batch, learner = hold(Target.BATCH, "x"), hold(Target.LEARNER, "x")

    ended = [release_record(batch, "auditor", "closed", NOW)]

    assert holds_in_force([hold_record(batch), hold_record(learner)], ended, NOW) == [learner]


@given(st.permutations([(Target.BATCH, "b1"), (Target.LEARNER, "u1"), (Target.ASSESSMENT, "a1"), (Target.BATCH, "b2")]))
def test_what_is_in_force_does_not_depend_on_the_order_of_the_records(named: list[tuple[Target, str]]) -> None:
    holds = [hold(target, of) for target, of in named]
    ended = [release_record(held, "auditor", "closed", NOW) for held in holds if held.of == "b2"]

    found = holds_in_force(map(hold_record, holds), ended, NOW)

    assert {held.of for held in found} == {"b1", "u1", "a1"}
    assert found == sorted(found, key=lambda held: (held.at, held.id))


@pytest.mark.parametrize("target", list(Target))
def test_a_hold_protects_what_it_names_and_nothing_else_with_that_id(target: Target) -> None:
    held = hold(target, "x")
    named = {Target.BATCH: "batches", Target.LEARNER: "learners", Target.ASSESSMENT: "assessments"}

    for each, argument in named.items():
        assert stopping([held], **{argument: ["x"]}) == ([held] if each is target else [])
        assert stopping([held], **{argument: ["y"]}) == []


def test_a_hold_says_who_decided_it_and_why() -> None:
    assert str(hold(until=NOW)).endswith(
        "on batch 'b1' (by examinations office: case 12, until 2024-02-05T00:00:00.000Z)"
    )


@pytest.mark.parametrize(
    ("of", "by", "reason", "until", "message"),
    [
        ("", "A", "r", None, "batch: '' is no id"),
        ("x" * 1025, "A", "r", None, "is no id"),
        ("\ud800", "A", "r", None, "is no id"),
        ("b1", " ", "r", None, "--by: write a text"),
        ("b1", "A", "", None, "--reason: write a text"),
        ("b1", "A", "r" * 1001, None, "--reason: write a text"),
        ("b1", "A\udcff", "r", None, "--by: write a text"),
        ("b1", "A", "r\x1b[2J", None, "--reason: write a text"),
        ("b1", "A\nassess: done", "r", None, "--by: write a text"),
        ("b1", "A", "r", MONDAY, "is not in the future"),
    ],
)
def test_a_hold_that_says_too_little_or_too_much_is_refused(
    of: str, by: str, reason: str, until: int | None, message: str
) -> None:
    with pytest.raises(BadHold, match=message):
        new_hold(Target.BATCH, of, by, reason, MONDAY, until)


@pytest.mark.parametrize("content", ["", "{}", "nonsense", '{"target": "school", "by": "A", "reason": "r", "at": 1}'])
def test_a_hold_that_cannot_be_read_is_never_ignored(content: str) -> None:
    with pytest.raises(BadHold, match="update this installation"):
        holds_in_force([Record(Kind.HOLD, "b1", "1", content)], [], NOW)


def test_a_reason_can_be_in_any_script() -> None:
    reason = "क्‍ष की शिकायत"  # with a zero-width joiner

    assert new_hold(Target.BATCH, "b1", "परीक्षा कार्यालय", reason, MONDAY).reason == reason
