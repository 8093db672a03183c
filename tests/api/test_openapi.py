"""The contracts: OpenAPI document, its page, and the GraphQL schema, compared with the code and with live answers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from assess_core.adapters.files.links import SignedLinks
from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.report_jobs import Rules
from assess_core.domain.signed_links import LINK_PATH
from assess_core.ports.stores import Stores
from assess_core.usecases.requesting import Requesting
from graphql_api import assess_update, state_update, wire
from graphql_api.app import create_app
from graphql_api.contract import OPERATIONS
from graphql_api.dataset import ReportRequests
from graphql_api.openapi import document
from graphql_api.permissions import ROUTES
from tests import contracts, reference_pages
from tests.api.client import Http, client
from tests.api.writes import ATTEMPT_READ, STATE, STATE_READ, SUBMIT, VIEW, content, item
from tests.factories import MONDAY, event, wire_answer
from tests.fuzz_api import validator_of
from tests.loop import queries, take

READ, REPORTS = "/v2/view/assess/read", "/dataset/v1/request"
LEARNER: Final = {"userId": "u1", "courseId": "c1", "batchId": "b1"}
REPORT: Final = {"tag": "t", "dataset": "score-exhaust", "datasetConfig": {"batchId": "b1"}}
SENT: Final[list[tuple[str, str, Any, int]]] = [
    (READ, READ, {"userId": "u1", "assessmentId": "a1", "batchId": "b1"}, 200),
    (READ, READ, {"userId": "u1", "assessmentId": "a1"}, 200),
    (READ, READ, {"userId": "u1", "assessmentId": "a9"}, 200),
    (READ, READ, {}, 400),
    (VIEW, VIEW, item(), 200),
    (VIEW, VIEW, {"assessments": [item(), item(attemptId="2")]}, 200),
    (VIEW, VIEW, {}, 400),
    (STATE, STATE, {"contents": [content(), content(contentId="c2")], "assessments": [item()]}, 200),
    (STATE, STATE, LEARNER, 200),
    (STATE, STATE, {}, 400),
    (STATE_READ, STATE_READ, {**LEARNER, "fields": ["score"]}, 200),
    (STATE_READ, STATE_READ, LEARNER, 200),
    (STATE_READ, STATE_READ, {}, 400),
    (SUBMIT, SUBMIT, {**item(events=...), "assessments": [wire_answer()]}, 200),
    (SUBMIT, SUBMIT, {}, 400),
    (ATTEMPT_READ, ATTEMPT_READ, {"userId": "u1", "contentId": "a1", "collectionId": "c1", "contextId": "b1"}, 200),
    (ATTEMPT_READ, ATTEMPT_READ, {}, 400),
    (f"{REPORTS}/submit", f"{REPORTS}/submit", REPORT, 200),
    (f"{REPORTS}/submit", f"{REPORTS}/submit", {}, 400),
    (f"{REPORTS}/search", f"{REPORTS}/search", {"filters": {"dataset": "score-exhaust"}, "limit": 5}, 200),
    (f"{REPORTS}/search", f"{REPORTS}/search", {"limit": "many"}, 400),
    (f"{REPORTS}/list/{{tag}}", f"{REPORTS}/list/t", None, 200),
    (f"{REPORTS}/read/{{tag}}", f"{REPORTS}/read/t?requestId=r", None, 200),
    (f"{REPORTS}/read/{{tag}}", f"{REPORTS}/read/t", None, 400),
    (f"{REPORTS}/cancel/{{tag}}", f"{REPORTS}/cancel/t?requestId=r", None, 200),
    (f"{LINK_PATH}{{name}}", f"{LINK_PATH}x.csv?expires=1&signature=x", None, 403),
    ("/health", "/health", None, 200),
    ("/health/live", "/health/live", None, 200),
    ("/health/ready", "/health/ready", None, 200),
    ("/ready", "/ready", None, 200),
]
"""Path of the document, path as sent, `request` of the body, status."""


@pytest.fixture
def http(stores: Stores, tmp_path: Path) -> Iterator[Http]:
    intake = stores.log.intake()
    requesting = Requesting(MemoryRequests(), SignedLinks(tmp_path), Rules(), lambda: MONDAY)
    requests = ReportRequests.of(requesting, stores.exhausts, "")
    with client(create_app(queries(stores), intake, requests=requests)) as found:
        yield found
    intake.close()


def problems(schema: dict[str, Any], value: object) -> list[str]:
    """How a value differs from a schema of the document."""
    found = validator_of(json.dumps(schema)).iter_errors(value)
    return [f"{error.json_path}: {error.message[:200]}" for error in found]


def test_live_answers_have_the_shape_that_the_document_says(stores: Stores, http: Http) -> None:
    take(stores, event(), event(batch="b2", attempted=None))
    wrong, seen = {}, set()
    for path, sent, request, status in SENT:
        [(method, operation)] = document()["paths"][path].items()
        body = None if request is None else {"request": request}
        answer = http.request(method, sent, json=body, headers={"x-channel-id": "c"})
        assert answer.status_code == status, (sent, request, answer.text)
        if body and status == 200:
            assert not problems(operation["requestBody"]["content"]["application/json"]["schema"], body)
        schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
        if found := problems(schema, answer.json()):
            wrong[f"{sent} {request}"] = found
        seen.add(path)
    assert not wrong
    aliases = {path for path in document()["paths"] if re.match("/private|/api/course|/v1/user", path)}
    assert seen == document()["paths"].keys() - aliases


def test_the_document_has_every_rest_path_with_the_method_that_the_app_takes(http: Http) -> None:
    pages = {
        path for path in ROUTES if re.match(r"/$|/console/|/graphi?ql|/openapi|/metrics", path)
    }  # no JSON of this API
    assert OPERATIONS.keys() == ROUTES.keys() - pages
    for path, operation in OPERATIONS.items():
        allowed = http.request("PROPFIND", path).headers["allow"]
        assert operation.method.upper() in allowed.split(", "), path


def test_the_document_has_the_members_that_the_code_reads() -> None:
    def members(type_: type[msgspec.Struct]) -> set[str]:
        return set(type_.__struct_fields__) - {"receivedAt", "value"}  # members of our log's lines, which are dropped

    for documented, read in (
        (wire.Update, assess_update.Members),
        (wire.StateUpdate, state_update.Request),
        (wire.Content, state_update.ContentMembers),
        (wire.Assessment, state_update.Item),
    ):
        assert members(documented) == members(read)


def test_the_document_is_valid_and_names_each_operation_once() -> None:
    for schema in document()["components"]["schemas"].values():
        validator_of("{}").check_schema(schema)
    operations = [one for methods in document()["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    text = json.dumps(document())
    references = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert references <= document()["components"]["schemas"].keys()


def test_the_document_and_its_page_come_from_this_server_only(http: Http) -> None:
    served = http.get("/openapi.json")
    assert served.json() == document()
    assert http.get("/openapi.json", headers={"if-none-match": served.headers["etag"]}).status_code == 304

    page = http.get("/openapi")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert not re.search(r"//|\*|unsafe", policy)
    for path in re.findall(r'(?:src|href)="(/openapi/[^"]*)"', page.text):
        assert http.get(path).status_code == 200
    script = http.get("/openapi/view.js").text
    assert not re.search(r"innerHTML|https?:|eval\(", script)
    for name in ("index.html", "..%2fapp.py", "x"):
        assert http.get(f"/openapi/{name}").status_code == 404


# --- what is published ---


def test_the_published_contracts_are_those_of_the_code() -> None:
    why = "type `make contracts`, which names the changes that break clients"
    assert contracts.GRAPHQL.read_text(encoding="utf-8") == contracts.graphql_text(), why
    assert contracts.OPENAPI.read_text(encoding="utf-8") == contracts.openapi_text(), why
    for page, text in reference_pages.pages().items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: type `make contracts`"


def test_changes_that_break_clients_are_named() -> None:
    old = "type Query { a: Int, b(c: Int): String }"
    assert contracts.breaking_graphql(old, "type Query { a: Int, b(c: Int): String, d: Int }") == []
    assert contracts.breaking_graphql(old, "type Query { b(c: Int!): String }") == [
        "Query.a was removed.",
        "Query.b arg c has changed type from Int to Int!.",
    ]

    changed = json.loads(json.dumps(document()))
    assert list(contracts.breaking_openapi(document(), changed)) == []
    del changed["paths"]["/health"]
    del changed["components"]["schemas"]["Job"]["properties"]["status"]
    changed["components"]["schemas"]["ScoreRead"]["required"].append("courseId")
    assert list(contracts.breaking_openapi(document(), changed)) == [
        "GET /health was removed.",
        "Job.status was removed.",
        "ScoreRead.courseId became required.",
    ]
