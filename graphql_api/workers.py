"""Where questions are asked: on threads, so that a store that is slow blocks nobody else."""

from collections.abc import Callable
from typing import Final, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request

from assess_core.usecases.queries import Queries

THREADS: Final = 8
"""Each may hold a batch's keys in memory; more threads than cores help only while a store is waited for."""

T = TypeVar("T")


async def ask(request: Request, question: Callable[[Queries], T]) -> T:
    """The answer of the app's `Queries`."""
    state = request.app.state
    queries: Queries = state.queries
    limiter: CapacityLimiter = state.threads
    return await run_sync(question, queries, limiter=limiter)
