"""`/metrics`: who may read it, which labels requests get, and that a scrape is cheap."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from assess_core.domain.measures import EVENTS, Sample
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.wiring import open_meter, open_meters
from graphql_api.app import create_app
from tests.api.client import Http, client
from tests.api.issuer import bearer, token, trusting
from tests.factories import event
from tests.loop import queries, take


@pytest.fixture
def http(stores: Stores, settings: Settings) -> Iterator[Http]:
    with client(create_app(queries(stores), stores.log.intake(), meters=open_meters(settings))) as found:
        yield found


def metrics(http: Http) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name -> label values -> value."""
    answer = http.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_requests_are_counted_by_route_template_method_and_status(http: Http) -> None:
    http.get("/graphiql/graphiql.min.css")
    http.get("/graphiql/start.js")
    http.get("/graphiql/no.js")
    http.post("/graphql", json={"query": "{ __typename }"})
    http.request("DELETE", "/graphql")
    found = metrics(http)["assess_http_requests_total"]
    assert found[("GET", "/graphiql/{name}", "200")] == 1
    assert found[("GET", "/graphiql/{name}", "404")] == 1
    assert found[("GET", "/graphiql/start.js", "200")] == 1
    assert found[("POST", "/graphql", "200")] == found[("DELETE", "/graphql", "405")] == 1
    assert metrics(http)["assess_http_request_seconds_count"][("/graphql",)] == 2


def test_clients_cannot_add_series(http: Http) -> None:
    def series() -> int:
        return sum(map(len, metrics(http).values()))

    def hostile(turn: int) -> None:
        for n in range(20):
            http.get(f"/{turn}/{n}/u{n}")
            http.request(f"X{turn}{n}", "/graphql")
            http.get("/v1/user/content/state", params={"userId": f"u{turn}{n}"})
            http.get(f"/graphiql/{turn}{n}.js")

    metrics(http)
    hostile(1)
    before = series()
    hostile(2)
    assert series() == before
    assert metrics(http)["assess_http_requests_total"][("GET", "unknown", "404")] == 40


def test_an_internal_error_is_counted_as_500(http: Http, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_users: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stores.hot, "entries", broken)
    http.post("/v2/view/assess/read", json={"request": {"userId": "u1", "assessmentId": "a1"}})
    assert metrics(http)["assess_http_requests_total"][("POST", "/v2/view/assess/read", "500")] == 1


def test_the_numbers_of_other_processes_and_of_the_stores_are_shown(
    http: Http, stores: Stores, settings: Settings
) -> None:
    take(stores, event())
    open_meter(settings).record(Sample(EVENTS, 3, ("stored",)))
    found = metrics(http)
    assert found["assess_events_total"] == {("stored",): 3}
    assert found["assess_hot_rows"] == {(): 1}
    assert found["assess_log_unread"] == {("folder", "bytes"): 0}


def test_a_scrape_reads_no_store_while_the_numbers_are_fresh(
    stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    asked = queries(stores)

    def state() -> list[Sample]:
        calls.append(1)
        return []

    monkeypatch.setattr(asked, "state", state)
    with client(create_app(asked, stores.log.intake(), meters=open_meters(settings))) as http:
        for _ in range(5):
            metrics(http)
    assert calls == [1]


def test_only_operators_read_the_metrics(stores: Stores, settings: Settings, tmp_path: Path) -> None:
    app = create_app(
        queries(stores), stores.log.intake(), tokens=trusting(tmp_path), hosts=None, meters=open_meters(settings)
    )
    with client(app) as http:
        statuses = {
            role: http.get("/metrics", headers=bearer(token("x", roles=[role]))).status_code
            for role in ("learner", "mentor", "auditor", "operator")
        }
        assert statuses == {"learner": 403, "mentor": 403, "auditor": 403, "operator": 200}
        assert http.get("/metrics").status_code == 401
