"""Grants of a source: remembered for seconds, added to those of the token, and nothing if they cannot be read."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from assess_core.domain.access import Action, Caller, Granted, Resource, Role, denial_of, denial_of_report
from assess_core.errors import StoreUnavailable
from assess_core.ports.findings import Finding
from assess_core.usecases import granting as module
from assess_core.usecases.granting import AGE, Granting

MENTOR = Caller("m1", frozenset({Role.MENTOR}), batches=frozenset({"b1"}))


@dataclass
class Source:
    granted: dict[str, Granted] = field(default_factory=dict)
    away: bool = False
    asked: list[str] = field(default_factory=list)
    now: float = 0.0
    notices: list[str] = field(default_factory=list)

    def of(self, mentor: str) -> Granted:
        self.asked.append(mentor)
        if self.away:
            raise StoreUnavailable("secret-host does not answer; check it")
        return self.granted.get(mentor, Granted())

    def examine(self) -> Iterator[Finding]:
        yield from ()


def granting_of(source: Source) -> Granting:
    return Granting(source, source.notices.append, lambda: source.now)


def test_grants_of_the_source_are_added_to_those_of_the_token() -> None:
    granting = granting_of(Source({"m1": Granted(frozenset({"b2"}), frozenset({"c1"}))}))
    found = granting.granted(MENTOR)
    assert Granted(found.batches, found.courses) == Granted(frozenset({"b1", "b2"}), frozenset({"c1"}))


def test_only_mentors_are_looked_up_and_by_the_owner_of_the_token() -> None:
    source = Source({"m1": Granted(frozenset({"b2"})), "kid": Granted(frozenset({"b9"}))})
    granting = granting_of(source)
    for role in (Role.LEARNER, Role.AUDITOR, Role.OPERATOR):
        assert granting.granted(MENTOR._replace(roles=frozenset({role}))).batches == {"b1"}
    assert source.asked == []
    assert granting.granted(MENTOR._replace(requested_for="kid")).batches == {"b1", "b2"}


def test_an_answer_is_remembered_for_some_seconds_and_then_read_again() -> None:
    source = Source({"m1": Granted(frozenset({"b2"}))})
    granting = granting_of(source)
    assert granting.needs_source(MENTOR)
    granting.granted(MENTOR)
    source.granted.clear()
    source.now = AGE - 0.1
    assert not granting.needs_source(MENTOR)
    assert granting.granted(MENTOR).batches == {"b1", "b2"}
    source.now = AGE
    assert granting.granted(MENTOR).batches == {"b1"}
    assert source.asked == ["m1", "m1"]


def test_the_number_of_remembered_mentors_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    granting = granting_of(Source())
    mentors = [MENTOR._replace(id=f"m{number}") for number in range(5)]
    for mentor in mentors:
        granting.granted(mentor)
    assert [granting.needs_source(mentor) for mentor in mentors] == [True, True, False, False, False]


def test_a_source_that_cannot_be_read_allows_nothing_more_than_the_token() -> None:
    source = Source({"m1": Granted(frozenset({"b2"}))}, away=True)
    granting = granting_of(source)
    for _ in range(3):
        found = granting.granted(MENTOR)
        granting.granted(MENTOR._replace(id="m2"))
    assert denial_of(found, Action.READ_BATCH, Resource("", "b1")) is None
    assert denial_of(found, Action.READ_SCORES, Resource("m1")) is None
    for denial in (denial_of(found, Action.READ_BATCH, Resource("", "b2")), denial_of_report(found, ["b1", "b2"])):
        assert denial is not None
        assert (denial.status, denial.message) == (503, module.UNREADABLE)
    # what can never be granted is refused, and does not tell the client to try again
    denial = denial_of(found, Action.WRITE_ATTEMPTS, Resource("u2", "b2"))
    assert denial is not None
    assert denial.status == 403
    assert len(source.notices) == 1
    assert source.asked == ["m1", "m2"]
    source.away, source.now = False, AGE
    assert granting.granted(MENTOR).batches == {"b1", "b2"}
