"""Automatic persisted queries: the hash of a query instead of its text."""

import hashlib
import json
from typing import Any

import httpx
import pytest

from assess_core.ports.stores import Stores
from graphql_api.persisted import Extensions, Persisted, PersistedQueries, UnknownHash
from tests.api.client import Http
from tests.factories import event
from tests.loop import take

SCORE = 'query ($user: ID!) { score(userId: $user, assessmentId: "a1") { attemptsCount } }'
VARIABLES = {"user": "u1"}


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def named(text: str, **more: object) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_of(text), **more}}


def post(http: Http, **body: object) -> httpx.Response:
    return http.post("/graphql", json={"variables": VARIABLES, **body})


def test_a_text_that_was_sent_once_is_executed_by_its_hash(stores: Stores, http: Http) -> None:
    take(stores, event())
    unknown = post(http, extensions=named(SCORE))
    assert unknown.status_code == 200
    assert unknown.json() == {
        "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
    }
    answers = [
        post(http, query=SCORE, extensions=named(SCORE)),
        post(http, extensions=named(SCORE)),
        http.get("/graphql", params={"extensions": json.dumps(named(SCORE)), "variables": json.dumps(VARIABLES)}),
    ]
    assert [answer.json() for answer in answers] == [{"data": {"score": {"attemptsCount": 1}}}] * 3
    tag = answers[2].headers["etag"]
    assert http.get(answers[2].request.url.raw_path.decode(), headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize(
    "extensions", [named("{ x }"), named(SCORE, sha256Hash=hash_of(SCORE).upper()), named(SCORE, version=2)], ids=str
)
def test_a_hash_of_another_text_is_refused(http: Http, extensions: dict[str, Any]) -> None:
    answer = post(http, query=SCORE, extensions=extensions)
    assert (answer.status_code, "SHA-256" in answer.json()["errors"][0]["message"]) == (400, True)


@pytest.mark.parametrize(
    "extensions", [7, {"persistedQuery": 7}, {"persistedQuery": {"sha256Hash": 7}}, {"persistedQuery": {}}], ids=str
)
def test_extensions_of_another_shape_are_refused(http: Http, extensions: object) -> None:
    assert post(http, query=SCORE, extensions=extensions).status_code == 400
    assert http.get("/graphql", params={"query": SCORE, "extensions": json.dumps(extensions)}).status_code == 400


def test_an_invalid_query_is_not_kept_and_unknown_extensions_are_ignored(http: Http) -> None:
    assert post(http, query="{ nothing }", extensions=named("{ nothing }")).status_code == 400
    assert "PersistedQueryNotFound" in post(http, extensions=named("{ nothing }")).text
    assert post(http, query=SCORE, extensions={"tracing": True}).json() == {"data": {"score": None}}
    assert post(http, extensions={"tracing": True}).status_code == 400


def test_the_text_that_was_not_used_for_the_longest_time_is_forgotten() -> None:
    kept = PersistedQueries(most=2)

    def asked(text: str) -> Extensions:
        return Extensions(Persisted(hash_of(text)))

    kept.keep("{ a }", asked("{ a }"))
    kept.keep("{ b }", asked("{ b }"))
    assert kept.text_of(None, asked("{ a }")) == "{ a }"
    kept.keep("{ c }", asked("{ c }"))
    assert kept.text_of(None, asked("{ a }")) == "{ a }"
    with pytest.raises(UnknownHash):
        kept.text_of(None, asked("{ b }"))
