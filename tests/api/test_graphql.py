"""GraphQL: queries, pages, and the refusal of invalid and expensive requests."""

import json
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from assess_core.domain.moments import iso
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from graphql_api import execution
from graphql_api.execution import check
from tests.api.client import Http
from tests.factories import ATTEMPTED, RECEIVED, event, version, wire_answer
from tests.loop import put_away, take

ATTEMPT = """{ userId courseId batchId assessmentId attemptId lastAttemptedOn totalScore totalMaxScore grandTotal
updatedOn answers { questionId answeredOn score maxScore duration type title description params resvalues } }"""
PAGE = f"{{ edges {{ cursor node {ATTEMPT} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"


def ask(http: Http, query: str, **variables: object) -> Any:
    answer = http.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


def errors(http: Http, query: str, status: int, **variables: object) -> list[dict[str, Any]]:
    answer = http.post("/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text
    found: list[dict[str, Any]] = answer.json()["errors"]
    assert all(error["message"] and error["extensions"]["code"] for error in found)
    return found


def scored(score: float, **named: object) -> dict[str, object]:
    return event(answers=[wire_answer(score=score, maxscore=10)], **named)


def test_the_score_of_a_learner_is_the_best_of_all_batches(stores: Stores, http: Http) -> None:
    take(stores, scored(3), scored(8, batch="b2"), scored(5, batch="b2", attempt="t2", attempted=ATTEMPTED + 1))
    fields = """{ userId courseId batchId assessmentId bestScore totalMaxScore lastAttemptedScore minScore averageScore
    attemptsCount updatedOn }"""
    query = f"""query ($user: ID!, $batch: ID) {{
        score(userId: $user, assessmentId: "a1", batchId: $batch) {fields}
        scores(userId: $user, assessmentId: "a1", batchId: $batch) {{ batchId bestScore }}
    }}"""

    data = ask(http, query, user="u1")

    assert data["score"] == {
        "userId": "u1", "courseId": "c1", "batchId": "b2", "assessmentId": "a1", "bestScore": 8, "totalMaxScore": 10,
        "lastAttemptedScore": 5, "minScore": 5, "averageScore": 6.5, "attemptsCount": 2,
        "updatedOn": iso(ATTEMPTED + 1),
    }  # fmt: skip
    assert data["scores"] == [{"batchId": "b2", "bestScore": 8}, {"batchId": "b1", "bestScore": 3}]
    assert ask(http, query, user="u1", batch="b1")["score"]["bestScore"] == 3
    assert ask(http, query, user="u2") == {"score": None, "scores": []}


def test_an_attempt_has_its_answers(stores: Stores, http: Http) -> None:
    take(stores, scored(8))

    data = ask(http, f'{{ attempts(userId: "u1") {PAGE} batch(batchId: "b1") {{ attempts {PAGE} }} }}')

    [edge] = data["attempts"]["edges"]
    assert edge["node"] == {
        "userId": "u1", "courseId": "c1", "batchId": "b1", "assessmentId": "a1", "attemptId": "t1",
        "lastAttemptedOn": iso(ATTEMPTED), "totalScore": 8, "totalMaxScore": 10, "grandTotal": "8.0/10.0",
        "updatedOn": iso(RECEIVED),
        "answers": [{
            "questionId": "q1", "answeredOn": iso(ATTEMPTED), "score": 8, "maxScore": 10, "duration": 3,
            "type": "mcq", "title": "What is the capital of Assam?", "description": None,
            "params": [{"1": '{"text":"Dispur"}'}, {"answer": '{"correct":["1"]}'}],
            "resvalues": [{"1": '{"text":"Dispur"}'}],
        }],
    }  # fmt: skip
    assert data["attempts"]["pageInfo"] == {
        "hasNextPage": False, "hasPreviousPage": False, "startCursor": edge["cursor"], "endCursor": edge["cursor"],
    }  # fmt: skip
    assert data["batch"]["attempts"] == data["attempts"]


def test_an_attempt_without_a_clock_shows_no_time(stores: Stores, http: Http) -> None:
    row = version(attempted=0, received=RECEIVED)
    stores.hot.add_slices([row.slice])
    stores.hot.add_rows([row])
    stores.hot.add_entries([Entry.of(row)])

    data = ask(
        http,
        """{ attempts(userId: "u1") { edges { node { lastAttemptedOn } } }
        score(userId: "u1", assessmentId: "a1") { updatedOn } }""",
    )

    assert data == {"attempts": {"edges": [{"node": {"lastAttemptedOn": None}}]}, "score": {"updatedOn": None}}


@pytest.mark.parametrize("whose", ['userId: "u1"', 'batchId: "b1"'])
def test_all_pages_together_are_all_attempts(stores: Stores, http: Http, whose: str) -> None:
    take(stores, *(event(attempt=f"t{n}") for n in range(7)))
    query = f"query ($first: Int, $after: String) {{ attempts({whose}, first: $first, after: $after) {PAGE} }}"
    whole = ask(http, query)["attempts"]["edges"]

    for first in (1, 3, 7):
        found: list[dict[str, Any]] = []
        after = None
        for _ in range(8):
            page = ask(http, query, first=first, after=after)["attempts"]
            assert page["pageInfo"]["hasPreviousPage"] == bool(found)
            found += page["edges"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert found == whole

    assert [edge["node"]["attemptId"] for edge in whole] == [f"t{n}" for n in range(7)]


def test_a_page_after_the_last_is_empty(stores: Stores, http: Http) -> None:
    take(stores, event())
    page = ask(http, f'{{ attempts(userId: "u1") {PAGE} }}')["attempts"]

    after = page["pageInfo"]["endCursor"]
    data = ask(http, f'query ($after: String) {{ attempts(userId: "u1", after: $after) {PAGE} }}', after=after)

    assert data["attempts"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
    }


def test_a_batch_has_counts_attempts_and_slices(stores: Stores, http: Http) -> None:
    take(stores, scored(8), scored(3, user="u2"))

    data = ask(
        http,
        """{ batch(batchId: "b1") { batchId attemptsCount learnersCount assessmentsCount versionsCount meanScore
        firstReceived lastReceived weeks { week attempts versions }
        attempts(userId: "u2") { edges { node { userId } } }
        slices { id batchId week status hotRows lakeRows archivedAt verifiedAt clearedAt whyOpen note } } }""",
    )

    assert data["batch"] == {
        "batchId": "b1", "attemptsCount": 2, "learnersCount": 2, "assessmentsCount": 1, "versionsCount": 2,
        "meanScore": 5.5, "firstReceived": iso(RECEIVED), "lastReceived": iso(RECEIVED),
        "weeks": [{"week": "2024-W05", "attempts": 2, "versions": 2}],
        "attempts": {"edges": [{"node": {"userId": "u2"}}]},
        "slices": [{
            "id": "b1|2024-W05", "batchId": "b1", "week": "2024-W05", "status": "PLANNED", "hotRows": 2, "lakeRows": 0,
            "archivedAt": None, "verifiedAt": None, "clearedAt": None, "whyOpen": None, "note": None,
        }],
    }  # fmt: skip


def test_slices_can_be_selected_by_batch_and_status_and_read_in_pages(stores: Stores, http: Http) -> None:
    take(stores, event(batch="b1"), event(batch="b2"), event(batch="b3"))
    put_away(stores, [ArchiveSlice.parse("b2|2024-W05")])

    def ids(asked: str) -> list[str]:
        return [one["id"].partition("|")[0] for one in ask(http, f"{{ slices{asked} {{ id }} }}")["slices"]]

    assert ids("") == ["b1", "b2", "b3"]
    assert ids('(batchId: "b3")') == ["b3"]
    assert ids("(status: CLEARED)") == ["b2"]
    assert ids("(status: PLANNED, first: 1)") == ["b1"]
    assert ids('(first: 1, after: "b1|2024-W05")') == ["b2"]
    assert ids('(batchId: "b9")') == []
    [error] = errors(http, '{ slices(after: "b1") { id } }', 200)
    assert error["extensions"]["code"] == "BAD_SLICE"
    [error] = errors(http, "{ slices(first: 1000) { id } }", 200)
    assert error["extensions"]["code"] == "BAD_REQUEST"


def test_archive_and_clear_change_only_the_status_of_slices(stores: Stores, http: Http) -> None:
    take(stores, scored(8), scored(3, user="u2"), scored(4, attempt="t2"), scored(5, attempted=ATTEMPTED + 1))
    query = f"""{{ attempts(userId: "u1") {PAGE} scores(userId: "u1", assessmentId: "a1") {{ bestScore updatedOn }}
        batch(batchId: "b1") {{ attemptsCount versionsCount meanScore weeks {{ week attempts versions }}
            attempts(first: 2) {PAGE} }} }}"""
    before = ask(http, query)

    assert put_away(stores) == 4

    assert ask(http, query) == before
    assert ask(http, "{ slices { status } }") == {"slices": [{"status": "CLEARED"}]}


# --- errors ---


@pytest.mark.parametrize("asked", ["attemptsCount", "slices { id }", "attempts { edges { cursor } }"])
def test_an_unknown_batch_is_named_and_the_rest_is_answered(stores: Stores, http: Http, asked: str) -> None:
    take(stores, event())

    answer = http.post("/graphql", json={"query": f'{{ batch(batchId: "b9") {{ {asked} }} slices {{ id }} }}'})

    assert answer.status_code == 200
    assert answer.json()["data"] == {"batch": None, "slices": [{"id": "b1|2024-W05"}]}
    [error] = answer.json()["errors"]
    assert "'b9'" in error["message"]
    assert error["extensions"] == {"code": "UNKNOWN_BATCH", "retryable": False}
    assert error["path"][0] == "batch"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("first: 0", "BAD_REQUEST"),
        ("first: 101", "BAD_REQUEST"),
        ("first: -1", "BAD_REQUEST"),
        ('after: "garbage"', "BAD_REQUEST"),
        ('after: "\\u0000"', "BAD_REQUEST"),
    ],
)
def test_an_invalid_page_is_an_error_with_a_code(http: Http, asked: str, code: str) -> None:
    [error] = errors(http, f'{{ attempts(userId: "u1", {asked}) {{ edges {{ cursor }} }} }}', 200)

    assert error["extensions"]["code"] == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{" * 10_000, "GRAPHQL_PARSE_FAILED"),
        ("\0", "GRAPHQL_PARSE_FAILED"),
        ("{ slices { id } } # " + "x" * 30_000, "GRAPHQL_PARSE_FAILED"),
        ("{ " + "a: slices { id } " * 1000 + "}", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ slices }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ attempts(first: 1.5) { edges { cursor } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ attempts(first: 99999999999) { edges { cursor } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { slices { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { slices { id } }", "BAD_REQUEST"),
        ("fragment A on Query { ...B } fragment B on Query { ...A } { ...A }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { slices { id } } query B { slices { id } }", "BAD_REQUEST"),
        ("query ($first: Int!) { attempts(first: $first) { edges { cursor } } }", "BAD_REQUEST"),
        ("fragment A on Query { slices { id } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
    ids=lambda value: value[:30],
)
def test_a_query_that_cannot_be_executed_is_refused(http: Http, query: str, code: str) -> None:
    assert errors(http, query, 400)[0]["extensions"]["code"] == code


def test_variables_that_do_not_fit_are_refused(http: Http) -> None:
    query = "query ($first: Int) { attempts(first: $first) { edges { cursor } } }"

    assert errors(http, query, 400, first="many")[0]["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "field",
    [
        's{n}: score(userId: "u1", assessmentId: "a1") { bestScore }',
        'b{n}: batch(batchId: "b1") { attemptsCount }',
        'p{n}: attempts(batchId: "b1", first: 100) { edges { cursor } }',
        "s{n}: slices { id }",
    ],
)
def test_a_query_that_costs_too_much_is_refused_before_anything_is_read(http: Http, field: str) -> None:
    def asked(count: int) -> str:
        return "{ " + " ".join(field.replace("{n}", str(n)) for n in range(count)) + " }"

    [found] = errors(http, asked(21), 400)

    assert found["extensions"]["code"] == "TOO_EXPENSIVE"
    assert "split it into several queries" in found["message"]
    response = http.post("/graphql", json={"query": asked(1)})
    assert response.status_code == 200


def test_a_page_whose_length_is_a_variable_costs_as_much_as_its_value(stores: Stores, http: Http) -> None:
    take(stores, event())
    aliases = " ".join(f'p{n}: attempts(batchId: "b1", first: $n) {{ edges {{ cursor }} }}' for n in range(10))
    for first, status in ((1, 200), (100, 400)):
        body = {"query": f"query Q($n: Int) {{ {aliases} }}", "variables": {"n": first}}
        assert http.post("/graphql", json=body).status_code == status


def test_only_valid_queries_of_a_bounded_length_are_cached(http: Http) -> None:
    check.cache_clear()
    for text in ("{ nonsense }", "{ unclosed", "{ slices { id } } " + "#" * 30_000):
        assert http.post("/graphql", json={"query": text}).status_code == 400
    assert check.cache_info().currsize == 0
    assert http.post("/graphql", json={"query": "{ slices { id } }"}).status_code == 200
    assert check.cache_info().currsize == 1


def test_fragments_that_double_at_every_level_are_checked_in_bounded_time(http: Http) -> None:
    levels = 60
    doubling = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    query = f"{{ ...F0 }} {doubling} fragment F{levels} on Query {{ slices {{ id }} }}"

    assert ask(http, query) == {"slices": []}


def test_a_query_that_is_nested_too_deeply_is_refused(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MOST_DEPTH", 4)
    deep = '{ ...A } fragment A on Query { attempts(userId: "u2") { edges { node { answers { score } } } } }'

    assert errors(http, deep, 400)[0]["extensions"]["code"] == "TOO_DEEP"
    assert ask(http, '{ attempts(userId: "u3") { edges { node { grandTotal } } } }') == {"attempts": {"edges": []}}


def test_introspection_is_answered(http: Http) -> None:
    types = ask(http, get_introspection_query())["__schema"]["types"]

    assert {"Query", "Batch", "AttemptConnection", "Slice"} <= {one["name"] for one in types}


def test_a_repeated_query_is_checked_once(http: Http) -> None:
    query = '{ score(userId: "checked once", assessmentId: "a1") { bestScore } }'
    ask(http, query)
    checked = execution.check.cache_info().misses

    ask(http, query)

    assert execution.check.cache_info().misses == checked


# --- over HTTP ---


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b'[{"query":"{ slices { id } }"}]', b"{}", b'{"query":7}', b'{"query":null}', b"\xff",
        b'{"query":"{ slices { id } }","variables":[]}', b"[" * 100_000, b'{"query":"\\ud800"}',
    ],
    ids=lambda content: repr(content[:24]),
)  # fmt: skip
def test_a_body_that_is_not_a_graphql_request_is_refused(http: Http, content: bytes) -> None:
    answer = http.post("/graphql", content=content, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_query_can_be_sent_in_the_url(stores: Stores, http: Http) -> None:
    take(stores, event())
    query = "query A($batch: ID) { slices(batchId: $batch) { id } } query B { __typename }"

    def get(**asked: str) -> httpx.Response:
        return http.get("/graphql", params={"query": query, **asked})

    found = get(variables=json.dumps({"batch": "b1"}), operationName="A")

    assert found.json() == {"data": {"slices": [{"id": "b1|2024-W05"}]}}
    assert get(operationName="B").json() == {"data": {"__typename": "Query"}}
    assert get(operationName="C").status_code == 400
    assert get(variables="nonsense").status_code == 400
    assert get(variables="[" * 9000).status_code == 400
    assert http.get("/graphql").status_code == 400


def test_a_form_of_another_site_is_refused(http: Http) -> None:
    answer = http.post("/graphql", data={"query": "{ slices { id } }"})

    assert answer.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_only_get_and_post_are_allowed(http: Http, method: str) -> None:
    answer = http.request(method, "/graphql")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


def test_a_body_over_a_megabyte_is_refused(http: Http) -> None:
    answer = http.post("/graphql", content=b" " * (1024 * 1024 + 1), headers={"content-type": "application/json"})

    assert answer.status_code == 413
