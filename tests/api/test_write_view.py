"""`POST /v2/view/assess/update`: one assessment or a list, in both vocabularies, as the viewing service has them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from assess_core.adapters.files.facts import FactsBatch, JsonFacts
from assess_core.domain.events import Accepted
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.api.writes import VIEW, item, logged, request_body
from tests.factories import ATTEMPTED, decoded, text, wire_answer
from tests.loop import queries

JSON = {"content-type": "application/json"}
EMPTY, NO_TEXT = "Field cannot be empty", "Field must be text"


NOT_A_VALUE: list[tuple[Any, str]] = [
    (..., EMPTY),
    (None, EMPTY),
    ("", EMPTY),
    (" ", EMPTY),
    (17, NO_TEXT),
    ([], NO_TEXT),
]
WRONG: list[Any] = [
    *(
        ({name: value}, {f"request.{name}": why})
        for name in ("userId", "contentId", "attemptId", "collectionId", "contextId")
        for value, why in NOT_A_VALUE
    ),
    *(({"assessments": value}, {"request.assessments": EMPTY}) for value, _ in NOT_A_VALUE[:2]),
    ({"assessments": []}, {"request.assessments": EMPTY}),
    ({"assessments": ..., "events": []}, {"request.assessments": EMPTY}),
    ({"assessments": [{"eid": "ASSESS"}]}, {"request.assessmentTs": EMPTY}),
    ({"assessments": ["x"], "assessmentTs": None}, {"request.assessmentTs": EMPTY}),
    ({"courseId": 17, "collectionId": None}, {"request.courseId": NO_TEXT}),
    ({"courseId": "", "collectionId": 17}, {"request.collectionId": NO_TEXT}),
    ({"courseId": "do_1", "collectionId": ..., "contextId": ...}, {"request.batchId": EMPTY}),
    ({"collectionId": ..., "contextId": ...}, {"request.courseId": EMPTY, "request.batchId": EMPTY}),
    ({"userId": 1, "attemptId": ""}, {"request.userId": NO_TEXT, "request.attemptId": EMPTY}),
]


def flat(**named: object) -> dict[str, Any]:
    """One assessment with the member names of the viewing service; `...` leaves a member out."""
    complete = {
        "userId": "u1",
        "contentId": "do_789",
        "collectionId": "do_123",
        "contextId": "0123",
        "attemptId": "abcd",
        "assessments": [wire_answer(ets=ATTEMPTED - 1000), wire_answer("q2", ets=ATTEMPTED)],
    }
    return {name: value for name, value in {**complete, **named}.items() if value is not ...}


def send(http: Http, request: object) -> httpx.Response:
    return http.post(VIEW, content=text({"request": request}), headers=JSON)


@pytest.fixture
def log(settings: Settings) -> Path:
    return Path(settings.log)


def message(log: Path) -> dict[str, Any]:
    """The only message of the log. The stream must accept it."""
    (value,) = logged(log)
    assert isinstance(decoded(value), Accepted)
    found: dict[str, Any] = json.loads(value)
    return found


# --- one assessment ---


def test_one_assessment_becomes_one_message_in_the_format_of_sunbirds_jobs(http: Http, log: Path) -> None:
    answer = send(http, flat())

    result = answer.json()["result"]
    assert result == {
        "do_789": "Score Updated",
        "details": [{"attemptId": "abcd", "status": "SUCCESS", "reason": None}],
    }
    assert message(log) == item(events=flat()["assessments"])


def test_the_envelope_is_that_of_the_viewing_service(http: Http) -> None:
    body = send(http, flat()).json()

    assert list(body) == ["id", "ver", "ts", "params", "responseCode", "result"]
    assert (body["id"], body["ver"], body["responseCode"]) == ("api.view.assess.update", "1.0", "OK")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["ts"])
    params = body["params"]
    assert (params["status"], params["err"], params["errmsg"]) == ("successful", None, None)
    assert re.fullmatch(r"[0-9a-f-]{36}", params["resmsgid"])


def test_the_message_id_comes_from_the_header_then_the_body(http: Http) -> None:
    body = {"request": flat(), "params": {"msgid": "5e763bc2"}}
    assert http.post(VIEW, json=body).json()["params"]["msgid"] == "5e763bc2"
    assert http.post(VIEW, json=body, headers={"x-msgid": "other"}).json()["params"]["msgid"] == "other"
    nothing: list[Any] = [None, 17, {"msgid": 17}, {"msgid": ""}, []]
    for params in nothing:
        made = http.post(VIEW, json={**body, "params": params}).json()["params"]["msgid"]
        assert re.fullmatch(r"[0-9a-f-]{36}", made)


@pytest.mark.parametrize(
    "names",
    [
        {"courseId": "do_123", "batchId": "0123", "collectionId": ..., "contextId": ...},
        {"courseId": "do_123", "batchId": "0123", "collectionId": "other", "contextId": "other"},
        {"courseId": None, "batchId": "", "collectionId": "do_123", "contextId": "0123"},
        {"assessments": ..., "events": flat()["assessments"]},
        {"assessments": None, "events": flat()["assessments"]},
    ],
    ids=str,
)
def test_both_vocabularies_mean_the_same_and_course_and_batch_win(http: Http, log: Path, names: dict[str, Any]) -> None:
    assert send(http, flat(**names)).json()["result"]["do_789"] == "Score Updated"
    assert message(log) == item(events=flat()["assessments"])


def test_a_request_that_already_is_a_message_is_logged_unchanged(http: Http, log: Path) -> None:
    request = {"channel": "web", **item()}
    assert send(http, request).json()["result"]["do_789"] == "Score Updated"
    assert logged(log) == [text(request)]


def test_the_bytes_of_the_answers_and_the_clock_are_not_changed(http: Http, log: Path) -> None:
    answers = b'[ {"eid":"ASSESS", "ets" : 1706572800000,"edata":{"score":1.0, "item":{"id":"q\\u0031","params":[]}}} ]'
    request = b'{"userId":"u1","contentId":"c","courseId":"k","batchId":"b","attemptId":"a","assessments":%b' % answers
    http.post(VIEW, content=b'{"request":%b,"assessmentTs":  "1706572800000" }}' % request, headers=JSON)

    (value,) = logged(log)
    assert answers in value
    assert b'"assessmentTs":"1706572800000"' in value


@pytest.mark.parametrize(
    ("clocks", "submitted"),
    [
        ([ATTEMPTED, ATTEMPTED - 5], ATTEMPTED),
        ([str(ATTEMPTED - 5), "2024-01-30T00:00:00Z"], ATTEMPTED),
        ([None, "yesterday", -1, {}, ATTEMPTED], ATTEMPTED),
    ],
    ids=str,
)
def test_an_assessment_without_a_clock_gets_the_clock_of_its_last_answer(
    http: Http, log: Path, clocks: list[Any], submitted: int
) -> None:
    for _ in range(2):
        send(http, flat(assessments=[wire_answer(ets=clock) for clock in clocks]))
    assert [json.loads(value)["assessmentTs"] for value in logged(log)] == [submitted] * 2


@pytest.mark.parametrize(
    ("wrong", "fields"),
    WRONG,
    ids=str,
)
def test_every_invalid_field_is_named(http: Http, log: Path, wrong: dict[str, Any], fields: dict[str, str]) -> None:
    answer = send(http, flat(**wrong))

    body = answer.json()
    assert (answer.status_code, body["result"]) == (400, fields)
    assert (body["params"]["err"], body["params"]["status"]) == ("CLIENT_ERROR", "failed")
    assert body["responseCode"] == "CLIENT_ERROR"
    assert body["params"]["errmsg"] == "; ".join(f"{name}: {why}" for name, why in fields.items())
    assert logged(log) == []


# --- a list of assessments ---


def test_each_assessment_of_a_list_becomes_a_message_and_is_acknowledged(http: Http, log: Path) -> None:
    items = [item(attemptId="a"), item(attemptId="b"), item(attemptId="c", contentId="do_2")]
    answer = send(http, {"userId": "u1", "assessments": items})

    assert answer.json()["result"] == {
        "do_789": ["Score Captured Successfully", "Score Captured Successfully"],
        "do_2": ["Score Captured Successfully"],
        "details": [{"attemptId": one, "status": "SUCCESS", "reason": None} for one in "abc"],
    }
    assert logged(log) == [text(one) for one in items]


def test_members_that_an_item_leaves_out_come_from_the_request(http: Http, log: Path) -> None:
    around = {"userId": "u1", "collectionId": "do_123", "contextId": "0123", "assessmentTs": ATTEMPTED}
    send(http, {**around, "assessments": [item(userId=..., courseId=None, batchId=..., assessmentTs=...)]})

    assert message(log) == item()


@pytest.mark.parametrize(
    ("items", "fields", "where"),
    [
        ([item(), item(attemptId="")], {"request.attemptId": EMPTY}, "request.assessments[1].attemptId"),
        ([item(events=[])], {"request.events": EMPTY}, "request.assessments[0].events"),
        ([item(), item(events=...)], {"request.events": EMPTY}, "request.assessments[1].events"),
        ([item(), 17], {}, "`request.assessments[1]` must be an object"),
        ([item(events={})], {}, "`request.assessments[0].events` must be a list"),
    ],
    ids=str,
)
def test_a_request_with_an_invalid_item_is_refused_and_the_item_is_named(
    http: Http, log: Path, items: list[Any], fields: dict[str, str], where: str
) -> None:
    answer = send(http, {"assessments": items})

    assert (answer.status_code, answer.json()["result"]) == (400, fields)
    assert answer.json()["params"]["errmsg"].startswith(where)
    assert logged(log) == []


# --- batches and invalid requests ---


@pytest.fixture
def known(stores: Stores) -> Iterator[Http]:
    """An API that knows two batches. One of them is over."""
    intake = stores.log.intake()
    facts = JsonFacts(batches={"0123": FactsBatch("do_123", 1), "0124": FactsBatch("do_123", 2)})
    with client(create_app(queries(stores), intake, facts)) as found:
        yield found
    intake.close()


def test_batches_that_are_unknown_or_over_are_named_and_the_rest_is_accepted(known: Http, log: Path) -> None:
    items = [item(batchId="9"), item(batchId="0124"), item()]
    result = send(known, {"assessments": items}).json()["result"]

    assert [line["status"] for line in result.pop("details")] == ["BATCH_NOT_EXISTS", "NOT_A_ON_GOING_BATCH", "SUCCESS"]
    assert result == {
        "do_789": ["Score Captured Successfully"],
        "BATCH_NOT_EXISTS": ["9"],
        "NOT_A_ON_GOING_BATCH": ["0124"],
    }
    assert logged(log) == [text(item())]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"request": null}', b'{"request": []}', b'{"request": {"assessments": {"a": 1}}}']
)
def test_an_invalid_request_gives_400(http: Http, body: bytes) -> None:
    answer = http.post(VIEW, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["responseCode"], answer.json()["result"]) == (400, "CLIENT_ERROR", {})


def test_a_page_of_another_site_cannot_write(http: Http, log: Path) -> None:
    """A browser sends `text/plain` to any site. Before JSON it sends a preflight request, which is not allowed."""
    answer = http.post(VIEW, content=text(request_body(**flat())), headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["responseCode"]) == (415, "CLIENT_ERROR")
    assert logged(log) == []
    preflight = http.request("OPTIONS", VIEW, headers={"origin": "http://elsewhere"})
    assert (preflight.status_code, preflight.headers["allow"]) == (405, "POST")
    assert not [name for name in preflight.headers if name.startswith("access-control")]
