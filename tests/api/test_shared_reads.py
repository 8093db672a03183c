"""Fields of one query that name learners read the store together."""

from collections.abc import Collection
from typing import Any

import pytest

from assess_core.domain.scores import Entry
from assess_core.errors import BadRequest
from assess_core.ports.stores import Stores
from graphql_api.app import create_app
from tests.api.client import client
from tests.factories import event
from tests.loop import queries, take

MANY = """query ($u: ID!, $none: ID) {
  a: score(userId: "u1", assessmentId: "a1") { bestScore }
  b: scores(userId: "u1", assessmentId: "a1") { bestScore }
  c: score(userId: $u, assessmentId: "a1", batchId: $none) { bestScore }
  ...more
  e: score(userId: 7, assessmentId: "a1") { bestScore }
  f: score(userId: "nobody", assessmentId: "a1") { bestScore }
}
fragment more on Query { d: attempts(userId: "u3") { edges { node { attemptId answers { questionId } } } } }"""


class Counting:
    """A hot store that counts the reads of learners."""

    def __init__(self, stores: Stores) -> None:
        self.reads: list[list[str]] = []
        self._hot = stores.hot

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        self.reads.append(sorted(user_ids))
        return self._hot.entries(user_ids)

    def entries_at_once(self, user_ids: Collection[str]) -> dict[str, list[Entry]] | None:
        self.reads.append(sorted(user_ids))
        return self._hot.entries_at_once(user_ids)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hot, name)


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        (MANY, [["7", "nobody", "u1", "u2", "u3"]]),
        ('{ score(userId: "u1", assessmentId: "a1") { bestScore } }', [["u1"]]),
        ('{ score(userId: "", assessmentId: "a1") { bestScore } }', []),
        ("{ __typename }", []),
    ],
    ids=["many fields", "one field", "no learner", "nothing"],
)
def test_all_learners_of_a_query_are_read_at_once(stores: Stores, query: str, reads: list[list[str]]) -> None:
    take(stores, *(event(user=user) for user in ("u1", "u2", "u3", "7")))
    hot: Any = Counting(stores)
    with client(create_app(queries(stores._replace(hot=hot)), stores.log.intake())) as http:
        body = {"query": query, "variables": {"u": "u2"}}
        answer = http.post("/graphql", json=body).json()
        assert hot.reads == reads
        if query == MANY:
            assert [one and one["bestScore"] for one in (answer["data"][name] for name in "acef")] == [1, 1, 1, None]
            assert len(answer["data"]["d"]["edges"]) == 1
        http.post("/graphql", json=body)
        assert len(hot.reads) == 2 * len(reads)  # nothing is kept for the next query


def test_an_id_that_is_refused_does_not_spoil_the_read_of_the_others(stores: Stores) -> None:
    take(stores, event())
    shared = queries(stores).sharing({"\ud800", "u1"})
    assert shared.score("u1", "a1").found[0].attempts_count == 1
    with pytest.raises(BadRequest):
        shared.score("\ud800", "a1")
