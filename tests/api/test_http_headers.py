"""Headers of answers: tags of answers that did not change, CORS, what a browser may do, and compression."""

from collections.abc import Iterator
from typing import Any

import pytest

from assess_core.errors import BadSettings
from assess_core.ports.stores import Stores
from assess_core.settings import ApiSettings
from graphql_api.app import create_app
from graphql_api.throttle import ApiLimits, Limits
from tests.api.client import Http, client
from tests.api.writes import STATE, item, request_body
from tests.factories import event
from tests.loop import queries, take

SCORE = '{ score(userId: "u1", assessmentId: "a1") { attemptsCount } }'
PORTAL = "https://portal.example.org"


def ask(http: Http, query: str = SCORE, **headers: str) -> Any:
    return http.get("/graphql", params={"query": query}, headers={k.replace("_", "-"): v for k, v in headers.items()})


# --- answers that did not change ---


def test_an_answer_that_did_not_change_is_not_sent_again(stores: Stores, http: Http) -> None:
    take(stores, event())
    first = ask(http)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in first.headers["vary"]

    for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = ask(http, if_none_match=known)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)

    take(stores, event(attempt="t2"))
    changed = ask(http, if_none_match=tag)
    assert (changed.status_code, changed.json()["data"]["score"]["attemptsCount"]) == (200, 2)
    assert changed.headers["etag"] != tag


def test_answers_to_post_and_errors_have_no_tag(stores: Stores, http: Http) -> None:
    answers = [
        http.post("/graphql", json={"query": SCORE}, headers={"if-none-match": "*"}),
        ask(http, "{ nothing }", if_none_match="*"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert not [answer for answer in answers if "etag" in answer.headers]


# --- pages of other sites ---


@pytest.fixture
def open_to_portal(stores: Stores) -> Iterator[Http]:
    intake = stores.log.intake()
    limits = ApiLimits(address=Limits(at_once=1))
    with client(create_app(queries(stores), intake, origins=(PORTAL,), limits=limits)) as found:
        yield found
    intake.close()


def preflight(
    http: Http, origin: str, method: str = "PATCH", headers: str = "content-type,x-authenticated-user-token"
) -> Any:
    asked = {"access-control-request-method": method, "access-control-request-headers": headers}
    return http.request("OPTIONS", STATE, headers={"origin": origin, **asked})


def test_a_page_of_a_named_site_may_use_the_api(open_to_portal: Http) -> None:
    allowed = preflight(open_to_portal, PORTAL)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PORTAL)
    assert "access-control-allow-credentials" not in allowed.headers

    body = request_body(assessments=[item()])
    for answer in (
        open_to_portal.patch(STATE, json=body, headers={"origin": PORTAL}),
        open_to_portal.get("/nothing", headers={"origin": PORTAL}),
    ):
        assert answer.headers["access-control-allow-origin"] == PORTAL
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


def test_a_page_of_another_site_may_not(open_to_portal: Http, http: Http) -> None:
    for origin in ("https://portal.example.org.evil.test", "http://portal.example.org", "null"):
        assert preflight(open_to_portal, origin).status_code == 400
        answer = open_to_portal.get("/health", headers={"origin": origin})
        assert "access-control-allow-origin" not in answer.headers
    assert preflight(open_to_portal, PORTAL, "DELETE").status_code == 400
    assert preflight(open_to_portal, PORTAL, headers="x-other").status_code == 400
    for answer in (preflight(http, PORTAL), http.get("/health", headers={"origin": PORTAL})):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "value", ["*", "portal.example.org", "https://a.test/", "https://*.a.test", "ftp://a.test", "null"]
)
def test_a_wrong_origin_is_named(value: str) -> None:
    with pytest.raises(BadSettings, match="ASSESS_API_ORIGINS: "):
        ApiSettings.from_env({"ASSESS_API_ORIGINS": value})
    assert ApiSettings.from_env({"ASSESS_API_ORIGINS": f" {PORTAL}, http://[::1]:3000,"}).origins == (
        f"{PORTAL},http://[::1]:3000"
    )


# --- browsers, compression ---


@pytest.mark.parametrize(
    "path", ["/health", "/graphiql", "/graphiql/start.js", "/nothing", "/", "/graphql?query={__typename}"]
)
def test_every_answer_says_what_a_browser_may_do_with_it(http: Http, path: str) -> None:
    headers = http.get(path).headers
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert headers["referrer-policy"] == ("same-origin" if path == "/" else "no-referrer")
    assert headers["content-security-policy"].startswith("default-src 'none';")
    assert "strict-transport-security" not in headers
    assert "strict-transport-security" in http.get(f"https://localhost{path}").headers


def test_large_answers_are_compressed_and_small_ones_are_not(http: Http) -> None:
    large = ask(http, "{ __schema { types { name description fields { name description } } } }")
    assert (large.status_code, large.headers.get("content-encoding")) == (200, "gzip")
    assert "Accept-Encoding" in large.headers["vary"]
    assert "Authorization" in large.headers["vary"]
    assert "content-encoding" not in ask(http).headers
