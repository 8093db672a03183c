"""The batches of a course, as the facts name them."""

from typing import Any

import pytest

from assess_core.adapters.files.facts import FactsBatch, JsonFacts
from assess_core.ports.stores import Stores
from graphql_api.app import create_app
from graphql_api.execution import Executed, Planned, plan
from tests.api.client import Http, client
from tests.factories import event
from tests.loop import queries, take

COURSES = {"b1": "c1", "b2": "c2", "b3": "c1", "b4": "c1"}
FACTS = JsonFacts(batches={batch: FactsBatch(course, 1) for batch, course in COURSES.items()})
BATCHES = """query ($course: ID = "c1", $first: Int = 20, $after: ID) {
  batches(courseId: $course, first: $first, after: $after) { batchId FIELDS } }"""


def ask(http: Http, fields: str = "", **variables: object) -> Any:
    return http.post("/graphql", json={"query": BATCHES.replace("FIELDS", fields), "variables": variables}).json()


def ids(answer: Any) -> list[str]:
    return [one["batchId"] for one in answer["data"]["batches"]]


def test_the_batches_of_a_course_come_in_pages_also_those_without_attempts(stores: Stores) -> None:
    take(stores, event(), event(batch="b2"), event(batch="b3"), event(batch="b3", attempt="t2"))
    with client(create_app(queries(stores), stores.log.intake(), FACTS)) as http:
        fields = "attemptsCount meanScore weeks { week } slices { id } attempts(first: 1) { edges { cursor } }"
        whole = ask(http, fields, first=3)
        assert "errors" not in whole
        assert [one["attemptsCount"] for one in whole["data"]["batches"]] == [1, 2, 0]
        assert [len(one["attempts"]["edges"]) for one in whole["data"]["batches"]] == [1, 1, 0]
        assert whole["data"]["batches"][2] == {
            "batchId": "b4", "attemptsCount": 0, "meanScore": None, "weeks": [], "slices": [],
            "attempts": {"edges": []},
        }  # fmt: skip
        assert ids(ask(http, first=2)) == ["b1", "b3"]
        assert ids(ask(http, first=2, after="b3")) == ["b4"]
        assert ids(ask(http, course="c9")) == []


def test_null_for_an_argument_with_a_default_is_the_default(stores: Stores) -> None:
    take(stores, event())
    with client(create_app(queries(stores), stores.log.intake(), FACTS)) as http:
        assert ids(ask(http, first=None)) == ["b1", "b3", "b4"]
        query = '{ attempts(userId: "u1", first: null) { edges { node { attemptId } } } }'
        assert "errors" not in http.post("/graphql", json={"query": query}).json()


@pytest.mark.parametrize("variables", [{"first": 0}, {"first": 101}, {"course": ""}], ids=str)
def test_a_wrong_question_is_refused(stores: Stores, variables: dict[str, Any]) -> None:
    with client(create_app(queries(stores), stores.log.intake(), FACTS)) as http:
        assert ask(http, **variables)["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_without_facts_about_batches_the_message_says_what_to_set(stores: Stores) -> None:
    for facts in (None, JsonFacts()):
        with client(create_app(queries(stores), stores.log.intake(), facts)) as http:
            assert "ASSESS_FACTS" in ask(http)["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "is_allowed"),
    [
        ("first: 100) { batchId id __typename }", True),
        ("first: 9) { batchId attemptsCount }", True),
        (") { batchId attemptsCount }", True),
        ("first: 10) { batchId attemptsCount }", False),
        ("first: 10) { batchId: attemptsCount }", False),
        ("first: 4) { attempts(first: 20) { pageInfo { hasNextPage } } }", True),
        ("first: 5) { attempts(first: 20) { pageInfo { hasNextPage } } }", False),
        ("first: 5) { slices { id } }", False),
    ],
)
def test_numbers_cost_as_much_for_each_batch_as_for_one(query: str, is_allowed: bool) -> None:
    found = plan(f'{{ batches(courseId: "c1" {query} }}', None, None)
    assert isinstance(found, Planned) == is_allowed
    if isinstance(found, Executed):
        assert found.body["errors"][0]["extensions"]["code"] == "TOO_EXPENSIVE"
