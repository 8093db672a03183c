"""Lanes: a long query has a deadline and its own lane, and stops when it is cancelled."""

import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import duckdb
import httpx
import pytest
from starlette.applications import Starlette

from assess_core.adapters.duckdb.connection import connect, cursor
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import DeadlineExceeded
from assess_core.ports.cancelling import Cancellation, cancellable
from assess_core.ports.stores import Stores
from assess_core.wiring import stores_of
from graphql_api import workers
from graphql_api.app import create_app
from tests.api.client import Http, client, served
from tests.factories import event
from tests.loop import queries, take

BATCH = '{ batch(batchId: "b1") { attemptsCount } }'
LEARNER = '{ score(userId: "u1", assessmentId: "a1") { bestScore } }'


class Slow:
    """A hot store whose scan gives rows every 10 ms until `stop` is set."""

    def __init__(self, stores: Stores) -> None:
        self.scanning, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.stop = threading.Event()
        self._hot = stores.hot

    def scan(self, slice_: ArchiveSlice, **how: bool) -> list[Iterator[Any]]:
        def batches() -> Iterator[Any]:
            self.scanning.release()
            try:
                while not self.stop.wait(0.01):
                    yield from (batch for shard in self._hot.scan(slice_, **how) for batch in shard)
            finally:
                self.ended.release()

        return [batches()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hot, name)


def has_ended(slow: Slow) -> bool:
    """Whether the scan ends well before the deadline of a long query."""
    give_up = time.monotonic() + 7
    while not slow.ended.acquire(timeout=0.1) and time.monotonic() < give_up:
        gc.collect()  # the error holds the frames of the query, and so the scan
    return time.monotonic() < give_up


@pytest.fixture
def slow(stores: Stores) -> Iterator[Slow]:
    take(stores, event())
    store = Slow(stores)
    yield store
    store.stop.set()


@pytest.fixture
def app(stores: Stores, slow: Slow) -> Starlette:
    hot: Any = slow
    opened = stores_of(hot, stores.log, stores.lake, stores.exhausts)
    return create_app(queries(opened), stores.log.intake())


@pytest.fixture
def http(app: Starlette) -> Iterator[Http]:
    with client(app) as found:
        yield found


def post(http: Http, query: str) -> Any:
    return http.post("/graphql", json={"query": query})


def test_a_long_query_is_cancelled_at_its_deadline_and_stops_its_work(
    http: Http, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "DEADLINE", 0.5)

    answer = post(http, BATCH)

    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "DEADLINE_EXCEEDED", "retryable": True}
    assert "ask for less" in error["message"]
    assert has_ended(slow)


def test_a_long_query_stops_working_when_its_client_disconnects(app: Starlette, slow: Slow) -> None:
    with served(app) as port:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": BATCH}, timeout=1)
        assert slow.scanning.acquire(timeout=5)

        assert has_ended(slow)


def test_reads_by_key_and_health_checks_do_not_wait_for_long_queries(http: Http, slow: Slow) -> None:
    busy = [threading.Thread(target=post, args=(http, BATCH)) for _ in range(workers.LONG_THREADS + 2)]
    for thread in busy:
        thread.start()
    for _ in range(workers.LONG_THREADS):
        assert slow.scanning.acquire(timeout=10)

    started = time.monotonic()
    assert post(http, LEARNER).json()["data"]["score"]
    assert http.get("/health").status_code == http.get("/ready").status_code == 200
    assert time.monotonic() - started < 5

    slow.stop.set()
    for thread in busy:
        thread.join(30)


class Full:
    """A lane whose threads are all busy."""

    async def __aenter__(self) -> None:
        await anyio.sleep_forever()

    async def __aexit__(self, *_error: object) -> None:
        """Never reached."""


def test_scores_do_not_wait_for_attempts(app: Starlette) -> None:
    app.state.lanes.quick = Full()
    read = {"request": {"userId": "u1", "assessmentId": "a1"}}

    with served(app) as port:
        root = f"http://127.0.0.1:{port}"
        assert httpx.post(f"{root}/graphql", json={"query": LEARNER}, timeout=5).json()["data"]["score"]
        assert httpx.post(f"{root}/v2/view/assess/read", json=read, timeout=5).status_code == 200


def test_a_query_of_duckdb_is_interrupted_when_its_request_is_cancelled() -> None:
    cancellation = Cancellation()
    endless = "SELECT count(*) FROM range(10_000_000_000) AS a(x), range(10_000_000_000) AS b(y) WHERE x * y = 7"

    started = time.monotonic()
    with cancellable(cancellation), connect() as duck, cursor(duck) as c:
        threading.Timer(0.3, cancellation.cancel, ("given up",)).start()
        with pytest.raises(duckdb.InterruptException):
            c.execute(endless).fetchall()
    assert time.monotonic() - started < 20


def test_a_request_that_was_cancelled_before_it_began_reads_nothing() -> None:
    cancellation = Cancellation()
    cancellation.cancel("given up")

    with cancellable(cancellation), pytest.raises(DeadlineExceeded, match="given up"), connect() as duck:
        cursor(duck).__enter__()
