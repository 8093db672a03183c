"""Hostile requests cannot affect other learners, our keys, the limits of the decoder, or other attempts."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from assess_core.domain.events import Accepted, Record, RecordKind, decode
from assess_core.domain.json_text import MAX_DEPTH
from assess_core.settings import Settings
from graphql_api.assessments import Verdict, refusals
from tests.api.client import Http
from tests.api.writes import STATE, VIEW, content, item, logged, request_body
from tests.factories import RECEIVED, event, text

JSON = {"content-type": "application/json"}


@pytest.fixture
def log(settings: Settings) -> Path:
    """The log folder of the API."""
    return Path(settings.log)


def submit(http: Http, path: str, body: object) -> Any:
    """Send a body, which may contain bytes that no encoder writes, and return the status and body of the response."""
    send = http.patch if path == STATE else http.post
    response = send(path, content=body if isinstance(body, bytes) else text(body), headers=JSON)
    return {"status": response.status_code, **response.json()}


@pytest.mark.parametrize("path", [STATE, VIEW])
def test_a_client_cannot_forge_a_line_of_our_log(http: Http, log: Path, path: str) -> None:
    forged = item(userId="me", receivedAt=RECEIVED, value=event(user="victim"))

    assert submit(http, path, request_body(assessments=[forged]))["status"] == 200

    [value] = logged(log)
    assert not {"receivedAt", "value"} & json.loads(value).keys()
    found = decode(
        Record("/log/a.jsonl", 0, 1, b'{"receivedAt":%d,"value":%b}' % (RECEIVED, value), kind=RecordKind.LINE)
    )
    assert isinstance(found, Accepted)
    assert (found.version.key.user_id, found.version.received_at) == ("me", RECEIVED)


@pytest.mark.parametrize("path", [STATE, VIEW])
def test_half_of_a_surrogate_pair_in_a_text_is_replaced_and_the_attempt_is_stored(
    http: Http, log: Path, path: str
) -> None:
    broken = item(attemptId="broken", note="@")
    body = text(request_body(assessments=[item(), broken])).replace(b'"@"', rb'"well done \ud83d"')

    found = submit(http, path, body)

    assert (found["status"], [line["status"] for line in found["result"]["details"]]) == (200, ["SUCCESS"] * 2)
    assert [json.loads(value)["attemptId"] for value in logged(log)] == ["abcd", "broken"]
    assert json.loads(logged(log)[1])["note"] == "well done \ufffd"


@pytest.mark.parametrize("path", [STATE, VIEW])
@pytest.mark.parametrize("name", ["userId", "courseId", "batchId", "contentId", "attemptId"])
def test_half_of_a_surrogate_pair_in_an_id_rejects_only_this_attempt(
    http: Http, log: Path, path: str, name: str
) -> None:
    body = text(request_body(assessments=[item(**{name: "@"}), item(attemptId="good")])).replace(b'"@"', rb'"x\ud83d"')

    found = submit(http, path, body)

    assert [line["status"] for line in found["result"]["details"]] == ["INVALID_ID", "SUCCESS"]
    assert "surrogate" in found["result"]["details"][0]["reason"]
    assert [json.loads(value)["attemptId"] for value in logged(log)] == ["good"]


@pytest.mark.parametrize("name", ["details", "BATCH_NOT_EXISTS", "NOT_A_ON_GOING_BATCH"])
def test_a_batch_with_the_name_of_one_of_our_keys_is_reported_only_in_details(http: Http, name: str) -> None:
    found = submit(http, STATE, request_body(assessments=[item(batchId=name, contentId=name)], contents=[content()]))
    viewed = submit(http, VIEW, request_body(assessments=[item(batchId=name, contentId=name)]))

    assert found["result"].keys() == viewed["result"].keys() == {"details"}
    assert [line["status"] for line in found["result"]["details"]] == ["SUCCESS", "NOT_KEPT"]


@pytest.mark.parametrize("path", [STATE, VIEW])
def test_a_body_that_is_nested_too_deeply_is_refused(http: Http, log: Path, path: str) -> None:
    around = 4  # the body, `request`, `assessments`, and an assessment
    for depth, status in ((MAX_DEPTH - around, 200), (MAX_DEPTH - around + 1, 400), (100_000, 400)):
        body = text(request_body(assessments=[item(deep="@")])).replace(b'"@"', b"[" * depth + b"]" * depth)
        assert submit(http, path, body)["status"] == status
    assert len(logged(log)) == 1


def test_time_to_answer_is_linear_in_the_number_of_unknown_batches() -> None:
    def seconds_a_batch(batches: int) -> float:
        found = [(f"batch {n}", Verdict.UNKNOWN_BATCH) for n in range(batches)]
        start = time.thread_time()
        assert len(refusals(found)["BATCH_NOT_EXISTS"]) == batches
        return (time.thread_time() - start) / batches

    few, many = (min(seconds_a_batch(batches) for _ in range(5)) for batches in (500, 16_000))
    assert many < 8 * few  # a search in a list would take 30 times as long
