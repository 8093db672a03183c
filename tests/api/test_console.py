"""The console: who sees a page, how a browser signs in, and which forms are accepted."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.access import NEEDS_NO_TOKEN, Action
from assess_core.domain.corrections import Correction, FullMarks, Scale
from assess_core.ports.stores import Stores
from graphql_api.permissions import ROUTES
from tests.api.client import Http
from tests.api.consoles import OWN, read, requests_in, signed_in, text_of
from tests.api.issuer import bearer, guarded, token, trusting
from tests.decisions import decide, revert_all
from tests.factories import ATTEMPTED, MONDAY, WEEK, event
from tests.loop import take

ROLES = {
    "learner": {"roles": ["learner"]},
    "mentor": {"roles": ["mentor"], "batches": ["b1"]},
    "auditor": {"roles": ["auditor"]},
    "operator": {"roles": ["operator"]},
}
# path -> whether learner, mentor, auditor, operator see it; who sees nothing gets a page that says why
PAGES: dict[str, str] = {
    "/": "yes yes yes yes",
    "/console/slices": "no no yes yes",
    "/console/slices?batch=b1": "no yes yes yes",
    "/console/slices?batch=b2": "no no yes yes",
    "/console/slice?slice=b1|2024-W05": "no yes yes yes",
    "/console/slice?slice=b2|2024-W05": "no no yes yes",
    "/console/steps": "no no yes yes",
    "/console/corrections": "no no yes yes",
    "/console/failed": "no no no yes",
    "/console/holds": "no no no yes",
    "/console/findings": "no no no yes",
    "/console/batches": "no yes yes yes",
    "/console/batch?batch=b1": "no yes yes yes",
    "/console/batch?batch=b1&balance=yes": "no no yes yes",
    "/console/batch?batch=b2": "no no yes yes",
    "/console/overview?batch=b1": "no yes no yes",
    "/console/overview?batch=b2": "no no no yes",
    "/console/learners": "yes yes no yes",
    "/console/learners?learner=learner": "yes no no yes",
    "/console/learners?learner=u2": "no no no yes",
    "/console/learners?learner=u2&batch=b1": "no yes no yes",
    "/console/learners?learner=u2&batch=b2": "no no no yes",
    "/console/explain?learner=u2&assessment=a1&batch=b1": "no no yes yes",
    "/console/reports?channel=ch": "no yes no yes",
}
FORMS: dict[str, str] = {
    "/console/failed/replay": "no no no yes",
    "/console/reports/submit": "no yes no yes",
    "/console/reports/cancel": "no yes no yes",
}
FIELDS = {"after": "", "channel": "ch", "tag": "t", "dataset": "score-exhaust", "batches": "b1", "request": "none"}
OPEN = {"/console/style.css", "/console/sign-in", "/console/sign-out"}


@pytest.fixture
def closed(stores: Stores, tmp_path: Path) -> Iterator[Http]:
    """An API that needs tokens, with attempts of u1 and u2 in batch b1 and of u2 in batch b2."""
    take(stores, event(user="u1"), event(user="u2"), event(user="u2", batch="b2"))
    with guarded(stores, trusting(tmp_path), requests_in(stores, tmp_path, MemoryRequests())) as found:
        yield found


def test_the_start_shows_an_operator_what_the_stores_hold(stores: Stores, closed: Http) -> None:
    take(stores, b"{")
    operator = signed_in("o", roles=["operator"])
    shown = read(closed, "/", headers=operator)
    assert "rows in the hot store 3 " in shown
    assert "failed events 1 " in shown
    assert "The stores were read 0 seconds ago." in shown
    assert "<script" not in closed.get("/", headers=operator).text
    assert "GraphiQL" not in shown  # it needs a header that a browser does not send


def test_the_start_does_not_read_the_stores_again_for_each_view(
    stores: Stores, closed: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, reads = stores.hot.held, count()
    monkeypatch.setattr(stores.hot, "held", lambda: (next(reads), held())[1])
    for _ in range(3):
        assert "rows in the hot store 3 " in read(closed, "/", headers=signed_in("o", roles=["operator"]))
    assert next(reads) == 1


def test_a_part_of_the_start_that_cannot_be_read_says_why_and_leaves_the_links(http: Http) -> None:
    shown = read(http, "/")
    assert "this server answers no questions of operators" in shown
    assert "Batches" in shown
    assert "GraphiQL" in shown


def test_the_navigation_has_only_pages_that_the_caller_may_read(closed: Http) -> None:
    def links(role: str) -> list[str]:
        page = closed.get("/", headers=signed_in(role, **ROLES[role])).text
        return re.findall('<li><a href="(/console/[^"]*)"', page.partition("</nav>")[0])

    assert links("learner") == ["/console/learners"]
    assert links("mentor") == ["/console/batches", "/console/learners", "/console/reports"]
    assert links("auditor") == [
        "/console/batches", "/console/slices", "/console/steps", "/console/corrections"
    ]  # fmt: skip
    assert len(links("operator")) == 9


def test_a_learner_sees_no_numbers_of_the_installation(closed: Http) -> None:
    assert "hot store" not in read(closed, "/", headers=signed_in("u1"))


def test_a_mentor_asks_for_reports_of_granted_batches_and_sees_only_its_own_requests(closed: Http) -> None:
    mentor, other = (signed_in(name, roles=["mentor"], batches=["b1"]) for name in ("m1", "m2"))

    def submit(batch: str) -> int:
        form = {"tag": "mine", "dataset": "score-exhaust", "batches": batch}
        return closed.post("/console/reports/submit", data=form, headers=mentor | OWN).status_code

    assert [submit("b1"), submit("b2"), submit("b1 b2")] == [303, 403, 403]
    shown = read(closed, "/console/reports", headers=mentor)
    assert "SUBMITTED 0 % Cancel mine" in shown
    assert "assess up" not in shown  # commands are for operators
    assert "mine" not in read(closed, "/console/reports?channel=mentor:m1", headers=other)


def test_corrections_are_listed_with_who_decided_them_and_which_are_reverted(stores: Stores, closed: Http) -> None:
    operator = signed_in("o", roles=["operator"])
    assert "There is no correction." in read(closed, "/console/corrections", headers=operator)
    decide(stores.hot.register, Correction("a<1>", "q1", Scale(2.0)))
    revert_all(stores.hot.register)
    wide = Correction(
        "a1", "q2", FullMarks(), "c1", tuple(f"b{number}" for number in range(7)), ATTEMPTED, MONDAY + WEEK
    )
    [id_] = decide(stores.hot.register, wide)

    shown = read(closed, "/console/corrections", headers=operator)

    assert "1 of 2 are in force." in shown
    assert f"{id_} in force a1 q2 full marks batch b0, b1, b2, b3, b4 and 2 more, course c1, " in shown
    assert (
        "from 2024-01-30T00:00:00.000Z, before 2024-02-05T00:00:00.000Z Examiner, 2024-01-30 00:01: a wrong key"
        in shown
    )
    assert "reverted by Examiner, 2024-01-30 00:01: a right key a<1> q1 scale to a maximum of 2 all batches" in shown


# --- who may ---


@pytest.mark.parametrize(("path", "expected"), PAGES.items())
def test_a_page_is_shown_exactly_to_the_roles_that_may_read_it(closed: Http, path: str, expected: str) -> None:
    statuses = [closed.get(path, headers=signed_in(role, **claims)).status_code for role, claims in ROLES.items()]
    assert statuses == [200 if one == "yes" else 403 for one in expected.split()]
    anonymous = closed.get(path)
    assert anonymous.status_code == 401
    assert "sign in with your token to see this page" in text_of(anonymous)


@pytest.mark.parametrize(("path", "expected"), FORMS.items())
def test_a_form_is_accepted_exactly_from_the_roles_that_may_send_it(closed: Http, path: str, expected: str) -> None:
    wrong = closed.post(path, headers=signed_in("o", roles=["operator"]))  # no browser says where it comes from
    sent = [
        closed.post(path, headers=signed_in(role, **claims) | OWN, data={"after": ""}) for role, claims in ROLES.items()
    ]
    assert wrong.status_code == 403
    assert ["no" if answer.status_code == 403 else "yes" for answer in sent] == expected.split()
    assert max(answer.status_code for answer in sent) < 500
    assert closed.post(path, headers=OWN).status_code == 401


def test_every_path_of_the_console_has_an_action_and_a_row_in_this_test() -> None:
    paths = {path for path in ROUTES if path == "/" or path.startswith("/console/")}
    assert paths == {path.partition("?")[0] for path in (*PAGES, *FORMS)} | OPEN
    assert {path for path, action in ROUTES.items() if action is Action.SIGN_IN} == OPEN
    assert Action.SIGN_IN in NEEDS_NO_TOKEN


# --- sign in ---


def test_a_browser_signs_in_with_a_token_and_out_again(closed: Http) -> None:
    sent = token("o", roles=["operator"])
    answer = closed.post("/console/sign-in", data={"token": f" {sent} "}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["set-cookie"] == f"assess_console={sent}; HttpOnly; Path=/; SameSite=strict"
    assert "Sign out o" in read(closed, "/", headers={"cookie": f"assess_console={sent}"})

    answer = closed.post("/console/sign-out", headers=OWN)
    assert answer.headers["location"] == "/console/sign-in"
    assert 'assess_console=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_with_tls_the_browser_sends_the_cookie_only_with_tls(closed: Http) -> None:
    answer = closed.post("https://localhost/console/sign-in", data={"token": token("u1")}, headers=OWN)
    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("given", ["", "two words", "Bearer x", "x" * 4000, "ü", "a;b"])
def test_a_text_that_is_no_token_is_not_stored(closed: Http, given: str) -> None:
    answer = closed.post("/console/sign-in", data={"token": given}, headers=OWN)
    assert answer.status_code == 400
    assert "set-cookie" not in answer.headers


def test_a_wrong_token_leads_to_the_form_with_the_reason(closed: Http) -> None:
    answer = closed.get("/", headers={"cookie": "assess_console=a.b.c"})
    assert answer.status_code == 401
    assert "Your token" in text_of(answer)


@pytest.mark.parametrize("path", ["/graphql?query={__typename}", "/graphiql", "/openapi.json", "/nothing"])
def test_the_cookie_opens_no_path_outside_the_console(closed: Http, path: str) -> None:
    assert closed.get(path, headers=signed_in("o", roles=["operator"])).status_code == 401
    assert closed.get(path, headers=bearer(token("o", roles=["operator"]))).status_code in (200, 404)


# --- forms ---


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://localhost"}, 303),
        ({"sec-fetch-site": "same-origin", "origin": "http://localhost"}, 303),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.test"}, 403),
        ({"origin": "http://localhost:8000"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://localhost"}, 403),
        ({"sec-fetch-site": "none"}, 403),
    ],
)
def test_only_a_page_of_this_server_can_send_a_form(http: Http, sent: dict[str, str], status: int) -> None:
    answer = http.post("/console/sign-out", headers=sent)
    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) == (status == 303)


def test_a_body_that_is_no_form_is_refused(http: Http) -> None:
    for sent in ({"json": {"token": "x"}}, {"data": {f"f{n}": "x" for n in range(21)}}):
        answer = http.post("/console/sign-in", headers=OWN, **sent)
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers


# --- what a browser may do ---


def test_a_page_loads_only_its_style_sheet(http: Http) -> None:
    policy = http.get("/").headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    style = http.get("/console/style.css")
    assert (style.status_code, style.headers["content-type"].partition(";")[0]) == (200, "text/css")
    assert "url(" not in style.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/console/nothing", 404), ("PUT", "/", 405)])
def test_a_wrong_path_gets_a_page(http: Http, method: str, path: str, status: int) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert "Back to the start" in text_of(answer)
    assert "content-security-policy" in answer.headers


def test_a_name_that_the_server_does_not_answer_to_gets_no_page(http: Http) -> None:
    assert http.get("/", headers={"host": "evil.test"}).status_code == 421
