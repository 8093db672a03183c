"""The gate: host names, both headers of tokens, managed learners, claims that settings name, denials and their log."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assess_core.errors import StoreUnavailable
from assess_core.ports.stores import Stores
from assess_core.ports.tokens import Tokens
from assess_core.wiring import open_tokens
from graphql_api.app import create_app
from graphql_api.hosts import Hosts
from tests.api.client import Http, client
from tests.api.issuer import bearer, guarded, token, trusting
from tests.api.writes import STATE, VIEW, item, logged, request_body
from tests.factories import event, wire_answer
from tests.loop import queries, take

READ = "/v2/view/assess/read"
UUID = "5a8a3f2b-35f6-4f6b-9a4a-0c1b8b1f7a11"


@pytest.fixture
def http(stores: Stores, tmp_path: Path) -> Iterator[Http]:
    with guarded(stores, trusting(tmp_path)) as found:
        yield found


def read(http: Http, user: str | None, headers: dict[str, str]) -> int:
    request = {"assessmentId": "a1", **({"userId": user} if user else {})}
    return http.post(READ, json={"request": request}, headers=headers).status_code


# --- host names (DNS rebinding) ---


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "localhost.", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "[::1]"],
)
def test_without_keys_the_api_answers_to_names_of_this_machine(stores: Stores, host: str) -> None:
    with client(create_app(queries(stores), stores.log.intake())) as http:
        assert http.get("/graphql?query={__typename}", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.test", "evil.test:8000", "localhost.evil.test", "localhost@evil.test", "127.0.0.1.evil.test", ""),
        *(
            "10.0.0.1",
            "0.0.0.0:8000",
            "[::]",
            "[",
            "[::1",
            "[::1]evil.test",
            "localhost:x",
            "localhost,evil.test",
            "a b",
        ),
        *("[::ffff:10.0.0.1]", "127.0.0.1:8000:1", "ſlocalhost", "localhost/", "x" * 300),
    ],
)
def test_without_keys_another_name_is_misdirected_in_every_envelope(stores: Stores, host: str) -> None:
    with client(create_app(queries(stores), stores.log.intake())) as http:
        headers = [(b"host", host.encode()), (b"content-type", b"application/json")]
        answers = [http.request("GET", path, headers=headers) for path in ("/graphql?query={__typename}", READ, STATE)]
        health = http.request("GET", "/health", headers=headers)
    assert [answer.status_code for answer in answers] == [421, 421, 421]
    assert "ASSESS_API_HOSTS" in answers[0].json()["errors"][0]["message"]
    assert [answer.json()["params"]["err"] for answer in answers[1:]] == ["CLIENT_ERROR", "CLIENT_ERROR"]
    assert health.json() == {"status": "ok"}  # a probe of an orchestrator uses the pod's address


def test_two_host_headers_are_misdirected(stores: Stores) -> None:
    assert Hosts().answers_to([b"localhost"])
    assert not Hosts().answers_to([b"localhost", b"localhost"])
    assert not Hosts().answers_to([])


def test_the_setting_adds_names(stores: Stores) -> None:
    hosts = Hosts.parse(" API.example.org, 10.1.2.3,[fd00::1], fd00::2")
    for host in (b"api.example.org:443", b"10.1.2.3", b"[fd00::1]:1", b"[FD00::2]", b"localhost"):
        assert hosts.answers_to([host]), host
    for host in (b"example.org", b"x.api.example.org", b"fd00::1", b"10.1.2.4"):
        assert not hosts.answers_to([host]), host


def test_with_keys_a_broken_host_header_causes_no_500(http: Http) -> None:
    for headers in ({"host": "["}, {"host": "[", **bearer(token())}):
        assert http.get("/nothing", headers=headers).status_code in (401, 404)
        assert read(http, "u1", headers) in (200, 401)


# --- who the caller is ---


def test_the_learner_of_a_federated_user_store_is_the_last_part(http: Http) -> None:
    federated = bearer(token(f"f:{UUID}:u7"))
    assert (read(http, "u7", federated), read(http, f"f:{UUID}:u7", federated)) == (200, 403)
    colons = bearer(token(f"f:{UUID}:x:u7"))
    assert (read(http, "x:u7", colons), read(http, "u7", colons)) == (200, 403)
    plain = bearer(token("f:u7"))
    assert (read(http, "f:u7", plain), read(http, "u7", plain)) == (200, 403)


def test_the_header_of_sunbird_s_clients_wins_over_the_key_of_their_app(http: Http) -> None:
    sent = {"authorization": "Bearer the-key-of-an-app", "x-authenticated-user-token": token("u1")}
    assert (read(http, "u1", sent), read(http, "u2", sent)) == (200, 403)
    operator = {**bearer(token("o1", roles=["operator"])), "x-authenticated-user-token": token("u1")}
    assert read(http, "u2", operator) == 403


def test_a_managed_learner_replaces_the_caller(http: Http, tmp_path: Path) -> None:
    sent = {**bearer(token("p1")), "x-authenticated-for": token("kid1", parentId="p1")}
    assert [read(http, user, sent) for user in ("kid1", None, "p1", "u2")] == [200, 200, 403, 403]
    body = request_body(**{**item(userId=..., events=...), "assessments": [wire_answer()]})
    assert http.post(VIEW, json=body, headers=sent).status_code == 200
    [line] = logged(tmp_path / "home" / "log")
    assert json.loads(line)["userId"] == "kid1"


def test_a_managed_learner_of_another_parent_is_refused(http: Http) -> None:
    for child in (token("kid1", parentId="p2"), token("kid1"), token("p1"), token("kid1", parentId=["p1"])):
        sent = {**bearer(token("p1")), "x-authenticated-for": child}
        assert read(http, "kid1", sent) == 401
    assert read(http, "kid1", {"x-authenticated-for": token("kid1", parentId="p1")}) == 401


def test_settings_name_the_claims(stores: Stores, tmp_path: Path) -> None:
    tokens = trusting(
        tmp_path,
        learner_claim="https://portal.test/user",
        roles_claim="realm_access.roles",
        batches_claim="grants.batches",
    )
    take(stores, event())
    granted = {"realm_access": {"roles": ["mentor", "x", 7]}, "grants": {"batches": "b0 b1"}}
    with guarded(stores, tokens) as http:
        sent = bearer(token(..., **{"https://portal.test/user": "m1"}, **granted))  # type: ignore[arg-type]
        query = '{ batch(batchId: "b1") { attemptsCount } }'
        assert http.post("/graphql", json={"query": query}, headers=sent).status_code == 200
        assert read(http, "m1", sent) == 200
        assert read(http, "m1", bearer(token("m1"))) == 401


@pytest.mark.parametrize(
    "roles", [[], "", None, 7, {"operator": True}, [["operator"]], ["OPERATOR"], ["admin"], ["operator "]]
)
def test_a_token_without_a_known_role_is_a_learner_s(http: Http, roles: object) -> None:
    sent = bearer(token("u1", roles=roles))
    assert (read(http, "u1", sent), read(http, "u2", sent)) == (200, 403)


def test_roles_add_up(http: Http) -> None:
    both = bearer(token("u1", roles="learner auditor"))
    assert (read(http, "u1", both), read(http, "u2", both)) == (200, 403)
    assert http.get("/graphql?query={slices{id}}", headers=both).status_code == 200


# --- denials ---


def test_a_denial_has_the_envelope_of_its_path(http: Http) -> None:
    learning = http.patch(STATE, json={}, headers={"x-msgid": "m1"})
    viewing, graphql = http.post(READ, json={}), http.post("/graphql", json={"query": "{__typename}"})
    assert [answer.status_code for answer in (learning, viewing, graphql)] == [401, 401, 401]
    assert {answer.headers["www-authenticate"] for answer in (learning, viewing, graphql)} == {"Bearer"}
    body = learning.json()
    assert (body["id"], body["responseCode"], body["result"]) == ("api.content.state.update", "CLIENT_ERROR", {})
    assert body["params"] == {
        **body["params"], "msgid": "m1", "err": "UNAUTHORIZED_USER", "errmsg": "You are not authorized.",
    }  # fmt: skip
    assert (viewing.json()["id"], viewing.json()["params"]["status"]) == ("api.view.assessment.read", "failed")
    assert graphql.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    forbidden = http.patch(STATE, json=request_body(assessments=[item(userId="u2")]), headers=bearer(token("u1")))
    assert (forbidden.status_code, forbidden.json()["params"]["err"]) == (403, "FORBIDDEN")


def test_the_challenge_gives_the_reason(http: Http) -> None:
    answer = http.post(READ, json={}, headers=bearer(token(exp=1_000_000_000)))
    assert answer.headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="the token has expired"'
    )


def test_a_denial_writes_one_line_without_the_token_or_a_learner_s_id(
    http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    secret = token("learner-one", roles=["mentor"], batches=["b1"])
    query = "query ($b: ID!) { batch(batchId: $b) { attemptsCount } }"
    http.post(
        "/graphql", json={"query": query, "variables": {"b": 'x\n{"denied": 1}' + "y" * 500}}, headers=bearer(secret)
    )
    read(http, "learner-two", bearer(secret))
    read(http, "learner-two", bearer(secret[:-4]))
    lines = [record.getMessage() for record in caplog.records if record.name == "assess.audit"]
    assert len(lines) == 3
    found = [json.loads(line) for line in lines]
    assert [(one["denied"], one["status"], one["where"]) for one in found] == [
        ("read_batch", 403, "Query.batch"), ("read_scores", 403, READ), ("describe", 401, READ),
    ]  # fmt: skip
    assert all(len(line) < 900 and "\n" not in line for line in lines)
    assert not [line for line in lines if secret[-40:] in line or secret[:40] in line or "learner-" in line]
    assert found[0]["caller"] == found[1]["caller"]
    assert found[1]["learner"] not in ("", found[1]["caller"])


def test_a_probe_without_a_token_learns_nothing_about_the_stores(stores: Stores, tmp_path: Path) -> None:
    broken: Any = Away()
    for tokens, shown in ((trusting(tmp_path), False), (None, True)):
        with client(create_app(queries(stores._replace(hot=broken)), stores.log.intake(), tokens=tokens)) as http:
            answer, named = http.get("/ready"), http.get("/health/ready")
        assert answer.status_code == 503
        assert ("db.internal" in answer.text) == ("db.internal" in named.text) == shown


class Away:
    """A hot store that does not answer."""

    def entries(self, user_ids: object) -> None:
        raise StoreUnavailable("db.internal does not answer")


# --- the cache ---


def test_a_token_is_verified_once_and_refused_after_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jwt

    tokens, calls = trusting(tmp_path), []
    real: Callable[..., Any] = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *a, **k: calls.append(1) or real(*a, **k))  # type: ignore[func-returns-value]
    short = token("u1")
    assert [tokens.caller(short).id for _ in range(5)] == ["u1"] * 5
    assert len(calls) == 1
    monkeypatch.setattr(tokens, "_now", lambda: 9e12)
    with pytest.raises(Exception, match="the token has expired"):
        tokens.caller(short)


def test_a_secret_verifies_hs256_only(stores: Stores, tmp_path: Path) -> None:
    import jwt

    from assess_core.settings import Settings
    from tests.api.issuer import claims

    secret = "a secret for development, 32 bytes"
    settings = Settings.from_env({"ASSESS_API_SECRET": secret})
    tokens: Tokens | None = open_tokens(settings, lambda _text: None)
    assert tokens is not None
    good = jwt.encode(claims(aud=...), secret, "HS256", {"kid": "any"})
    with guarded(stores, tokens) as http:
        assert read(http, "u1", bearer(good)) == 200
        assert read(http, "u1", bearer(jwt.encode(claims(aud=...), secret * 2, "HS512"))) == 401
        assert read(http, "u1", bearer(token("u1"))) == 401
