"""The threads that ask the stores, in lanes: no kind of question waits for another kind.

* *scores*: a learner's scores. They read maps in the hot store; while a correction is applied, also rows. If the store
  can answer at once, the thread of the event loop asks it itself (`recent.py`): a change of threads costs more.
* *quick*: a learner's attempts, and requests for reports. A read by key.
* *long*: batches and slices. They read many rows, so they have a deadline, end when the client disconnects, and leave
  the processors to the others (`long_threads.py`).
* *state*: waits for what the stores hold. They end after some seconds, whatever the stores do.

Probes of health have threads of their own (`health.py`).
"""

from collections.abc import Callable, Collection
from typing import Final, TypeVar

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request

from assess_core.domain.measures import Sample
from assess_core.errors import DeadlineExceeded
from assess_core.ports.cancelling import Cancellation, cancellable
from assess_core.usecases.learner_scores import WouldWait
from assess_core.usecases.monitoring import Monitor
from assess_core.usecases.queries import Queries
from graphql_api.long_threads import LongThreads
from graphql_api.recent import RecentlyRead

QUICK_THREADS: Final = 8
"""Reads by key at the same time: they wait for Cassandra, or for the lake if the attempt was cleared."""
EMBEDDED_SCORE_THREADS: Final = 2
"""Reads of scores at the same time if the hot store is a file: they compute, and more threads would compete for the
interpreter. Two, so that a slow read does not stop all others."""
LONG_THREADS: Final = 2
"""Long questions at the same time: each can use all cores and hold a batch's keys in memory."""
STATE_THREADS: Final = 2
"""Waits for the state of the stores at the same time. One thread of its own reads it."""
DEADLINE: Final = 15.0
"""Seconds for a long question, including its wait for a thread; clients wait 30."""
_POLL: Final = 0.2  # seconds between two checks that the client is still connected

_LATE: Final = f"the answer took more than {DEADLINE:.0f} s and was cancelled; ask for less, or try again later"
_GONE: Final = "the client disconnected before the answer"

T = TypeVar("T")


class Lanes:
    """The lanes of an app."""

    def __init__(self, score_threads: int = QUICK_THREADS) -> None:
        self.scores = CapacityLimiter(score_threads)
        self.recent = RecentlyRead()
        self.quick = CapacityLimiter(QUICK_THREADS)
        self.long = LongThreads(LONG_THREADS)
        self.state = CapacityLimiter(STATE_THREADS)


async def ask_scores(request: Request, user_ids: Collection[str], question: Callable[[Queries], T]) -> T:
    """The answer to a question about scores of these learners."""
    state = request.app.state
    recent: RecentlyRead = state.lanes.recent
    if recent.has(user_ids):
        started = recent.now()
        at_once = state.queries.at_once(user_ids)
        recent.check(started)
        if at_once is not None:
            try:
                return question(at_once)
            except WouldWait:
                pass
    return await run_sync(recent.noting, user_ids, question, state.queries, limiter=state.lanes.scores)


async def ask_quick(request: Request, question: Callable[[Queries], T]) -> T:
    """The answer to a read by key."""
    lanes: Lanes = request.app.state.lanes
    return await run_sync(question, request.app.state.queries, limiter=lanes.quick)


async def ask_state(request: Request, wait: float) -> list[Sample]:
    """What the stores held when they were last read; waits at most some seconds if they are read now."""
    lanes: Lanes = request.app.state.lanes
    monitor: Monitor = request.app.state.monitor
    return await run_sync(monitor.samples, wait, limiter=lanes.state)


async def ask_long(request: Request, question: Callable[[Queries], T]) -> T:
    """The answer to a question that may read many rows. Raises `DeadlineExceeded`."""
    lanes: Lanes = request.app.state.lanes
    cancellation = Cancellation()

    def work() -> T:
        with cancellable(cancellation):
            return question(request.app.state.queries)

    answers: list[T] = []
    failures: list[Exception] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            with anyio.move_on_after(DEADLINE):
                while not await request.is_disconnected():
                    await anyio.sleep(_POLL)
                cancellation.cancel(_GONE)
            if cancellation.reason is None:
                cancellation.cancel(_LATE)
            group.cancel_scope.cancel()  # ends the wait for a thread; a busy thread ends by `cancellation`

        group.start_soon(watch)
        try:
            answers.append(await lanes.long.run(work))
        except Exception as error:  # noqa: BLE001 a task group would wrap it; it is raised below
            failures.append(error)
        group.cancel_scope.cancel()
    if failures:
        raise failures[0]
    if not answers:
        raise DeadlineExceeded(cancellation.reason or _LATE)
    return answers[0]
