"""`POST /v2/view/assess/read`: requests of Sunbird's clients, and the responses that they expect."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from assess_core.adapters.files.facts import JsonFacts
from assess_core.domain.events import Record, decode
from assess_core.errors import StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.usecases.folding import Checks, fold
from graphql_api.app import create_app
from graphql_api.bodies import MOST_BYTES
from tests.api.client import Http, client
from tests.factories import ATTEMPTED, event, wire_answer
from tests.loop import put_away, queries, take

PATH = "/v2/view/assess/read"


def read(http: Http, **request: object) -> dict[str, Any]:
    answer = http.post(PATH, json={"request": request})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def scored(score: float, **named: object) -> dict[str, object]:
    return event(answers=[wire_answer(score=score, maxscore=20)], **named)


def test_the_response_has_the_fields_of_the_design_page_and_three_more_numbers(stores: Stores, http: Http) -> None:
    take(stores, scored(10), scored(5, attempt="t2", attempted=ATTEMPTED + 1))

    body = read(http, userId="u1", assessmentId="a1", batchId="b1", courseId="c1")

    assert list(body) == ["id", "ver", "ts", "params", "responseCode", "result"]
    assert (body["id"], body["ver"], body["responseCode"]) == ("api.view.assessment.read", "1.0", "OK")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["ts"])
    assert list(body["params"]) == ["resmsgid", "msgid", "status", "err", "errmsg"]
    assert (body["params"]["status"], body["params"]["err"], body["params"]["errmsg"]) == ("successful", None, None)
    assert UUID(body["params"]["resmsgid"]) != UUID(body["params"]["msgid"])
    assert body["result"] == {
        "userId": "u1", "batchId": "b1", "courseId": "c1", "assessmentId": "a1",
        "bestScore": 10, "totalMaxScore": 20, "lastAttemptedScore": 5, "updated_on": ATTEMPTED + 1,
        "minScore": 5, "averageScore": 7.5, "attemptsCount": 2,
    }  # fmt: skip


def test_if_several_scores_match_the_best_is_the_result_and_all_are_listed(stores: Stores, http: Http) -> None:
    take(stores, scored(5, batch="b1"), scored(10, batch="b2"))

    result = read(http, userId="u1", assessmentId="a1")["result"]

    assert (result["batchId"], result["bestScore"]) == ("b2", 10)
    assert [one["batchId"] for one in result["assessments"]] == ["b2", "b1"]
    assert {name: result[name] for name in result["assessments"][0]} == result["assessments"][0]


def test_no_match_gives_an_empty_result(stores: Stores, http: Http) -> None:
    take(stores, scored(5))

    assert read(http, userId="u1", assessmentId="a2")["result"] == {}
    assert read(http, userId="u1", assessmentId="a1", batchId="b2", courseId=None)["result"] == {}


@pytest.mark.long
def test_the_reference_events_give_the_reference_scores(stores: Stores, http: Http, sunbird: Path) -> None:
    leaf_nodes = JsonFacts(leaf_nodes_={})
    names = [
        "BATCH_ASSESS_EVENT", "BATCH_ASSESS__OLDER_EVENT", "BATCH_ASSESS_FAIL_EVENT", "QUESTION_EVENT_RES_VALUES",
        "LATEST_BATCH_ASSESS_EVENT", "BATCH_DUPLICATE_QUESTION_EVENT", "SECOND_ATTEMPT_BATCH_ASSESS_EVENT",
    ]  # fmt: skip
    for name in names:
        path = sunbird / "stream" / "events" / f"{name}.json"
        fold([decode(Record(str(path), 0, 1, path.read_bytes()))], stores.hot, Checks(leaf_nodes))

    for _ in range(2):
        twice = read(
            http,
            userId="ff1c4bdf-27e2-49bc-a53f-6e304bb3a87f",
            assessmentId="do_212686723743318016173",
            courseId="do_2128415652377067521125",
        )["result"]
        assert (twice["bestScore"], twice["totalMaxScore"], twice["attemptsCount"]) == (2.0, 3.0, 2)
        assert (twice["minScore"], twice["lastAttemptedScore"]) == (1.33, 2.0)
        once = read(http, userId="d0d8a341-9637-484c-b871-0c27015af238", assessmentId="do_2128373396098744321673")[
            "result"
        ]
        assert (once["bestScore"], once["totalMaxScore"], once["attemptsCount"]) == (2.0, 2.0, 1)
        assert put_away(stores) or not any(stores.hot.counts(stores.hot.slices()[:1]).values())


def test_a_message_id_is_returned(http: Http) -> None:
    asked = {"request": {"userId": "u1", "assessmentId": "a1"}, "params": {"msgid": "of the body"}}

    assert http.post(PATH, json=asked).json()["params"]["msgid"] == "of the body"
    assert http.post(PATH, json=asked, headers={"X-msgid": "mine"}).json()["params"]["msgid"] == "mine"
    assert http.post(PATH, json=asked | {"params": {"msgid": 7}}).json()["params"]["msgid"] != 7
    assert http.post(PATH, content=b"{", headers={"X-msgid": "mine"}).json()["params"]["msgid"] == "mine"


def refused(http: Http, status: int, **sent: Any) -> dict[str, Any]:
    answer = http.request(sent.pop("method", "POST"), PATH, **sent)
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert (body["id"], body["ver"], body["responseCode"]) == ("api.view.assessment.read", "1.0", "CLIENT_ERROR")
    assert (body["params"]["status"], body["params"]["err"]) == ("failed", "CLIENT_ERROR")
    assert body["params"]["errmsg"]
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        ({}, ["userId", "assessmentId"]),
        ({"userId": "u1"}, ["assessmentId"]),
        ({"assessmentId": "a1"}, ["userId"]),
        ({"userId": None, "assessmentId": "a1"}, ["userId"]),
        ({"userId": " ", "assessmentId": ""}, ["userId", "assessmentId"]),
        ({"userId": 7, "assessmentId": ["a1"]}, ["userId", "assessmentId"]),
        ({"userId": "u1", "assessmentId": "a1", "batchId": 1, "courseId": {}}, ["batchId", "courseId"]),
    ],
)
def test_every_field_that_is_missing_or_not_text_is_named(
    http: Http, request_: dict[str, object], wrong: list[str]
) -> None:
    result = refused(http, 400, json={"request": request_})["result"]

    assert sorted(result) == sorted(f"request.{name}" for name in wrong)
    assert all(isinstance(why, str) and why.startswith("Field ") for why in result.values())


@pytest.mark.parametrize("body", [{}, {"request": None}, {"request": []}, {"request": "u1"}], ids=str)
def test_a_body_without_a_request_is_refused(http: Http, body: dict[str, object]) -> None:
    assert list(refused(http, 400, json=body)["result"]) == ["request"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"nonsense", b"[]", b'"text"', b"null", b"\xff\xfe", b"\x00" * 100, b"NaN",
        b'{"request":{"userId":"\\ud800"}}',
        b"[" * 100_000, b'{"request":' * 50_000, b'{"request":{"userId":"u1","assessmentId":' + b"9" * 5000 + b"}}",
    ],
    ids=lambda content: repr(content[:12]),
)  # fmt: skip
def test_a_body_that_is_not_json_of_this_shape_is_refused(http: Http, content: bytes) -> None:
    refused(http, 400, content=content)


def test_a_body_over_a_megabyte_is_refused_before_it_is_read(http: Http) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_BYTES // 1024 + 2):
            yield b" " * 1024

    refused(http, 413, content=endless())
    refused(http, 413, content=b" " * (MOST_BYTES + 1))


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_post_is_allowed(http: Http, method: str) -> None:
    refused(http, 405, method=method)
    assert http.request(method, PATH).headers["allow"] == "POST"


@pytest.mark.parametrize("name", ["u\0", "' OR 1=1", "x" * 100_000, "\n", "😀", "../../etc/passwd", "$1", "%s"])
def test_an_unknown_id_has_no_score(stores: Stores, http: Http, name: str) -> None:
    take(stores, scored(5))

    assert read(http, userId=name + ".", assessmentId=name + ".", batchId=name, courseId=name)["result"] == {}


class Away:
    """A hot store that does not answer."""

    def entries(self, user_ids: object) -> None:
        raise StoreUnavailable("the hot store does not answer; try again")


def test_a_store_that_does_not_answer_gives_503_with_a_retry_time(stores: Stores) -> None:
    away: Any = Away()
    with client(create_app(queries(stores._replace(hot=away)), stores.log.intake())) as http:
        answer = http.post(PATH, json={"request": {"userId": "u1", "assessmentId": "a1"}})
        health, ready = http.get("/health"), http.get("/ready")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["responseCode"] == "SERVER_ERROR"
    assert answer.json()["params"]["status"] == "failed"
    assert answer.json()["params"]["errmsg"] == "the hot store does not answer; try again"
    assert health.status_code == 200  # liveness reads no store
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert int(ready.headers["retry-after"]) > 0
