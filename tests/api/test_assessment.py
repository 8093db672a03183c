"""`/v1/assessment/submit` and `/v1/assessment/read`, as Sunbird's draft of the viewing service has them."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from tests.api.client import Http
from tests.api.test_write_view import flat
from tests.api.writes import ATTEMPT_READ, SUBMIT, item, logged
from tests.factories import event, wire_answer
from tests.loop import put_away, take


def submit(http: Http, request: object, **sent: Any) -> httpx.Response:
    return http.post(SUBMIT, json={"request": request}, **sent)


@pytest.fixture
def log(settings: Settings) -> Path:
    return Path(settings.log)


def ids(log: Path) -> dict[str, str]:
    """The ids of the only message of the log."""
    (value,) = logged(log)
    return {name: id_ for name, id_ in json.loads(value).items() if name.endswith("Id")}


def test_a_submitted_assessment_is_acknowledged_in_the_envelope_of_the_draft(http: Http, log: Path) -> None:
    answer = submit(http, flat(), headers={"x-msgid": "5e763bc2"})

    body = answer.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}\+0000", body.pop("ts"))
    assert body == {
        "id": "api.view.assess",
        "ver": "v1",
        "params": {"resmsgid": None, "msgid": "5e763bc2", "err": None, "status": "success", "errmsg": None},
        "responseCode": "OK",
        "result": {
            "do_789": "Score Updated",
            "details": [{"attemptId": "abcd", "status": "SUCCESS", "reason": None}],
        },
    }
    assert json.loads(logged(log)[0]) == item(events=flat()["assessments"])


@pytest.mark.parametrize(
    ("sent", "course", "batch"),
    [
        ({}, "do_123", "0123"),
        ({"contextId": ...}, "do_123", "do_123"),
        ({"contextId": None, "collectionId": "do_5"}, "do_5", "do_5"),
        ({"contextId": " ", "collectionId": ""}, "do_789", "do_789"),
        ({"contextId": ..., "collectionId": ..., "batchId": "7"}, "do_789", "7"),
    ],
    ids=str,
)
def test_the_course_replaces_a_missing_batch_and_the_assessment_a_missing_course(
    http: Http, log: Path, sent: dict[str, Any], course: str, batch: str
) -> None:
    assert submit(http, flat(**sent)).status_code == 200
    assert (ids(log)["courseId"], ids(log)["batchId"]) == (course, batch)


@pytest.mark.parametrize(
    ("sent", "err", "fields"),
    [
        ({"contentId": "", "collectionId": ...}, "CLIENT_ERROR", ["request.contentId"]),
        ({"contextId": 17, "collectionId": ...}, "CLIENT_ERROR", ["request.contextId"]),
        ({"assessments": []}, "MANDATORY_PARAMETER_MISSING", ["request.assessments"]),
        ({"assessments": ..., "events": ...}, "MANDATORY_PARAMETER_MISSING", ["request.assessments"]),
        ({"assessments": {}}, "CLIENT_ERROR", []),
    ],
    ids=str,
)
def test_a_refusal_names_the_members_that_the_client_sent(
    http: Http, log: Path, sent: dict[str, Any], err: str, fields: list[str]
) -> None:
    answer = submit(http, flat(**sent))

    body = answer.json()
    assert (answer.status_code, body["responseCode"], body["params"]["err"]) == (400, "BAD_REQUEST", err)
    assert (body["params"]["status"], list(body["result"])) == ("failed", fields)
    assert logged(log) == []


def scored(score: float, **named: object) -> dict[str, object]:
    return event(answers=[wire_answer(score=score, maxscore=10)], **named)


def test_all_attempts_of_an_assessment_are_read_also_after_they_were_cleared(http: Http, stores: Stores) -> None:
    take(stores, scored(6, attempt="t1"), scored(8, attempt="t2"), scored(9, content="a2"), scored(9, batch="b2"))
    for _ in range(2):
        asked = {"userId": "u1", "contentId": "a1", "collectionId": "c1", "contextId": "b1"}
        body = http.post(ATTEMPT_READ, json={"request": asked}).json()
        assert (body["id"], body["ver"], body["params"]["status"]) == ("api.assessment.read", "v1", "success")
        assert body["result"] == {
            **asked,
            "assessments": [
                {"attemptId": "t1", "score": 6, "max_score": 10},
                {"attemptId": "t2", "score": 8, "max_score": 10},
            ],
        }
        put_away(stores)


def test_what_was_submitted_without_a_batch_is_read_without_a_batch(http: Http, stores: Stores) -> None:
    take(stores, scored(6, course="a1", batch="a1"))
    result = http.post(ATTEMPT_READ, json={"request": {"userId": "u1", "contentId": "a1"}}).json()["result"]
    assert (result["contextId"], len(result["assessments"])) == ("a1", 1)


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        ({}, {"request.userId": "Field cannot be empty", "request.contentId": "Field cannot be empty"}),
        ({"userId": "u1", "contentId": 7}, {"request.contentId": "Field must be text"}),
        ([], {}),
        (None, {}),
    ],
    ids=str,
)
def test_a_wrong_read_is_refused_with_the_wrong_fields(http: Http, request_: object, fields: dict[str, str]) -> None:
    answer = http.post(ATTEMPT_READ, json={"request": request_})
    assert (answer.status_code, answer.json()["responseCode"], answer.json()["result"]) == (400, "BAD_REQUEST", fields)


@pytest.mark.parametrize("path", [SUBMIT, ATTEMPT_READ])
def test_another_method_and_a_wrong_body_are_refused_in_the_same_envelope(http: Http, path: str) -> None:
    refused = http.get(path)
    assert (refused.status_code, refused.headers["allow"], refused.json()["ver"]) == (405, "POST", "v1")
    wrong = http.post(path, content=b"{", headers={"content-type": "application/json"})
    assert (wrong.status_code, wrong.json()["responseCode"]) == (400, "BAD_REQUEST")
