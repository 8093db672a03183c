"""Limits of requests: of each caller and of each address, in a time and at the same time."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from assess_core.domain.rates import Rate
from assess_core.errors import BadSettings
from assess_core.ports.stores import Stores
from assess_core.settings import ApiSettings
from graphql_api import throttle
from graphql_api.app import create_app
from graphql_api.throttle import ApiLimits, Limits, Throttle, Windows, address_of
from tests.api.client import Http, client
from tests.api.issuer import bearer, guarded, token, trusting
from tests.api.writes import STATE_READ, SUBMIT
from tests.loop import queries

READ = "/v2/view/assess/read"
TWO = Limits(Rate(2, 3600))
FACES = [
    (READ, "params", {"err": "CLIENT_ERROR", "status": "failed"}),
    (STATE_READ, "params", {"err": "CLIENT_ERROR", "status": "CLIENT_ERROR"}),
    (SUBMIT, "params", {"err": "CLIENT_ERROR", "status": "failed"}),
    ("/dataset/v1/request/search", "params", {"err": "CLIENT_ERROR", "status": "failed"}),
    ("/nothing", "params", {"err": "CLIENT_ERROR", "status": "CLIENT_ERROR"}),
]


def ask(http: Http, user: str | None = None, path: str = READ, **claims: Any) -> int:
    headers = bearer(token(user, **claims)) if user else {}
    return http.post(
        path, json={"request": {"assessmentId": "a1", "userId": user or "u1"}}, headers=headers
    ).status_code


# --- the windows ---


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_begins_with_a_request_and_ends_after_its_time() -> None:
    clock = Clock()
    windows = Windows(Rate(2, 60), clock)
    assert [windows.wait("a"), windows.wait("a")] == [0, 0]
    clock.now += 20
    assert (windows.wait("a"), windows.wait("b")) == (40, 0)
    clock.now += 40
    assert [windows.wait("a"), windows.wait("a"), windows.wait("a")] == [0, 0, 60]


def test_the_number_of_counted_callers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 3)
    windows = Windows(Rate(1, 60), Clock())
    assert [windows.wait(key) for key in "abcd"] == [0] * 4
    assert windows.wait("d") == 60
    assert windows.wait("a") == 0  # the oldest window was forgotten


# --- over HTTP ---


def test_each_face_refuses_with_its_envelope_and_says_when_to_come_back(stores: Stores) -> None:
    limits = ApiLimits(address=TWO)
    with client(create_app(queries(stores), stores.log.intake(), limits=limits), "203.0.113.7") as http:
        assert [ask(http), ask(http)] == [200, 200]
        for path, member, expected in FACES:
            answer = http.post(path, json={})
            assert answer.status_code == 429, path
            assert 3590 < int(answer.headers["retry-after"]) <= 3600
            assert expected.items() <= answer.json()[member].items(), path
            assert answer.json()["params"]["errmsg"].startswith("more than 2 requests per hour; wait 3")
        error = http.post("/graphql", json={"query": "{ __typename }"}).json()["errors"][0]
        assert error["extensions"] == {"code": "TOO_MANY_REQUESTS"}
        assert [http.get(path).status_code for path in ("/health", "/ready")] == [200, 200]


def test_a_caller_over_the_limit_disturbs_no_other_caller_and_no_operator(stores: Stores, tmp_path: Path) -> None:
    with guarded(stores, trusting(tmp_path), limits=ApiLimits(caller=TWO)) as http:
        assert [ask(http, "u1") for _ in range(3)] == [200, 200, 429]
        assert [ask(http, "u2"), ask(http, "u1")] == [200, 429]
        assert [ask(http, "o1", roles=["operator"]) for _ in range(5)] == [200] * 5


def test_requests_with_a_wrong_token_count_for_their_address_only(
    stores: Stores, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "assess.audit")
    limits = ApiLimits(address=TWO, caller=TWO)
    app = create_app(queries(stores), stores.log.intake(), tokens=trusting(tmp_path), hosts=None, limits=limits)
    with client(app, "203.0.113.7") as http:
        assert [http.get("/", headers=bearer("x")).status_code for _ in range(3)] == [401, 401, 429]
    with client(app, "203.0.113.8") as http:
        assert ask(http, "u1") == 200


def test_this_machine_has_no_limit(stores: Stores) -> None:
    with client(create_app(queries(stores), stores.log.intake(), limits=ApiLimits(TWO, TWO))) as http:
        assert [ask(http) for _ in range(5)] == [200] * 5


def test_a_caller_has_a_limit_of_requests_at_the_same_time() -> None:
    async def run() -> list[int]:
        go_on, statuses = asyncio.Event(), []

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await go_on.wait()
            await send({"type": "http.response.start", "status": 200})

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def call() -> None:
            scope = {"type": "http", "path": "/", "headers": []}
            await limited(scope, None, send)  # type: ignore[arg-type]

        limited = Throttle(app, Limits(at_once=2), lambda _scope: "u1")
        waiting = [asyncio.create_task(call()) for _ in range(2)]
        await asyncio.sleep(0)
        await call()
        go_on.set()
        await asyncio.gather(*waiting)
        await call()
        return statuses

    assert asyncio.run(run()) == [429, 200, 200, 200]


# --- addresses and settings ---


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("127.8.9.1", None),
        ("::1", None),
        ("unknown", "unknown"),
    ],
)
def test_an_address_is_counted_as_its_network(address: str, key: str | None) -> None:
    assert address_of({"client": (address, 1)}) == key
    assert address_of({"client": None}) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CALLER_RATE", value) for value in ("0/minute", "600", "600/day", "-1/second", "9" * 30 + "/hour", "on")),
        *(("ADDRESS_AT_ONCE", value) for value in ("0", "-1", "many", "1.5", "9" * 30)),
        *(("PROXIES", value) for value in ("proxy.example.org", "10.0.0.0/99", "10.0.0.1,,", "*")),
    ],
)
def test_a_wrong_limit_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"ASSESS_API_{name}: "):
        ApiSettings.from_env({f"ASSESS_API_{name}": value})


def test_limits_can_be_switched_off() -> None:
    names = ("CALLER_RATE", "CALLER_AT_ONCE", "ADDRESS_RATE", "ADDRESS_AT_ONCE")
    off = ApiSettings.from_env({f"ASSESS_API_{name}": "off" for name in names})
    assert ApiLimits.of(off) == ApiLimits()
    assert ApiSettings.from_env(off.env()) == off
    assert ApiLimits.of(ApiSettings()) == ApiLimits(Limits(Rate(6000, 60), 250), Limits(Rate(600, 60), 16))
