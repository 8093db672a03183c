"""GraphQL for tickets of reports: operators list and compare them, and nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from assess_core.domain.moments import DAY
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.sealing import NewTicket
from tests.api.client import Http
from tests.api.issuer import bearer, guarded, token, trusting
from tests.factories import ATTEMPTED, answer, version
from tests.lakes import keep
from tests.loop import NOW

LIST: Final = """query ($first: Int = 20, $after: ID) { tickets(first: $first, after: $after) {
    id status created expires report batches rows sha256 bytes
    lakeFiles { name rows bytes sha256 } hotRows { name rows bytes sha256 } } }"""
SHOW: Final = "query ($id: ID!) { ticket(id: $id) { id status rows } }"
DIFF: Final = """query ($id: ID!, $first: Int = 10, $other: String = "latest") {
    ticketDiff(id: $id, first: $first, other: $other) { added changed gone differences {
        change userId courseId batchId assessmentId attemptId scoreBefore score receivedBefore received
        versionsBefore versions } } }"""


def with_ticket(stores: Stores) -> str:
    spec = ReportSpec(report=Report.SCORE, batches=("b1",))
    found = write_exhaust(stores, spec, ticket=NewTicket(365_000 * DAY, lambda: NOW)).sidecar.ticket
    assert found is not None
    return found


@pytest.fixture
def http(stores: Stores, tmp_path: Path) -> Iterator[Http]:
    keep(stores.hot, [version(user_id="u1"), version(user_id="u2")])
    with guarded(stores, trusting(tmp_path)) as found:
        yield found


def ask(http: Http, query: str, role: str = "operator", **variables: object) -> Any:
    headers = bearer(token("o1", roles=[role], batches=["b1"], courses=["c1"]))
    return http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


def data(answer: Any) -> Any:
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


def test_operators_list_tickets_in_pages_and_show_one(http: Http, stores: Stores) -> None:
    made = sorted(with_ticket(stores) for _ in range(3))

    listed = data(ask(http, LIST))["tickets"]
    pages = [data(ask(http, LIST, first=2))["tickets"], data(ask(http, LIST, first=2, after=made[1]))["tickets"]]

    assert [[each["id"] for each in page] for page in (listed, *pages)] == [made, made[:2], made[2:]]
    first = listed[0]
    assert (first["status"], first["report"], first["batches"], first["rows"]) == ("LIVE", "score", ["b1"], 2)
    assert first["bytes"] == first["hotRows"]["bytes"] > 0
    assert data(ask(http, SHOW, id=made[0]))["ticket"] == {"id": made[0], "status": "LIVE", "rows": 2}


def test_operators_see_what_changed_since_a_report(http: Http, stores: Stores) -> None:
    made = with_ticket(stores)
    assert data(ask(http, DIFF, id=made))["ticketDiff"] == {"added": 0, "changed": 0, "gone": 0, "differences": []}
    newer = version(user_id="u1", attempted=ATTEMPTED + 1, answers=[answer(score=9.0)])
    keep(stores.hot, [newer, version(user_id="u3")])

    found = data(ask(http, DIFF, id=made))["ticketDiff"]
    one = data(ask(http, DIFF, id=made, first=1))["ticketDiff"]

    assert (found["added"], found["changed"], found["gone"]) == (1, 1, 0)
    changed, added = found["differences"]
    assert (changed["change"], changed["userId"], changed["versionsBefore"], changed["versions"]) == (
        "CHANGED", "u1", 1, 2
    )  # fmt: skip
    assert (added["change"], added["userId"], added["scoreBefore"]) == ("ADDED", "u3", None)
    assert (one["added"], len(one["differences"])) == (1, 1)


@pytest.mark.parametrize("role", ["learner", "mentor", "auditor"])
def test_nobody_else_sees_tickets(http: Http, stores: Stores, role: str) -> None:
    made = with_ticket(stores)
    answers = [ask(http, LIST, role), ask(http, SHOW, role, id=made), ask(http, DIFF, role, id=made)]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert not [answer for answer in answers if made in answer.text]


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        (SHOW, {"id": "../../etc"}, "BAD_TICKET"),
        (SHOW, {"id": "20240101-0123456789ab"}, "UNKNOWN_TICKET"),
        (LIST, {"after": "x"}, "BAD_TICKET"),
        (LIST, {"first": 0}, "BAD_REQUEST"),
        (DIFF, {"id": "20240101-0123456789ab", "first": 1001}, "BAD_REQUEST"),
        (DIFF, {"id": "x", "other": "y"}, "BAD_TICKET"),
    ],
)
def test_wrong_ids_and_pages_say_what_to_do(http: Http, query: str, variables: dict[str, Any], code: str) -> None:
    [error] = ask(http, query, **variables).json()["errors"]
    assert error["extensions"]["code"] == code
