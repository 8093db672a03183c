"""Health: whether this process lives, and whether the stores that it needs answer.

Orchestrators ask without a token, so a client without one learns only the names of the dependencies and their state.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assess_core.errors import AssessError, DeadlineExceeded
from graphql_api.bodies import to_json
from graphql_api.envelopes import RETRY_AFTER
from graphql_api.gate import caller_of

DEADLINE: Final = 5.0
"""Seconds for the answer of a dependency."""
REQUIRED: Final = "hot store"
"""The dependency without which no request can be answered. Without another one, some requests can."""
_Probes = Mapping[str, Callable[[], None]]


class Health:
    """The dependencies of an app, each with a thread of its own: one that hangs does not delay the others."""

    def __init__(self, probes: _Probes) -> None:
        self._probes = probes
        self._threads = {name: CapacityLimiter(1) for name in probes}

    async def problem(self, name: str) -> AssessError | None:
        """Why a dependency cannot be used; None if it answered before `DEADLINE`."""
        try:
            with anyio.fail_after(DEADLINE):
                await run_sync(self._probes[name], limiter=self._threads[name], abandon_on_cancel=True)
        except TimeoutError:
            return DeadlineExceeded(f"the {name} did not answer in {DEADLINE:.0f} s; type: assess doctor")
        except AssessError as error:
            return error
        return None

    async def problems(self) -> dict[str, AssessError | None]:
        """The problem of each dependency. All are asked at the same time."""
        found: dict[str, AssessError | None] = dict.fromkeys(self._probes)

        async def ask(name: str) -> None:
            found[name] = await self.problem(name)

        async with anyio.create_task_group() as group:
            for name in self._probes:
                group.start_soon(ask, name)
        return found


def routes() -> list[Route]:
    """The paths of health."""
    return [
        Route("/health", _live),
        Route("/health/live", _live),
        Route("/health/ready", _all_ready),
        Route("/ready", _ready),
    ]


async def _live(_request: Request) -> Response:
    """Liveness: this process answers. It asks no store, so an unreachable store does not restart the process."""
    return _answer({"status": "ok"})


async def _ready(request: Request) -> Response:
    """Readiness: the hot store answers, so requests may be sent here."""
    error = await _health(request).problem(REQUIRED)
    if error is None:
        return _answer({"status": "ok"})
    return _answer({"status": "unavailable", **_message(request, error)}, 503)


async def _all_ready(request: Request) -> Response:
    """Readiness with the state of each dependency."""
    problems = await _health(request).problems()
    broken = [name for name, error in problems.items() if error]
    status = "unavailable" if REQUIRED in broken else "degraded" if broken else "ok"
    states = {
        name: {"status": "unavailable", **_message(request, error)} if error else {"status": "ok"}
        for name, error in problems.items()
    }
    return _answer({"status": status, "dependencies": states}, 503 if REQUIRED in broken else 200)


def _health(request: Request) -> Health:
    found: Health = request.app.state.health
    return found


def _message(request: Request, error: AssessError) -> dict[str, str]:
    """The message of an error; nothing for a client without a token, which must learn nothing about the stores."""
    return {} if caller_of(request) is None else {"message": str(error)}


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    return Response(to_json(body), status, RETRY_AFTER if status == 503 else None, "application/json")
