"""`node(id)`: every object is found again by its id, by those who may read it."""

from pathlib import Path
from typing import Any

import pytest

from assess_core.domain.attempts import AttemptKey
from assess_core.domain.scores import SummaryKey
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadRequest
from assess_core.ports.stores import Stores
from graphql_api.cost import Reads
from graphql_api.execution import Planned, plan
from graphql_api.node_ids import BatchKey, node_id, read_node_id
from tests.api.client import Http
from tests.api.issuer import bearer, guarded, token, trusting
from tests.factories import event
from tests.loop import put_away, take

NODE = """query ($id: ID!) { node(id: $id) { __typename id
... on Attempt { attemptId totalScore answers { questionId } } ... on Slice { status hotRows }
... on Score { bestScore } ... on Batch { attemptsCount slices { id } } } }"""
W5 = ArchiveSlice.parse("b1|2024-W05")
ATTEMPT, SCORE = AttemptKey("u1", "c1", "b1", "a1", "t1"), SummaryKey("u1", "a1", "c1", "b1")
OTHERS: dict[Any, Any] = {
    ATTEMPT: ATTEMPT._replace(attempt_id="t9"),
    SCORE: SCORE._replace(course_id="c9"),
    W5: ArchiveSlice.parse("b1|2024-W06"),
    BatchKey("b1"): BatchKey("b9"),
}
"""An object that exists, and one that does not."""


def ask(http: Http, id_: str, **headers: Any) -> Any:
    return http.post("/graphql", json={"query": NODE, "variables": {"id": id_}}, headers=headers)


def test_every_object_is_found_by_its_id_before_and_after_it_is_cleared(stores: Stores, http: Http) -> None:
    take(stores, event())
    query = """{ attempts(userId: "u1") { edges { node { id } } } scores(userId: "u1", assessmentId: "a1") { id }
      slices { id } batch(batchId: "b1") { id } }"""
    data = http.post("/graphql", json={"query": query}).json()["data"]
    ids = [
        data["attempts"]["edges"][0]["node"]["id"],
        data["scores"][0]["id"],
        data["slices"][0]["id"],
        data["batch"]["id"],
    ]
    assert ids == [node_id(key) for key in OTHERS]

    for hot_rows in (1, 0):
        attempt, score, slice_, batch = (ask(http, id_).json()["data"]["node"] for id_ in ids)
        assert [one["id"] for one in (attempt, score, slice_, batch)] == ids
        assert [one["__typename"] for one in (attempt, score, slice_, batch)] == ["Attempt", "Score", "Slice", "Batch"]
        assert (attempt["attemptId"], attempt["answers"], score["bestScore"]) == ("t1", [{"questionId": "q1"}], 1)
        assert (slice_["hotRows"], batch["attemptsCount"], batch["slices"]) == (hot_rows, 1, [{"id": str(W5)}])
        put_away(stores)


def test_an_object_that_does_not_exist_is_null(stores: Stores, http: Http) -> None:
    take(stores, event())
    for missing in OTHERS.values():
        assert ask(http, node_id(missing)).json() == {"data": {"node": None}}, missing


@pytest.mark.parametrize(
    "key", [*OTHERS, AttemptKey("u|1", "c:1", "ü", "|", "2024-W05"), BatchKey("b|2024-W05")], ids=str
)
def test_an_id_is_read_back(key: Any) -> None:
    assert read_node_id(node_id(key)) == key


@pytest.mark.parametrize(
    "text",
    ["", "x", "attempt:", "attempt:x", "attempt:ü", "batch:" + "x" * 5000, "other:" + node_id(SCORE), "b1|2024-W99",
     "|", node_id(ATTEMPT) + "=", node_id(ATTEMPT).replace("attempt", "score"),
     node_id(BatchKey("")), "score:" + "k" * 400],
)  # fmt: skip
def test_other_ids_are_refused(http: Http, text: str) -> None:
    with pytest.raises(BadRequest, match="is not the id of an object"):
        read_node_id(text)
    assert ask(http, text).json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


GRANTS: dict[str, dict[str, Any]] = {
    "u1": {"roles": ["learner"]},
    "u2": {"roles": ["learner"]},
    "m1": {"roles": ["mentor"], "batches": ["b1"]},
    "m2": {"roles": ["mentor"], "batches": ["b2"]},
    "m3": {"roles": ["mentor"], "courses": ["c1"]},
    "auditor": {"roles": ["auditor"]},
    "operator": {"roles": ["operator"]},
}


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        (ATTEMPT, {"u1", "m1", "m3", "operator"}),
        (SCORE, {"u1", "m1", "m3", "operator"}),
        (W5, {"m1", "auditor", "operator"}),
        (BatchKey("b1"), {"m1", "auditor", "operator"}),
        (BatchKey("b9"), {"auditor", "operator"}),
    ],
    ids=["attempt", "score", "slice", "batch", "unknown batch"],
)
def test_an_object_is_read_by_those_who_may_read_it_elsewhere(
    stores: Stores, tmp_path: Path, key: Any, allowed: set[str]
) -> None:
    take(stores, event())
    with guarded(stores, trusting(tmp_path)) as http:
        for caller, claims in GRANTS.items():
            answer = ask(http, node_id(key), **bearer(token(caller, **claims)))
            assert answer.status_code == (200 if caller in allowed else 403), (caller, answer.text)


def test_reads_inside_a_node_cost_as_much_as_elsewhere() -> None:
    def planned(id_: str, inside: str) -> Any:
        return plan(f'{{ node(id: "{id_}") {{ id ... on Batch {{ {inside} }} }} }}', None, None)

    many = " ".join(f"a{n}: attempts(first: 100) {{ edges {{ cursor }} }}" for n in range(4))
    assert not isinstance(planned(node_id(BatchKey("b1")), many), Planned)
    assert planned(node_id(BatchKey("b1")), "batchId").reads is Reads.MANY_ROWS
    assert planned(node_id(ATTEMPT), "batchId").reads is Reads.ROWS
