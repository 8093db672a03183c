"""`/metrics`: what Prometheus reads, and the ASGI layer that measures every request."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assess_core.domain.access import Resource
from assess_core.domain.measures import REQUEST_SECONDS, REQUESTS, Sample, changes
from assess_core.errors import Forbidden
from assess_core.ports.meter import Meter, Meters
from assess_core.usecases.monitoring import Monitor
from graphql_api.envelopes import refusal
from graphql_api.gate import require_allowed
from graphql_api.permissions import ROUTES

PATH: Final = "/metrics"
_TEMPLATE: Final = "assess.template"
UNKNOWN: Final = "unknown"
"""The route of a path that the app does not have, so that clients cannot add series."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})
CUT: Final = 499
"""The status of a request whose client left before the answer began."""
_WAIT: Final = 1.0  # seconds for new numbers of the stores; a scraper waits 10


class Metrics:
    """What `/metrics` shows: the requests of this process, the state of the stores, and what processes share."""

    def __init__(self, meters: Meters, monitor: Monitor) -> None:
        self.own = meters.own
        self._meters, self._monitor = meters, monitor
        self.threads = CapacityLimiter(1)

    def text(self) -> bytes:
        """The text for Prometheus. It waits a second at most for the stores."""
        state = {cell: value for sample in self._monitor.samples(_WAIT) for cell, value in changes(sample)}
        return self._meters.expose([self.own.numbers(), self._meters.shared.numbers(), state])


def route(metrics: Metrics) -> Route:
    """The path of metrics."""

    async def answer(request: Request) -> Response:
        try:
            require_allowed(request, Resource())
        except Forbidden as error:
            return refusal(request.scope, error.status, str(error))
        text = await run_sync(metrics.text, limiter=metrics.threads)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return Route(PATH, answer)


class Measured:
    """An ASGI layer that counts requests by method, route and status, and measures how long each route takes."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and record it when it ends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, statuses = time.perf_counter(), list[int]()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        record = partial(self._record, scope, started, statuses)
        try:
            await self._app(scope, receive, noting)
        except Exception:
            record(500)
            raise
        record(CUT)

    def _record(self, scope: Scope, started: float, statuses: Sequence[int], without: int) -> None:
        method = method_of(scope)
        path, status = template_of(scope), statuses[0] if statuses else without
        self._meter.record(
            Sample(REQUESTS, 1, (method, path, str(status))),
            Sample(REQUEST_SECONDS, time.perf_counter() - started, (path,)),
        )


def method_of(scope: Scope) -> str:
    """The method of a request; `other` for a strange one."""
    method: str = scope["method"]
    return method if method in _METHODS else "other"


def template(routes: Sequence[BaseRoute], path: str) -> str:
    """The path of the route that a path has, like `/graphiql/{name}`."""
    for each in routes:
        if isinstance(each, Route) and (each.path == path or each.path_regex.match(path)):
            return each.path
    return UNKNOWN


def template_of(scope: Scope) -> str:
    """The template of a request. It is found once for each request, and at once for a path without parameters."""
    found: str | None = scope.get(_TEMPLATE)
    if found is None:
        path = scope["path"]
        found = path if path in ROUTES else template(scope["app"].routes, path)
        scope[_TEMPLATE] = found
    return found
