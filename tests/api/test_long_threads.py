"""Long questions have a lower priority than everything else, and so have the threads of DuckDB that they use."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx
import pytest

from assess_core.adapters.duckdb.connection import connect
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.wiring import open_lake, stores_of
from benchmarks import load_servers
from graphql_api.app import create_app
from graphql_api.long_threads import NICER, LongThreads
from tests.api.client import client
from tests.factories import event, version
from tests.lakes import put
from tests.loop import queries, take

T = TypeVar("T")
LOWEST = 19
BATCH = '{batch(batchId: "b1") {attemptsCount}}'
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives each thread its own priority")


def nice() -> int:
    """The nice value of the current thread."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def threads() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def ask(threads: LongThreads, work: Callable[[], T]) -> T:
    return anyio.run(threads.run, work)


@linux
def test_a_thread_of_long_questions_has_a_lower_priority() -> None:
    assert ask(LongThreads(1), nice) == min(LOWEST, nice() + NICER)


@linux
def test_each_question_finds_the_priority_that_the_first_one_found() -> None:
    lane = LongThreads(1)

    assert ask(lane, nice) == ask(lane, nice)


@linux
def test_the_threads_of_duckdb_have_the_priority_of_the_question() -> None:
    def work() -> list[int]:
        before = threads()
        with connect() as duck:
            duck.execute("SET threads = 3")
            started = threads() - before
            return [os.getpriority(os.PRIO_PROCESS, thread) for thread in started]

    found = ask(LongThreads(1), work)

    assert found
    assert set(found) == {min(LOWEST, nice() + NICER)}


class Noting:
    """A hot store that notes the priority of the threads that read it."""

    def __init__(self, stores: Stores) -> None:
        self.scans, self.gets = list[int](), list[int]()
        self._hot = stores.hot

    def scan(self, slice_: ArchiveSlice, **how: bool) -> list[Iterator[Any]]:
        self.scans.append(nice())
        return list(self._hot.scan(slice_, **how))

    def get(self, rows: Any) -> list[AttemptVersion]:
        self.gets.append(nice())
        return self._hot.get(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hot, name)


@linux
def test_batches_are_read_with_a_lower_priority_and_attempts_of_a_learner_are_not(stores: Stores) -> None:
    take(stores, event())
    noting: Any = Noting(stores)
    app = create_app(queries(stores_of(noting, stores.log, stores.lake, stores.exhausts)), stores.log.intake())

    with client(app) as http:
        for query in (BATCH, '{attempts(userId: "u1") {edges {node {attemptId}}}}'):
            assert "errors" not in http.post("/graphql", json={"query": query}).json()

    assert noting.scans == [min(LOWEST, nice() + NICER)]
    assert noting.gets == [nice()]


@linux
def test_the_threads_that_read_archived_attempts_keep_the_priority_of_the_process(tmp_path: Path) -> None:
    settings = Settings.from_env({}, str(tmp_path))
    put(open_lake(settings), [version()])
    with load_servers.ours(settings) as server:
        started = engine_threads(server.process)
        answer = httpx.post(f"http://127.0.0.1:{server.port}/graphql", json={"query": BATCH}, timeout=30)

        assert answer.json()["data"]["batch"]["attemptsCount"] == 1
        assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in started} == {nice()}


def engine_threads(process: Path) -> list[int]:
    """The threads of deltalake in a process. Those that start later, for files, end after ten seconds without work."""
    tasks = (process / "task").iterdir()
    return [int(task.name) for task in tasks if (task / "comm").read_text().startswith("tokio-rt-worker")]


def test_a_system_that_refuses_a_lower_priority_answers_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)

    assert ask(LongThreads(1), lambda: "answer") == "answer"


def test_a_question_that_waits_for_a_thread_and_is_cancelled_never_begins() -> None:
    lane, first_runs, go_on, began = LongThreads(1), threading.Event(), threading.Event(), list[int]()

    def first() -> None:
        first_runs.set()
        go_on.wait(10)

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lane.run, first)
            while not first_runs.is_set():
                await anyio.sleep(0.001)
            with anyio.move_on_after(0.01):
                await lane.run(lambda: began.append(2))
            go_on.set()
        await lane.run(lambda: began.append(3))

    started = time.monotonic()
    anyio.run(both)

    assert began == [3]
    assert time.monotonic() - started < 9
