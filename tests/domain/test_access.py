"""Who may do what: the rights of each role, and what an empty id means."""

from itertools import product
from typing import Any

import pytest

from assess_core.domain.access import LOCAL, RIGHTS, Action, Caller, Resource, Role, denial_of, denial_of_report

EVERYTHING = Resource()
WITHOUT_TOKEN = (Action.PROBE, Action.DOWNLOAD, Action.SIGN_IN)


def caller(*roles: Role, id: str = "u1", **more: Any) -> Caller:
    return Caller(id, frozenset(roles))._replace(**more)


def test_every_action_that_needs_a_token_has_rights() -> None:
    assert set(RIGHTS) == set(Action) - set(WITHOUT_TOKEN)


@pytest.mark.parametrize("action", [one for one in Action if one not in WITHOUT_TOKEN])
def test_a_client_without_a_token_is_asked_for_one(action: Action) -> None:
    denial = denial_of(None, action, Resource("u1", "b1", "c1"))
    assert denial is not None
    assert denial.needs_token


@pytest.mark.parametrize("action", Action)
def test_an_operator_and_the_caller_of_this_machine_may_do_everything(action: Action) -> None:
    for who in (LOCAL, caller(Role.OPERATOR)):
        assert denial_of(who, action, EVERYTHING) is None


@pytest.mark.parametrize("action", [one for one in Action if one not in (*WITHOUT_TOKEN, Action.DESCRIBE)])
def test_a_caller_without_roles_may_do_nothing(action: Action) -> None:
    who = caller(batches=frozenset({"b1"}), courses=frozenset({"c1"}))
    denial = denial_of(who, action, Resource("u1", "b1", "c1"))
    assert denial is not None
    assert not denial.needs_token


@pytest.mark.parametrize(("role", "action"), list(product(Role, Action)))
def test_an_empty_id_is_never_a_caller_s_own_or_granted(role: Role, action: Action) -> None:
    empty = caller(role, id="", batches=frozenset({""}), courses=frozenset({""}))
    full = caller(role, batches=frozenset({"b1"}), courses=frozenset({"c1"}))
    assert (denial_of(empty, action, EVERYTHING) is None) == (denial_of(full, action, EVERYTHING) is None)


def test_ids_are_compared_exactly() -> None:
    who = caller(Role.MENTOR, batches=frozenset({"b1"}))
    for resource in (Resource("U1"), Resource("u1 "), Resource("", "B1"), Resource("", "b1 "), Resource("", "", "b1")):
        assert denial_of(who, Action.READ_SCORES, resource) is not None


def test_who_acts_for_a_managed_learner_has_that_learner_s_rows_and_not_its_own() -> None:
    who = caller(Role.LEARNER, requested_for="kid")
    assert denial_of(who, Action.WRITE_ATTEMPTS, Resource("kid")) is None
    assert denial_of(who, Action.WRITE_ATTEMPTS, Resource("u1")) is not None


def test_a_grant_never_allows_writing() -> None:
    who = caller(Role.MENTOR, batches=frozenset({"b1"}), courses=frozenset({"c1"}))
    assert denial_of(who, Action.WRITE_ATTEMPTS, Resource("u2", "b1", "c1")) is not None


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_only_operators_see_names_of_learners_in_reports(role: Role) -> None:
    who = caller(role, batches=frozenset({"b1"}), courses=frozenset({"c1"}))
    assert denial_of(who, Action.NAME_LEARNERS, Resource("u1", "b1", "c1")) is not None


@pytest.mark.parametrize(
    ("batches", "course", "is_allowed"),
    [
        (("b1",), "", True),
        (("b1", "b3"), "", True),
        (("b1", "b2"), "", False),
        (("b2",), "c1", True),
        (("b1", "b2"), "c2", False),
        (("b2",), "", False),
    ],
)
def test_a_mentor_gets_a_report_only_if_every_batch_or_the_course_of_all_rows_is_granted(
    batches: tuple[str, ...], course: str, is_allowed: bool
) -> None:
    who = caller(Role.MENTOR, batches=frozenset({"b1", "b3"}), courses=frozenset({"c1"}))
    denial = denial_of_report(who, batches, course)
    assert (denial is None) == is_allowed
    assert denial is None or "batch 'b2'" in denial.message
    for role in (Role.LEARNER, Role.AUDITOR):
        assert denial_of_report(who._replace(roles=frozenset({role})), batches, course) is not None
    assert denial_of_report(caller(Role.OPERATOR), batches, course) is None


def test_a_refused_report_names_few_batches_however_many_and_long_they_are() -> None:
    denial = denial_of_report(caller(Role.MENTOR), ["x" * 1000, *map(str, range(900))])
    assert denial is not None
    assert "and 900 more" in denial.message
    assert len(denial.message) < 300


def test_a_mentor_manages_its_own_requests_only() -> None:
    who = caller(Role.MENTOR, batches=frozenset({"b1"}))
    assert denial_of(who, Action.MANAGE_REQUESTS, Resource("u1")) is None
    for resource in (Resource("u2"), Resource("u2", "b1"), EVERYTHING):
        assert denial_of(who, Action.MANAGE_REQUESTS, resource) is not None
