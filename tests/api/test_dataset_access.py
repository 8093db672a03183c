"""Who may request reports: every path and field of requests, for every role."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from graphql import GraphQLObjectType

from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.report_jobs import Rules
from assess_core.ports.stores import Stores
from assess_core.usecases.report_work import Work, report_writer, work_one
from assess_core.usecases.requesting import Requesting
from graphql_api.dataset import ReportRequests, routes
from graphql_api.permissions import ROUTES
from graphql_api.schema import schema
from tests.api.client import Http
from tests.api.issuer import bearer, guarded, token, trusting
from tests.factories import MONDAY, event
from tests.loop import take

ROOT: Final = "/dataset/v1/request"
RULES: Final = Rules()
REFUSED: Final[dict[str, tuple[dict[str, Any] | None, int]]] = {
    "anonymous": (None, 401),
    "learner": ({"roles": ["learner"]}, 403),
    "auditor": ({"roles": ["auditor"]}, 403),
}
"""Caller -> the claims of its token, and the status of every answer."""
MENTOR: Final = {"roles": ["mentor"], "batches": ["b1"]}
CHANNEL: Final = {"x-channel-id": "in.ekstep"}
SUBMIT: Final = {"tag": "t", "dataset": "score-exhaust", "datasetConfig": {"batchId": "b1"}}
PATHS: Final[dict[str, tuple[str, str, Any]]] = {
    "submit": ("POST", f"{ROOT}/submit", {"request": SUBMIT}),
    "read/{tag:any}": ("GET", f"{ROOT}/read/t?requestId=r", None),
    "list/{tag:any}": ("GET", f"{ROOT}/list/t", None),
    "search": ("POST", f"{ROOT}/search", {"request": {"filters": {}}}),
    "cancel/{tag:any}": ("POST", f"{ROOT}/cancel/t?requestId=r", None),
}
FIELDS: Final = {
    "reportRequest": '{ reportRequest(tag: "t", requestId: "r") { requestId } }',
    "reportRequests": "{ reportRequests { requestId downloadUrls } }",
    "submitReportRequest": """mutation { submitReportRequest(
        tag: "t", dataset: "score-exhaust", config: "{\\"batchId\\": \\"b1\\"}") { requestId } }""",
    "cancelReportRequest": 'mutation { cancelReportRequest(tag: "t", requestId: "r") { requestId } }',
}


def operator() -> dict[str, str]:
    """The headers of an operator. A token is valid for ten minutes, so it is not made when the file is imported."""
    return {**bearer(token("o1", roles=["operator"])), **CHANNEL}


@pytest.fixture
def jobs() -> MemoryRequests:
    return MemoryRequests()


@pytest.fixture
def http(stores: Stores, jobs: MemoryRequests, tmp_path: Path) -> Iterator[Http]:
    take(stores, event())
    requesting = Requesting(jobs, SignedLinks(tmp_path), RULES, lambda: MONDAY)
    reports = ReportRequests.of(requesting, stores.exhausts, "")
    with guarded(stores, trusting(tmp_path), reports) as found:
        yield found


def headers(claims: dict[str, Any] | None) -> dict[str, str]:
    return {**CHANNEL, **({} if claims is None else bearer(token("u1", **claims)))}


@pytest.mark.parametrize("caller", REFUSED)
def test_only_operators_and_mentors_may_use_the_paths_and_fields_of_requests(
    http: Http, jobs: MemoryRequests, caller: str
) -> None:
    claims, status = REFUSED[caller]
    answers = {name: http.request(*path[:2], json=path[2], headers=headers(claims)) for name, path in PATHS.items()}
    answers |= {
        name: http.post("/graphql", json={"query": query}, headers=headers(claims)) for name, query in FIELDS.items()
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, status)
    assert not [name for name, answer in answers.items() if '"data"' in answer.text or "requestedBy" in answer.text]
    assert jobs.queue() == []


def test_a_mentor_may_not_name_learners(http: Http, jobs: MemoryRequests) -> None:
    mentor = headers(MENTOR)

    def statuses(names: str) -> list[int]:
        config = {"batchId": "b1", "names": names}
        asked = {"request": {**SUBMIT, "datasetConfig": config}}
        field = FIELDS["submitReportRequest"].replace('\\"b1\\"', f'\\"b1\\", \\"names\\": \\"{names}\\"')
        answers = [
            http.post(f"{ROOT}/submit", json=asked, headers=mentor),
            http.post("/graphql", json={"query": field}, headers=mentor),
        ]
        return [answer.status_code for answer in answers]

    assert statuses("learners") == [403, 403]
    assert jobs.queue() == []
    assert statuses("titles") == [200, 200]


def test_an_operator_requests_a_report_and_whoever_has_its_link_downloads_it(
    http: Http, stores: Stores, jobs: MemoryRequests
) -> None:
    asked = http.post(f"{ROOT}/submit", json={"request": SUBMIT}, headers=operator()).json()["result"]
    work_one(Work(jobs, stores.exhausts, report_writer(stores), RULES, lambda: MONDAY), "w1")
    found = http.get(f"{ROOT}/read/t", params={"requestId": asked["requestId"]}, headers=operator()).json()["result"]
    [url] = found["downloadUrls"]
    path = f"{urlsplit(url).path}?{urlsplit(url).query}"

    answer, changed = http.get(path), http.get(path + "0")

    assert (answer.status_code, answer.text.count("\n")) == (200, 2)
    assert changed.status_code == 403


def test_every_path_and_field_of_requests_has_a_row_in_this_test() -> None:
    paths = {route.path for route in routes()}  # type: ignore[attr-defined]
    assert paths == {path for path in ROUTES if path.startswith(ROOT)}
    assert paths == {f"{ROOT}/{name}" for name in (*PATHS, "download/{name:any}")}
    mutation, query = schema.type_map["Mutation"], schema.type_map["Query"]
    assert isinstance(mutation, GraphQLObjectType)
    assert isinstance(query, GraphQLObjectType)
    others = {"replayFailedEvents"}  # test_operators.py
    assert (
        set(FIELDS) == {*mutation.fields, *(name for name in query.fields if name.startswith("reportRequest"))} - others
    )
