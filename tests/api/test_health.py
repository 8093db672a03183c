"""Health: liveness asks no store; readiness names each dependency and waits for none of them too long."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from assess_core.errors import StoreUnavailable
from assess_core.ports.stores import Stores
from graphql_api import health
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.loop import queries


class Away:
    """A store of which every method fails."""

    def __getattr__(self, name: str) -> Any:
        raise StoreUnavailable("it does not answer; start it")


def without(stores: Stores, *names: str) -> Iterator[Http]:
    away: Any = Away()
    with client(create_app(queries(stores._replace(**dict.fromkeys(names, away))), stores.log.intake())) as http:
        yield http


def test_all_dependencies_of_a_working_installation_are_ok(http: Http) -> None:
    answer = http.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "dependencies": {name: {"status": "ok"} for name in ("hot store", "lake", "log")},
    }


def test_liveness_asks_no_store(stores: Stores) -> None:
    for http in without(stores, "hot", "lake", "log"):
        for path in ("/health", "/health/live"):
            assert (http.get(path).status_code, http.get(path).json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(("part", "name"), [("lake", "lake"), ("log", "log")])
def test_without_the_lake_or_the_log_the_api_is_degraded_but_still_gets_requests(
    stores: Stores, part: str, name: str
) -> None:
    for http in without(stores, part):
        answer = http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        states = answer.json()["dependencies"]
        assert states.pop(name) == {"status": "unavailable", "message": "it does not answer; start it"}
        assert set(map(str, states.values())) == {"{'status': 'ok'}"}


def test_without_the_hot_store_the_api_is_not_ready(stores: Stores) -> None:
    for http in without(stores, "hot"):
        answer = http.get("/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


def test_a_store_that_hangs_is_reported_after_the_deadline_and_delays_no_other(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "DEADLINE", 0.2)
    go_on = threading.Event()

    class Hanging:
        def pin(self) -> None:
            go_on.wait(30)

    lake: Any = Hanging()
    with client(create_app(queries(stores._replace(lake=lake)), stores.log.intake())) as http:
        for _ in range(2):  # the first thread still hangs
            answer = http.get("/health/ready")
            states = answer.json()["dependencies"]
            assert states["lake"]["message"] == "the lake did not answer in 0 s; type: assess doctor"
            assert states["hot store"] == states["log"] == {"status": "ok"}
        go_on.set()
