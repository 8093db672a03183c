"""`PATCH /v1/content/state/update`: Sunbird's checks in Sunbird's order, its codes and its envelope."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from assess_core.adapters.files.facts import FactsBatch, JsonFacts
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.api.writes import ALIAS, STATE, content, item, logged, request_body
from tests.factories import text
from tests.loop import queries

DATE = ("DATE_FORMAT_ERRROR", "Date format error.")
COURSE = ("COURSE_ID_REQUIRED_ERROR", "Please provide course id.")
CONTENT = ("CONTENT_ID_REQUIRED_ERROR", "Please provide content id.")
STATUS = ("CONTENT_STATUS_MISSING_ERROR", "content status is required .")
ATTEMPTED = ("ATTEMPTED_DATE_REQUIRED", "Attempted data is required.")
BATCH = ("COURSE_BATCH_ID_MISSING", "Course batch Id required")
USER = ("USERID_MISSING", "UserId is mandatory.")
ATTEMPT = ("ATTEMPT_ID_REQUIRED_ERROR", "Please provide attempt id.")
EVENTS = ("EVENTS_DATA_MISSING", "Events array is mandatory")

JSON = {"content-type": "application/json"}
GOOD = "2020-11-23 12:58:35:179+0000"
NOT_AN_ID: list[Any] = [..., None, "", " \t\n", 17, 1.5, True, [], {"id": "x"}]
"""Values that are not an id: missing, null, blank, or not text."""


def one(error: tuple[str, str], *parts: Any) -> Any:
    return pytest.param(error, *parts, id=f"{error[0]}: {json.dumps(parts[-1], default=str)}")


NOT_A_DATE: list[Any] = [
    "",
    "yesterday",
    "2020-11-23 12:58:35.179+0000",
    "2020-11-23T12:58:35:179+0000",
    "2020-11-23 12:58:35:179",
    "2020-13-23 12:58:35:179+0000",
    "2020-11-31 12:58:35:179+0000",
    "2020-11-23 12:58:35:179+0000 ",
    "2020-11-23 25:58:35:179+0000",
    1606136315179,
    {},
]
CONTENTS: list[Any] = [
    *(one(DATE, {name: value}) for name in ("lastUpdatedTime", "lastCompletedTime") for value in NOT_A_DATE),
    *(one(COURSE, {"courseId": value}) for value in NOT_AN_ID),
    *(one(COURSE, {"courseId": ..., "collectionId": value}) for value in NOT_AN_ID),
    *(one(CONTENT, {"contentId": value}) for value in NOT_AN_ID if value not in ("", " \t\n")),
    *(one(STATUS, {"status": value}) for value in NOT_AN_ID[:2]),
]
ASSESSMENTS: list[Any] = [
    one(ATTEMPTED, {"assessmentTs": ...}),
    *(one(COURSE, {"courseId": value}) for value in NOT_AN_ID),
    one(COURSE, {"courseId": ..., "collectionId": "do_123"}),
    *(one(CONTENT, {"contentId": value}) for value in NOT_AN_ID),
    *(one(BATCH, {"batchId": value}) for value in NOT_AN_ID),
    *(one(USER, {"userId": value}) for value in NOT_AN_ID),
    *(one(ATTEMPT, {"attemptId": value}) for value in NOT_AN_ID),
    one(EVENTS, {"events": ...}),
]
ORDER_OF_CONTENTS = [
    (DATE, {"lastCompletedTime": "x"}),
    (COURSE, {"courseId": ...}),
    (CONTENT, {"contentId": None}),
    (STATUS, {"status": None}),
]
ORDER_OF_ASSESSMENTS = [
    (ATTEMPTED, {"assessmentTs": ...}),
    (COURSE, {"courseId": " "}),
    (CONTENT, {"contentId": " "}),
    (BATCH, {"batchId": " "}),
    (USER, {"userId": " "}),
    (ATTEMPT, {"attemptId": " "}),
    (EVENTS, {"events": ...}),
]


def refused(answer: httpx.Response, error: tuple[str, str], status: int = 400) -> None:
    body = answer.json()
    assert (answer.status_code, (body["params"]["err"], body["params"]["errmsg"])) == (status, error)
    assert body["params"]["status"] == error[0]
    assert (body["responseCode"], body["result"]) == ("CLIENT_ERROR", {})


def sunbirds_result(answer: httpx.Response) -> dict[str, Any]:
    """The result without `details`, which Sunbird does not have."""
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return {name: value for name, value in result.items() if name != "details"}


def details(answer: httpx.Response) -> list[tuple[str, str]]:
    return [
        (line.get("attemptId", line.get("contentId")), line["status"]) for line in answer.json()["result"]["details"]
    ]


@pytest.fixture
def log(settings: Settings) -> Path:
    return Path(settings.log)


@pytest.mark.parametrize(("error", "wrong"), CONTENTS)
def test_an_invalid_content_is_refused(http: Http, log: Path, error: tuple[str, str], wrong: dict[str, Any]) -> None:
    refused(http.patch(STATE, json=request_body(contents=[content(), content(**wrong)], assessments=[item()])), error)
    assert logged(log) == []


@pytest.mark.parametrize(("error", "wrong"), ASSESSMENTS)
def test_an_invalid_assessment_is_refused(http: Http, log: Path, error: tuple[str, str], wrong: dict[str, Any]) -> None:
    refused(http.patch(STATE, json=request_body(assessments=[item(), item(**wrong)])), error)
    assert logged(log) == []


@pytest.mark.parametrize(
    ("make", "name", "order"),
    [(content, "contents", ORDER_OF_CONTENTS), (item, "assessments", ORDER_OF_ASSESSMENTS)],
    ids=["contents", "assessments"],
)
def test_the_first_check_that_fails_is_reported(
    http: Http, make: Any, name: str, order: list[tuple[tuple[str, str], dict[str, object]]]
) -> None:
    wrong: dict[str, object] = {}
    for error, more in reversed(order):
        wrong |= more
        refused(http.patch(STATE, json=request_body(**{name: [make(**wrong)]})), error)


def test_contents_are_checked_first_and_elements_in_their_order(http: Http) -> None:
    late_first = [item(attemptId=None), item(assessmentTs=...)]
    refused(http.patch(STATE, json=request_body(assessments=late_first)), ATTEMPT)
    refused(http.patch(STATE, json=request_body(assessments=late_first, contents=[content(status=None)])), STATUS)


@pytest.mark.parametrize(
    "good",
    [
        {"lastUpdatedTime": GOOD, "lastCompletedTime": "2020-02-29 23:59:59:999+0530"},
        {"lastUpdatedTime": None, "lastCompletedTime": None},
        {"courseId": "", "collectionId": "do_123"},
        {"courseId": 17, "collectionId": "do_123"},
        {"contentId": ""},
        {"batchId": ...},
        {"status": "2"},
    ],
    ids=str,
)
def test_a_content_that_sunbird_accepts_is_accepted(http: Http, good: dict[str, Any]) -> None:
    assert sunbirds_result(http.patch(STATE, json=request_body(contents=[content(**good)]))) == {}


@pytest.mark.parametrize(
    "good",
    [
        {"assessmentTs": None},
        {"assessmentTs": "1567591211000"},
        {"assessmentTs": "2019-09-04T10:00:11Z"},
        {"assessmentTs": -1},
        {"assessmentTs": {"a": []}},
        {"events": []},
        {"events": None},
        {"events": "no list"},
        {"more": [{"deep": {"er": 1}}]},
    ],
    ids=str,
)
def test_an_assessment_that_sunbird_accepts_is_in_the_log(http: Http, log: Path, good: dict[str, Any]) -> None:
    answer = http.patch(STATE, content=text(request_body(assessments=[item(**good)])), headers=JSON)

    assert sunbirds_result(answer) == {"0123": "SUCCESS", "do_789": "SUCCESS"}
    assert logged(log) == [text(item(**good))]


# --- the answer ---


def test_the_envelope_is_that_of_the_learning_service(http: Http) -> None:
    answer = http.patch(STATE, json=request_body(assessments=[item()]), headers={"x-msgid": "74aa2cb5"})

    body = answer.json()
    assert list(body) == ["id", "ver", "ts", "params", "responseCode", "result"]
    assert (body["id"], body["ver"], body["responseCode"]) == ("api.content.state.update", "v1", "OK")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}\+0000", body["ts"])
    assert body["params"] == {
        "resmsgid": None,
        "msgid": "74aa2cb5",
        "err": None,
        "status": "success",
        "errmsg": None,
    }
    assert answer.headers["x-response-length"] == str(len(text(body["result"])))


def test_a_message_id_is_generated_if_none_is_sent(http: Http) -> None:
    found = {http.patch(STATE, json=request_body(assessments=[item()])).json()["params"]["msgid"] for _ in range(2)}
    assert len(found) == 2
    assert all(re.fullmatch(r"[0-9a-f-]{36}", one) for one in found)


def test_the_alias_gives_the_same_result_under_its_own_id(http: Http, log: Path) -> None:
    answer = http.patch(ALIAS, json=request_body(assessments=[item()]))

    assert sunbirds_result(answer) == {"0123": "SUCCESS", "do_789": "SUCCESS"}
    assert answer.json()["id"] == "api.user.content.state"
    assert logged(log) == [text(item())]


def test_every_item_has_its_own_line_in_details(http: Http) -> None:
    answer = http.patch(STATE, json=request_body(assessments=[item(), item(attemptId="efgh")], contents=[content()]))

    assert answer.json()["result"]["details"] == [
        {"attemptId": "abcd", "status": "SUCCESS", "reason": None},
        {"attemptId": "efgh", "status": "SUCCESS", "reason": None},
        {"contentId": "do_789", "status": "SUCCESS", "reason": None},
    ]


def test_contents_are_not_stored_and_are_reported_as_not_kept(http: Http, log: Path) -> None:
    answer = http.patch(STATE, json=request_body(contents=[content(contentId="do_1")], assessments=[item()]))

    assert sunbirds_result(answer) == {"0123": "SUCCESS", "do_789": "SUCCESS"}
    assert details(answer) == [("abcd", "SUCCESS"), ("do_1", "NOT_KEPT")]
    assert len(logged(log)) == 1


def test_a_request_with_only_contents_writes_nothing(http: Http, log: Path) -> None:
    answer = http.patch(STATE, json=request_body(contents=[content()]))

    assert sunbirds_result(answer) == {}
    assert details(answer) == [("do_789", "NOT_KEPT")]
    assert logged(log) == []


# --- batches ---

FACTS = JsonFacts(
    batches={"0123": FactsBatch("do_123", 1), "0124": FactsBatch("do_123", 2), "0125": FactsBatch("do_123", 0)},
)


@pytest.fixture
def known(stores: Stores, tmp_path: Path) -> Any:
    intake = stores.log.intake()
    with client(create_app(queries(stores, tmp_path), intake, FACTS)) as found:
        yield found
    intake.close()


def test_batches_that_are_unknown_or_over_are_named_and_the_rest_is_accepted(known: Http, log: Path) -> None:
    items = [
        item(attemptId="a", batchId="0999"),
        item(attemptId="b", batchId="0124", contentId="do_2"),
        item(attemptId="c"),
        item(attemptId="d", batchId="0125", contentId="do_3"),
        item(attemptId="e", batchId="0999"),
        item(attemptId="f", courseId="do_other"),
    ]
    answer = known.patch(STATE, json=request_body(assessments=items, contents=[content(batchId="0124"), content()]))

    assert sunbirds_result(answer) == {
        "0123": "SUCCESS",
        "do_789": "SUCCESS",
        "BATCH_NOT_EXISTS": ["0999", "0123"],
        "NOT_A_ON_GOING_BATCH": ["0124", "0125"],
    }
    assert details(answer) == [
        ("a", "BATCH_NOT_EXISTS"),
        ("b", "NOT_A_ON_GOING_BATCH"),
        ("c", "SUCCESS"),
        ("d", "NOT_A_ON_GOING_BATCH"),
        ("e", "BATCH_NOT_EXISTS"),
        ("f", "BATCH_NOT_EXISTS"),
        ("do_789", "NOT_A_ON_GOING_BATCH"),
        ("do_789", "SUCCESS"),
    ]
    assert [json.loads(value)["attemptId"] for value in logged(log)] == ["c"]


def test_a_request_whose_items_are_all_rejected_is_still_200_and_ok(known: Http, log: Path) -> None:
    answer = known.patch(STATE, json=request_body(assessments=[item(batchId="0124")]))

    assert sunbirds_result(answer) == {"NOT_A_ON_GOING_BATCH": ["0124"]}
    assert answer.json()["responseCode"] == "OK"
    assert all(line["reason"] for line in answer.json()["result"]["details"])
    assert logged(log) == []


# --- synchronisation ---

ENROLMENT = {"userId": "u1", "courseId": "do_123", "batchId": "0123"}


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        *(one(COURSE, {"courseId": value}) for value in NOT_AN_ID),
        *(one(COURSE, {"courseId": ..., "collectionId": value}) for value in NOT_AN_ID),
        *(one(BATCH, {"batchId": value}) for value in NOT_AN_ID),
        *(one(USER, {"userId": value}) for value in NOT_AN_ID),
        one(BATCH, {"batchId": ..., "userId": ...}),
        one(COURSE, {"courseId": ..., "batchId": ..., "userId": ...}),
    ],
)
def test_an_invalid_synchronisation_is_refused(
    http: Http, log: Path, error: tuple[str, str], wrong: dict[str, Any]
) -> None:
    request = {name: value for name, value in {**ENROLMENT, **wrong}.items() if value is not ...}
    refused(http.patch(STATE, json=request_body(**request)), error)
    assert logged(log) == []


@pytest.mark.parametrize("lists", [{}, {"contents": [], "assessments": []}, {"contents": None, "assessments": None}])
def test_a_request_without_lists_requests_a_recomputation(http: Http, log: Path, lists: dict[str, Any]) -> None:
    request = {"userId": "u1", "collectionId": "do_123", "batchId": "0123"}
    answer = http.patch(STATE, json=request_body(**request, **lists))

    assert answer.json()["result"] == {"response": "SUCCESS"}
    (value,) = logged(log)
    message = json.loads(value)
    assert message.pop("assessmentTs") > 1_700_000_000_000
    assert message == ENROLMENT


def test_a_synchronisation_of_an_unknown_batch_is_refused(known: Http, log: Path) -> None:
    message = "No Enrolment found for userId: u1, batchId: 0999, courseId: do_123"
    answer = known.patch(STATE, json=request_body(**{**ENROLMENT, "batchId": "0999"}))
    refused(answer, ("INVALID_REQUESTED_DATA", message))
    assert sunbirds_result(known.patch(STATE, json=request_body(**{**ENROLMENT, "batchId": "0124"}))) == {
        "response": "SUCCESS"
    }
    assert len(logged(log)) == 1


# --- invalid requests ---


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON"),
        (b"nonsense", "the body is not JSON"),
        (b"[]", "the body does not have the expected shape"),
        (b'"text"', "the body does not have the expected shape"),
        (b'{"request": {"assessments": [{"userId": "\xff"}]}}', "the body is not JSON"),
        (b'{"request": {"assessments": [{"userId": "a\nb"}]}}', "the body is not JSON"),
        (b'{"request": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the body is nested too deeply"),
        (b"{}", "`request` must be an object"),
        (b'{"request": null}', "`request` must be an object"),
        (b'{"request": []}', "`request` must be an object"),
        (b'{"request": {"assessments": {}}}', "`assessments` must be a list"),
        (b'{"request": {"assessments": 1e400}}', "`assessments` must be a list"),
        (b'{"request": {"assessments": [null]}}', "`assessments[0]` must be an object"),
        (b'{"request": {"assessments": ["x"]}}', "`assessments[0]` must be an object"),
        (b'{"request": {"contents": "x"}}', "`contents` must be a list"),
        (b'{"request": {"contents": [[]]}}', "`contents[0]` must be an object"),
    ],
    ids=lambda value: repr(value[:60]),
)
def test_an_invalid_request_gives_400(http: Http, log: Path, body: bytes, message: str) -> None:
    answer = http.patch(STATE, content=body, headers=JSON)

    assert answer.status_code == 400
    found = answer.json()
    assert (found["params"]["err"], found["responseCode"], found["result"]) == ("CLIENT_ERROR", "CLIENT_ERROR", {})
    assert found["params"]["errmsg"].startswith(message)
    assert logged(log) == []


def test_a_body_that_is_too_long_gives_413(http: Http) -> None:
    answer = http.patch(STATE, content=b" " * (1024 * 1024 + 1), headers=JSON)
    assert (answer.status_code, answer.json()["params"]["err"]) == (413, "CLIENT_ERROR")


def test_the_content_type_must_be_json(http: Http) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = http.patch(STATE, content=text(request_body(assessments=[item()])), headers={"content-type": kind})
        assert (answer.status_code, answer.json()["responseCode"]) == (415, "CLIENT_ERROR")


def test_other_methods_are_refused_and_the_allowed_ones_are_named(http: Http) -> None:
    answer = http.post(STATE, json=request_body(assessments=[item()]))
    assert (answer.status_code, answer.headers["allow"]) == (405, "PATCH, OPTIONS")
    assert answer.json()["params"]["errmsg"] == "POST is not allowed; use PATCH"
    options = http.request("OPTIONS", STATE)
    assert (options.status_code, options.headers["allow"]) == (200, "PATCH, OPTIONS")
    assert not [name for name in options.headers if name.startswith("access-control")]
