"""`POST /v1/content/state/read`: the scores of attempts, as Sunbird's portal and app read them."""

from typing import Any

import httpx
import pytest

from assess_core.ports.stores import Stores
from graphql_api.attempt_reads import MOST_SCORES
from tests.api.client import Http
from tests.api.writes import STATE_READ
from tests.factories import ATTEMPTED, event, wire_answer
from tests.loop import put_away, take

MISSING, WRONG_TYPE = "MANDATORY_PARAMETER_MISSING", "DATA_TYPE_ERROR"


def scored(score: float, **named: object) -> dict[str, object]:
    return event(answers=[wire_answer(score=score, maxscore=20)], **named)


def read(http: Http, path: str = STATE_READ, **request: object) -> httpx.Response:
    complete = {"userId": "u1", "courseId": "c1", "batchId": "b1", **request}
    return http.post(path, json={"request": {name: value for name, value in complete.items() if value is not ...}})


def contents(http: Http, **request: Any) -> list[dict[str, Any]]:
    answer = read(http, **request)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["result"]["contentList"]
    return found


def test_archive_and_clear_do_not_shrink_the_list_of_scores(stores: Stores, http: Http) -> None:
    take(stores, scored(10), scored(5, attempt="t2", attempted=ATTEMPTED + 1), scored(7, batch="b2"))
    for _ in range(2):
        assert contents(http, fields=["progress", "score"], contentIds=["a1"]) == [
            {
                "contentId": "a1", "batchId": "b1", "courseId": "c1", "collectionId": "c1", "status": 2,
                "progress": 100,
                "score": [
                    {"attemptId": "t2", "lastAttemptedOn": "2024-01-30 00:00:00:001+0000", "totalMaxScore": 20,
                     "totalScore": 5},
                    {"attemptId": "t1", "lastAttemptedOn": "2024-01-30 00:00:00:000+0000", "totalMaxScore": 20,
                     "totalScore": 10},
                ],
            }
        ]  # fmt: skip
        put_away(stores)


def test_the_envelope_is_that_of_the_learning_service_on_every_path(http: Http) -> None:
    for prefix in ("", "/private", "/api/course"):
        answer = read(http, prefix + STATE_READ)
        body = answer.json()
        assert (body["id"], body["ver"], body["responseCode"]) == ("api.content.state.read", "v1", "OK")
        assert body["result"] == {"contentList": []}
        assert answer.headers["x-response-length"] == "18"


def test_only_the_named_contents_are_listed_and_scores_only_if_they_are_asked_for(stores: Stores, http: Http) -> None:
    take(stores, *(scored(1, content=content) for content in ("a1", "a2", "a3")))
    assert [one["contentId"] for one in contents(http, contentIds=["a3", "a1", "a9"])] == ["a1", "a3"]
    assert [one["contentId"] for one in contents(http, contentIds=[])] == ["a1", "a2", "a3"]
    assert not [one for one in contents(http) if "score" in one]


def test_the_newest_scores_are_listed_up_to_the_limit_of_sunbirds_service(stores: Stores, http: Http) -> None:
    take(stores, *(scored(n, attempt=f"t{n}", attempted=ATTEMPTED + n) for n in range(MOST_SCORES + 2)))
    [content] = contents(http, fields=["score"])
    assert [one["totalScore"] for one in content["score"]] == list(range(MOST_SCORES + 1, 1, -1))


@pytest.mark.parametrize(
    "named", [{"collectionId": "c1"}, {"courseIds": ["c1", "c2"]}, {"collectionId": "c1", "courseIds": []}]
)
def test_the_course_has_three_names(stores: Stores, http: Http, named: dict[str, Any]) -> None:
    take(stores, scored(10), scored(7, course="c2"))
    assert [one["courseId"] for one in contents(http, **{"courseId": ..., **named})] == ["c1"]


@pytest.mark.parametrize(
    ("request_", "err", "message"),
    [
        ({"userId": ...}, MISSING, "Mandatory parameter userId is missing."),
        ({"userId": " "}, MISSING, "Mandatory parameter userId is missing."),
        ({"courseId": None}, MISSING, "Mandatory parameter courseId is missing."),
        ({"courseId": ..., "courseIds": []}, MISSING, "Mandatory parameter courseId is missing."),
        ({"batchId": ""}, MISSING, "Mandatory parameter batchId is missing."),
        ({"batchId": 7}, WRONG_TYPE, "Data type of batchId should be String."),
        ({"contentIds": "a1"}, WRONG_TYPE, "Data type of contentIds should be List."),
        ({"contentIds": [7]}, WRONG_TYPE, "Data type of contentIds should be List."),
        ({"courseId": ..., "courseIds": "c1"}, WRONG_TYPE, "Data type of courseIds should be List."),
        ({"fields": {}}, WRONG_TYPE, "Data type of fields should be List."),
    ],
    ids=str,
)
def test_a_wrong_request_is_refused(http: Http, request_: dict[str, Any], err: str, message: str) -> None:
    answer = read(http, **request_)
    params = answer.json()["params"]
    assert (answer.status_code, params["err"], params["status"], params["errmsg"]) == (400, err, err, message)


def test_another_method_a_wrong_body_and_half_of_a_character_are_refused(http: Http) -> None:
    refused = http.get(STATE_READ)
    assert (refused.status_code, refused.headers["allow"], refused.json()["id"]) == (
        405,
        "POST",
        "api.content.state.read",
    )
    for body in (b"", b"[]", b"{}", b'{"request": 7}', b'{"request": {"userId": "\\ud800"}}', b"\xff"):
        answer = http.post(STATE_READ, content=body)
        assert (answer.status_code, answer.json()["responseCode"]) == (400, "CLIENT_ERROR")
