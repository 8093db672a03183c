"""When the thread of the event loop reads scores itself: never what may wait."""

import threading
from collections.abc import Collection, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from assess_core.domain.register import Kind, Record
from assess_core.domain.scores import Entry
from assess_core.ports.hot_store import MOST_AT_ONCE
from assess_core.ports.stores import Stores
from assess_core.usecases.learner_scores import WouldWait
from graphql_api.app import create_app
from graphql_api.recent import MOST_LEARNERS, SECONDS, SLOW, RecentlyRead
from tests.api.client import Http, client, served
from tests.factories import event
from tests.loop import queries, take

READ = "/v2/view/assess/read"


def asked(user: str) -> dict[str, Any]:
    return {"request": {"userId": user, "assessmentId": "a1"}}


class Watched:
    """A hot store that notes which threads read, and whose disk is slow for some learners."""

    def __init__(self, stores: Stores) -> None:
        self._hot = stores.hot
        self.threads: list[str] = []
        self.slow: set[str] = set()
        self.reading, self.go_on = threading.Event(), threading.Event()

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        self._read(user_ids)
        self.threads.append("lane")
        return self._hot.entries(user_ids)

    def entries_at_once(self, user_ids: Collection[str]) -> dict[str, list[Entry]] | None:
        self._read(user_ids)
        found = self._hot.entries_at_once(user_ids)
        if found is not None:
            self.threads.append("loop")
        return found

    def _read(self, user_ids: Collection[str]) -> None:
        if self.slow.intersection(user_ids):
            self.reading.set()
            assert self.go_on.wait(10)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hot, name)


@pytest.fixture
def hot(stores: Stores) -> Watched:
    take(stores, event(), event(user="u2"))
    return Watched(stores)


@pytest.fixture
def app(stores: Stores, hot: Any) -> Starlette:
    return create_app(queries(stores._replace(hot=hot)), stores.log.intake())


@pytest.fixture
def http(app: Starlette) -> Iterator[Http]:
    with client(app) as found:
        yield found


def score(http: Http, user: str = "u1") -> Any:
    return http.post(READ, json=asked(user)).json()["result"].get("bestScore")


def test_a_learner_is_read_by_a_thread_first_and_then_by_the_event_loop(http: Http, hot: Watched) -> None:
    assert [score(http) for _ in range(3)] == [1, 1, 1]
    assert hot.threads == ["lane", "loop", "loop"]
    assert score(http, "u2") == 1
    assert hot.threads[3:] == ["lane"]


def test_every_face_answers_the_same_from_both_threads(app: Starlette, http: Http, hot: Watched) -> None:
    of_batch = {"request": {"userId": "u1", "courseId": "c1", "batchId": "b1", "fields": ["score"]}}
    query = {"query": '{ scores(userId: "u1", assessmentId: "a1") { bestScore averageScore attemptsCount } }'}
    for path, body, found in (("/v1/content/state/read", of_batch, "result"), ("/graphql", query, "data")):
        hot.threads.clear()
        app.state.lanes.recent = RecentlyRead()
        first, second = (http.post(path, json=body).json()[found] for _ in range(2))
        assert first == second
        assert first
        assert hot.threads == ["lane", "loop"], path


def test_a_score_that_was_stored_meanwhile_is_seen(http: Http, hot: Watched, stores: Stores) -> None:
    assert score(http) == score(http) == 1
    take(stores, event(attempt="t2"))
    answer = http.post(READ, json=asked("u1")).json()["result"]
    assert answer["attemptsCount"] == 2
    assert hot.threads[-1] == "loop"


def test_a_slow_disk_delays_no_other_caller(stores: Stores, hot: Any) -> None:
    hot.slow = {"u2"}
    with served(create_app(queries(stores._replace(hot=hot)), stores.log.intake())) as port:
        root = f"http://127.0.0.1:{port}"
        waiting = threading.Thread(target=httpx.post, args=(root + READ,), kwargs={"json": asked("u2"), "timeout": 20})
        waiting.start()
        assert hot.reading.wait(10)
        assert httpx.get(f"{root}/health/live", timeout=5).status_code == 200
        for _ in range(2):
            assert httpx.post(root + READ, json=asked("u1"), timeout=5).status_code == 200
        hot.go_on.set()
        waiting.join(10)
    assert hot.threads[:2] == ["lane", "loop"]


def test_a_learner_with_many_attempts_is_read_by_a_thread(http: Http, hot: Watched, stores: Stores) -> None:
    take(stores, *(event(attempt=f"t{n}") for n in range(2, MOST_AT_ONCE + 2)))
    assert score(http) == score(http) == 1
    assert hot.threads == ["lane", "lane"]


def test_a_corrected_assessment_is_read_by_a_thread(http: Http, hot: Watched, stores: Stores) -> None:
    assert score(http) == score(http) == 1
    stores.hot.register.add([Record(Kind.CORRECTION, "a1", "c1", "no JSON")])
    assert http.post(READ, json=asked("u1")).status_code == 409  # the thread reads the correction, and refuses it
    assert hot.threads == ["lane", "loop", "lane"]


def test_a_large_query_is_executed_by_a_thread(http: Http, hot: Watched) -> None:
    many = "".join(f's{n}: score(userId: "u1", assessmentId: "a1") {{ bestScore }} ' for n in range(5))
    wide = "".join(f"b{n}: bestScore " for n in range(40))
    for query in ("{ " + many + "}", '{ score(userId: "u1", assessmentId: "a1") { ' + wide + "} }"):
        for _ in range(2):
            assert "errors" not in http.post("/graphql", json={"query": query}).json()
    assert hot.threads == ["lane"] * 4


def test_a_query_that_names_a_learner_in_a_default_is_executed_by_a_thread(http: Http, hot: Watched) -> None:
    query = """query ($u: ID! = "u2") { a: score(userId: "u1", assessmentId: "a1") { bestScore }
        b: score(userId: $u, assessmentId: "a1") { bestScore } }"""
    answers = [http.post("/graphql", json={"query": query}).json() for _ in range(2)]
    assert answers == [{"data": {"a": {"bestScore": 1.0}, "b": {"bestScore": 1.0}}}] * 2
    assert hot.threads[-1] == "lane"


def test_an_id_that_no_store_can_look_up_is_refused_by_both_threads(http: Http) -> None:
    query = "query ($u: ID!) { score(userId: $u, assessmentId: 7) { bestScore } }"
    sent = b'{"query": "%b", "variables": {"u": "\\ud800"}}' % query.encode()
    answers = [http.post("/graphql", content=sent, headers={"content-type": "application/json"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


# --- the memory of recent reads ---


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def read(recent: RecentlyRead, clock: Clock, user: str, seconds: float = 0.001) -> None:
    def question(_asked: None) -> None:
        clock.now += seconds

    recent.noting([user], question, None)


def test_a_read_counts_for_a_time_if_it_was_quick() -> None:
    clock = Clock()
    recent = RecentlyRead(clock)
    read(recent, clock, "u1")
    read(recent, clock, "u2", SLOW * 2)
    assert recent.has(["u1"])
    assert not recent.has(["u2"])
    assert not recent.has(["u1", "u2"])
    assert not recent.has([])
    clock.now += SECONDS
    assert not recent.has(["u1"])


def test_a_slow_read_by_the_event_loop_sends_all_learners_to_threads_again() -> None:
    clock = Clock()
    recent = RecentlyRead(clock)
    for user in ("u1", "u2"):
        read(recent, clock, user)
    started = clock.now
    clock.now += SLOW / 2
    recent.check(started)
    assert recent.has(["u1", "u2"])
    clock.now += SLOW * 2
    recent.check(started)
    assert not recent.has(["u1"])
    assert not recent.has(["u2"])


def test_a_failed_read_does_not_count() -> None:
    recent = RecentlyRead()

    def fails(_asked: None) -> None:
        raise WouldWait

    with pytest.raises(WouldWait):
        recent.noting(["u1"], fails, None)
    assert not recent.has(["u1"])


def test_the_number_of_learners_is_bounded() -> None:
    clock = Clock()
    recent = RecentlyRead(clock)
    for number in range(MOST_LEARNERS + 10):
        read(recent, clock, str(number), 0)
    assert not recent.has(["9"])
    assert recent.has(["10"])
