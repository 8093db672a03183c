"""Who may: every path and every GraphQL field, for every role, about own and other learners and batches.

The expected answers are written here, independently of the tables of the code. Requests for reports are in
`test_dataset_access.py`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import httpx
import pytest
from graphql import GraphQLObjectType
from starlette.routing import Route

from assess_core.adapters.files.facts import FactsBatch, JsonFacts
from assess_core.adapters.metrics.exposition import exposition
from assess_core.adapters.metrics.memory import MemoryMeter
from assess_core.chunks import chunks
from assess_core.domain.access import Caller, Role
from assess_core.errors import Forbidden
from assess_core.ports.meter import Meters
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.seals import seal
from assess_core.wiring import open_stores
from graphql_api.app import create_app
from graphql_api.permissions import FIELDS, ROUTES
from graphql_api.reading import Context
from graphql_api.schema import schema
from tests.api.client import Http
from tests.api.issuer import bearer, guarded, token, trusting
from tests.api.selections import named, selections
from tests.api.writes import ALIAS, ATTEMPT_READ, STATE, STATE_READ, SUBMIT, VIEW, content, item, logged, request_body
from tests.factories import event, wire_answer
from tests.loop import put_away, queries, take

FACTS: Final = JsonFacts(
    batches={batch: FactsBatch(course, 1) for batch, course in (("b1", "c1"), ("b2", "c2"), ("0123", "do_123"))}
)
CALLERS: Final[dict[str, dict[str, Any] | None]] = {
    "anonymous": None,
    "learner": {"roles": ["learner"], "batches": ["b1"], "courses": ["c1"]},  # a grant without the role gives nothing
    "mentor": {"roles": ["mentor"], "batches": ["b1"]},
    "course mentor": {"roles": ["mentor"], "courses": ["c1"]},
    "auditor": {"roles": ["auditor"], "batches": ["b1"], "courses": ["c1"]},
    "operator": {"roles": ["operator"]},
}
"""Caller -> the claims of its token. Batch b1 belongs to course c1, batch b2 to course c2."""

PROBES: Final = ("/health", "/health/live", "/health/ready", "/ready")
OWN_ROWS, OPERATORS = " yes yes yes no yes", " no no no no yes"
BY_BATCH, BY_COURSE = " no yes no no yes", " no no yes no yes"
BATCHES_OF_MENTOR, ALL_BATCHES = " no yes no yes yes", " no no no yes yes"
AUDITORS = " no no no yes yes"
BY_EITHER = " no yes yes no yes"
ANY_TOKEN = " yes yes yes yes yes"

# what is asked (ME: the caller's own id) -> whether learner, mentor, course mentor, auditor, operator get an answer
QUERIES: Final[dict[str, str]] = {
    'score(userId: "ME", assessmentId: "a1")': OWN_ROWS,
    'score(userId: "ME", assessmentId: "a1", batchId: "b2")': OWN_ROWS,
    'score(userId: "u2", assessmentId: "a1")': OPERATORS,
    'score(userId: "u2", assessmentId: "a1", batchId: "")': OPERATORS,
    'score(userId: "u2", assessmentId: "a1", batchId: "b1")': BY_BATCH,
    'score(userId: "u2", assessmentId: "a1", batchId: "b2")': OPERATORS,
    'score(userId: "u2", assessmentId: "a1", courseId: "c1")': BY_COURSE,
    'score(userId: "u2", assessmentId: "a1", courseId: "c2")': OPERATORS,
    'score(userId: "", assessmentId: "a1", batchId: "b2")': OPERATORS,
    'scores(userId: "ME", assessmentId: "a1")': OWN_ROWS,
    'scores(userId: "u2", assessmentId: "a1")': OPERATORS,
    'scores(userId: "u2", assessmentId: "a1", batchId: "b1")': BY_BATCH,
    'scores(userId: "u2", assessmentId: "a1", courseId: "c1")': BY_COURSE,
    'attempts(userId: "ME")': OWN_ROWS,
    'attempts(userId: "ME", batchId: "b2")': OWN_ROWS,
    'attempts(userId: "u2")': OPERATORS,
    'attempts(userId: "u2", batchId: "b1")': BY_BATCH,
    'attempts(userId: "u2", courseId: "c1")': BY_COURSE,
    'attempts(batchId: "b1")': BY_BATCH,
    'attempts(batchId: "b1", courseId: "c1")': " no yes yes no yes",
    'attempts(batchId: "b2")': OPERATORS,
    'attempts(userId: null, batchId: "b2", courseId: "")': OPERATORS,
    'batch(batchId: "b1")': BATCHES_OF_MENTOR,
    'batch(batchId: "b2")': ALL_BATCHES,
    'explain(userId: "ME", assessmentId: "a1")': AUDITORS,
    'explain(userId: "u2", assessmentId: "a1", batchId: "b1", courseId: "c1")': AUDITORS,
    'batches(courseId: "c1")': " no no yes yes yes",
    'batches(courseId: "c2")': ALL_BATCHES,
    'batches(courseId: "c2", first: 1, after: "b1")': ALL_BATCHES,
    "slices": ALL_BATCHES,
    'slices(batchId: "")': ALL_BATCHES,
    'slices(batchId: "b1")': BATCHES_OF_MENTOR,
    'slices(batchId: "b2")': ALL_BATCHES,
    'slices(after: "b1|2024-W01")': ALL_BATCHES,
    "failedEvents": OPERATORS,
    "holds": OPERATORS,
    "erasures": OPERATORS,
    'manifest(sliceId: "b1|2024-W05")': AUDITORS,
    'balance(batchId: "b1")': AUDITORS,
    "corrections": AUDITORS,
    "seals": AUDITORS,
    'sealProof(sliceId: "b1|2024-W05")': AUDITORS,
    'sealConsistency(since: "SEAL")': AUDITORS,
}
EXPLAINED_ANSWERS: Final = (
    '{ explain(userId: "u2", assessmentId: "a1", batchId: "b1") { versions { copies { answers { questionId } } } } }'
)
BATCH_PARTS: Final[dict[str, str]] = {  # inside batch(batchId: "b1")
    "attempts": BY_BATCH,
    'attempts(userId: "u2")': BY_BATCH,
    "slices": BATCHES_OF_MENTOR,
}
APART: Final = {("StoredCopy", "answers"), *(("Batch", part.partition("(")[0]) for part in BATCH_PARTS)}
"""Fields with a table of their own: `EXPLAINED_ANSWERS` and `BATCH_PARTS`."""


def read(**request: object) -> tuple[str, str, Any]:
    return "POST", "/v2/view/assess/read", request_body(assessmentId="a1", **request)


def state(**request: object) -> tuple[str, str, Any]:
    return "PATCH", STATE, request_body(**request)


def view(**request: object) -> tuple[str, str, Any]:
    return "POST", VIEW, request_body(**{**item(userId=..., events=...), "assessments": [wire_answer()]}, **request)


def submit(**request: object) -> tuple[str, str, Any]:
    return "POST", SUBMIT, view(**request)[2]


def states(path: str, **request: object) -> tuple[str, str, Any]:
    return "POST", path, request_body(fields=["score"], **request)


def attempt_read(**request: object) -> tuple[str, str, Any]:
    return "POST", ATTEMPT_READ, request_body(**{"contentId": "a1", **request})


REQUESTS: Final[list[tuple[tuple[str, str, Any], str]]] = [
    (read(userId="ME"), OWN_ROWS),
    (read(), OWN_ROWS),
    (read(userId="u2"), OPERATORS),
    (read(userId="u2", batchId="b1"), BY_BATCH),
    (read(userId="u2", batchId="b2"), OPERATORS),
    (read(userId="u2", courseId="c1"), BY_COURSE),
    (read(userId="u2", courseId="c2", batchId=""), OPERATORS),
    (state(assessments=[item(userId="ME")]), OWN_ROWS),
    (state(userId="ME", assessments=[item(userId="ME"), item(userId="ME", attemptId="2")]), OWN_ROWS),
    (state(assessments=[item(userId="u2", batchId="b1", courseId="c1")]), OPERATORS),
    (state(userId="ME", assessments=[item(userId="ME"), item(userId="u2")]), OPERATORS),
    (state(userId="u2", assessments=[item(userId="ME")]), OPERATORS),
    (state(userId="ME", contents=[content()]), OWN_ROWS),
    (state(userId="u2", contents=[content()]), OPERATORS),
    (state(contents=[content()]), ANY_TOKEN),
    (state(userId="ME", courseId="c1", batchId="b1"), OWN_ROWS),
    (state(userId="u2", courseId="c1", batchId="b1"), OPERATORS),
    (("PATCH", ALIAS, request_body(assessments=[item(userId="ME")])), OWN_ROWS),
    (("PATCH", ALIAS, request_body(assessments=[item(userId="u2")])), OPERATORS),
    (view(userId="ME"), OWN_ROWS),
    (view(), OWN_ROWS),
    (view(userId="u2"), OPERATORS),
    (("POST", VIEW, request_body(assessments=[item(userId="ME"), item(userId="u2")])), OPERATORS),
    (("POST", VIEW, request_body(userId="ME", assessments=[item(userId=...), item(userId="u2")])), OPERATORS),
    (("PATCH", f"/api/course{STATE}", request_body(assessments=[item(userId="u2")])), OPERATORS),
    (submit(userId="ME"), OWN_ROWS),
    (submit(), OWN_ROWS),
    (submit(userId="u2"), OPERATORS),
    *(
        (states(path, **request), expected)
        for path in (STATE_READ, f"/private{STATE_READ}", f"/api/course{STATE_READ}")
        for request, expected in (
            ({"userId": "ME", "courseId": "c2", "batchId": "b2"}, OWN_ROWS),
            ({"courseId": "c2", "batchId": "b2"}, OWN_ROWS),
            ({"userId": "u2", "courseId": "c1", "batchId": "b1"}, BY_EITHER),
            ({"userId": "u2", "courseIds": ["c1"], "batchId": "b2"}, BY_COURSE),
            ({"userId": "u2", "collectionId": "c2", "batchId": "b2"}, OPERATORS),
        )
    ),
    (attempt_read(userId="ME", collectionId="c2", contextId="b2"), OWN_ROWS),
    (attempt_read(collectionId="c2", contextId="b2"), OWN_ROWS),
    (attempt_read(userId="u2", contextId="b1"), BY_BATCH),
    (attempt_read(userId="u2", contextId="b1", collectionId="c1"), BY_EITHER),
    (attempt_read(userId="u2", contentId="b1"), BY_BATCH),
    (attempt_read(userId="u2"), OPERATORS),
    (("GET", "/", None), ANY_TOKEN),
    (("GET", "/graphiql", None), ANY_TOKEN),
    (("GET", "/graphiql/start.js", None), ANY_TOKEN),
    (("GET", "/graphiql/{name}", None), ANY_TOKEN),
    (("GET", "/openapi.json", None), ANY_TOKEN),
    (("GET", "/openapi", None), ANY_TOKEN),
    (("GET", "/openapi/{name}", None), ANY_TOKEN),
    (("GET", "/graphql?query={__schema{types{kind}}}", None), ANY_TOKEN),
    (("GET", '/graphql?query={score(userId:"u2",assessmentId:"a1"){bestScore}}', None), OPERATORS),
]


def all_queries() -> list[tuple[list[str], str]]:
    """Every query of the tables, once for each of its leaves, and whether each role may ask it."""
    query_type: Any = schema.type_map["Query"]
    batch_type: Any = schema.type_map["Batch"]
    found = [([EXPLAINED_ANSWERS], OPERATORS)]
    for root, expected in QUERIES.items():
        parts = selections(named(query_type.fields[root.partition("(")[0]].type), APART)
        if root.startswith("batches"):  # all leaves in one query, because each query reads whole batches
            parts = [f"{{ {' '.join(part.strip('{}') for part in parts if part.count('{') == 1)} }}"]
        found.append(([f"{{ {root} {part} }}" for part in parts], expected))
    for inside, expected in BATCH_PARTS.items():
        parts = selections(named(batch_type.fields[inside.partition("(")[0]].type), APART)
        found.append(([f'{{ batch(batchId: "b1") {{ {inside} {part} }} }}' for part in parts], expected))
    return found


def together(queries: list[str]) -> str:
    """One query for everything that these queries ask. It is denied if one of them is."""
    return f"{{ {' '.join(query.removeprefix('{').removesuffix('}') for query in queries)} }}"


def may(caller: str, expected: str) -> bool:
    return caller != "anonymous" and dict(zip(list(CALLERS)[1:], expected.split(), strict=True))[caller] == "yes"


def sent_by(caller: str) -> dict[str, str]:
    own = CALLERS[caller]
    return {} if own is None else bearer(token(caller, **own))


def problem(caller: str, allowed: bool, answer: httpx.Response) -> str | None:
    """What is wrong with an answer, None if it is as expected."""
    if allowed:
        good = answer.status_code in (200, 307) and "errors" not in answer.text.partition('"data"')[0]
        return None if good else f"{answer.status_code} {answer.text[:200]}"
    status = 401 if caller == "anonymous" else 403
    if answer.status_code != status or '"data"' in answer.text or re.search("bestScore|attemptId", answer.text):
        return f"{answer.status_code} instead of {status}: {answer.text[:200]}"
    return None


def fill(stores: Stores) -> None:
    """An attempt of each caller and of u2 in both batches."""
    take(stores, *(event(user=user, course=f"c{n}", batch=f"b{n}") for user in ("u2", *CALLERS) for n in (1, 2)))


class Sealed(NamedTuple):
    """A client of stores that are archived, cleared and sealed. Queries do not change them."""

    http: Http
    line: str
    """Of the seal."""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    folder = tmp_path_factory.mktemp("sealed")
    stores = open_stores(Settings.from_env({}, str(folder / "home")))
    fill(stores)
    put_away(stores)
    line = str(seal(stores.lake, 0))
    with guarded(stores, trusting(folder), facts=FACTS) as http:
        yield Sealed(http, line)


@pytest.fixture
def http(stores: Stores, tmp_path: Path) -> Any:
    fill(stores)
    with guarded(stores, trusting(tmp_path), facts=FACTS) as found:
        yield found


@pytest.mark.long
@pytest.mark.xdist_group("authorisation")  # one worker makes the sealed stores, once
@pytest.mark.parametrize("caller", CALLERS)
def test_every_graphql_field_answers_exactly_the_callers_who_may_read_it(sealed: Sealed, caller: str) -> None:
    wrong = {}
    for leaves, expected in all_queries():
        allowed = may(caller, expected)
        # a document has at most 1,000 tokens
        for query in map(together, chunks(leaves, 25)) if allowed else leaves:
            asked = query.replace("ME", caller).replace("SEAL", sealed.line)
            answer = sealed.http.post("/graphql", json={"query": asked}, headers=sent_by(caller))
            if 'userId: "",' in query and allowed:
                assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
            elif found := problem(caller, allowed, answer):
                wrong[asked] = found
    assert not wrong


@pytest.mark.parametrize("caller", CALLERS)
def test_every_path_answers_exactly_the_callers_who_may_use_it(
    http: Http, stores: Stores, tmp_path: Path, caller: str
) -> None:
    wrong = {}
    for (method, path, body), expected in REQUESTS:
        text = (
            None
            if body is None
            else httpx.Request("POST", "http://x", json=body).content.replace(b"ME", caller.encode())
        )
        headers = {"content-type": "application/json", **sent_by(caller)}
        name = "view.js" if path.startswith("/openapi") else "graphiql.min.css"
        answer = http.request(method, path.replace("{name}", name), content=text, headers=headers)
        if found := problem(caller, may(caller, expected), answer):
            wrong[f"{method} {path} {text!r}"] = found
    assert not wrong
    written = logged(tmp_path / "home" / "log")
    if caller != "operator":
        assert {json.loads(line)["userId"] for line in written} <= {caller}
    assert bool(written) == (caller not in ("anonymous", "auditor"))


@pytest.mark.parametrize("caller", CALLERS)
def test_every_caller_may_probe_and_only_callers_with_a_token_learn_which_paths_exist(http: Http, caller: str) -> None:
    statuses = [http.get(path, headers=sent_by(caller)).status_code for path in (*PROBES, "/nothing")]
    assert statuses == [200, 200, 200, 200, 401 if caller == "anonymous" else 404]
    assert http.request("DELETE", "/graphql", headers=sent_by(caller)).status_code == (
        401 if caller == "anonymous" else 405
    )


def test_a_query_with_one_denied_field_gets_no_data_at_all(http: Http) -> None:
    query = """{ mine: score(userId: "learner", assessmentId: "a1") { bestScore } ...more }
    fragment more on Query { slices { id } }"""
    answer = http.post("/graphql", json={"query": query}, headers=sent_by("learner"))
    assert answer.status_code == 403
    assert answer.json() == {
        "errors": [
            {
                "message": "the roles of this token do not allow read_slices; ask for a token with another role",
                "locations": answer.json()["errors"][0]["locations"],
                "path": ["slices"],
                "extensions": {"code": "FORBIDDEN", "retryable": False},
            }
        ]
    }


def test_a_variable_and_a_directive_change_nothing(http: Http) -> None:
    query = """query ($u: ID!, $b: ID, $yes: Boolean!) {
        scores(userId: $u, assessmentId: 7, batchId: $b) @include(if: $yes) { bestScore } }"""

    def status(**variables: object) -> int:
        body = {"query": query, "variables": {"yes": True, "b": None, **variables}}
        return http.post("/graphql", json=body, headers=sent_by("mentor")).status_code

    assert (status(u="u2", b="b1"), status(u="mentor"), status(u="u2", yes=False)) == (200, 200, 200)
    assert (status(u="u2"), status(u="u2", b="b2"), status(u="mentor ")) == (403, 403, 403)


def test_the_answers_of_an_attempt_are_protected_whatever_field_gives_the_attempt(http: Http, stores: Stores) -> None:
    [attempt, *_] = queries(stores).attempts(user_id="u2", batch_id="b1").attempts
    answers = schema.type_map["Attempt"].fields["answers"]  # type: ignore[attr-defined]

    def read_by(role: Role, learner: str = "x", batch: str = "") -> object:
        caller = Caller(learner, frozenset({role}), frozenset({batch}))
        return answers.resolve(attempt, SimpleNamespace(context=Context(queries(stores), caller)))

    for allowed in ((Role.LEARNER, "u2"), (Role.MENTOR, "m", "b1"), (Role.OPERATOR,)):
        assert read_by(*allowed) == attempt.answers
    for denied in ((Role.LEARNER, "u1"), (Role.MENTOR, "m", "b2"), (Role.AUDITOR, "a", "b1")):
        with pytest.raises(Forbidden):
            read_by(*denied)


# --- the tables are complete ---


def test_every_path_of_the_app_has_an_action_and_a_row_in_this_test(stores: Stores) -> None:
    app = create_app(queries(stores), stores.log.intake(), meters=Meters(MemoryMeter(), MemoryMeter(), exposition))
    paths = {route.path for route in app.routes if isinstance(route, Route)}
    pages = {path for path in paths if path.startswith("/console/")}  # test_console.py has them
    assert len(paths) == len(app.routes)
    assert paths == {path for path in ROUTES if not path.startswith("/dataset/")}
    assert paths - pages - {*PROBES, "/graphql", "/metrics"} <= {path for (_, path, _), _ in REQUESTS}


def test_every_graphql_field_has_an_entry_and_a_row_in_this_test() -> None:
    types = {
        name: set(type_.fields)
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
    }
    assert {name: set(fields) for name, fields in FIELDS.items()} == types
    tickets = {"Ticket", "TicketFile", "TicketDiff", "TicketDifference"}  # test_tickets.py
    requests = {"Mutation", "ReportRequest", "Replay", *tickets}
    roots = {root.partition("(")[0] for root in QUERIES}
    assert types["Query"] - roots == {"reportRequest", "reportRequests", "node", "tickets", "ticket", "ticketDiff"}
    leaves = " ".join(query for queries, _ in all_queries() for query in queries)
    shown = {name for type_, fields in types.items() if type_ not in requests for name in fields}
    assert not [name for name in shown - types["Query"] if f" {name} " not in leaves.replace("(", " ")]
