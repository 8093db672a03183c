"""The ASGI layer that gives every request an id, and writes a line about it if messages are JSON.

The line has the template of the route and never the path or the query: both can hold ids, answers or tokens.
"""

import logging
import re
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from opentelemetry.trace import Span, SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assess_core import tracing
from assess_core.messages import is_json, request_id
from graphql_api.gate import caller_in
from graphql_api.ids import new_id
from graphql_api.metrics import CUT, method_of, template_of
from graphql_api.permissions import hash_of

HEADER: Final = "x-request-id"
_HEADER: Final = HEADER.encode()
_PARENT: Final = tracing.HEADER.encode()
_GIVEN: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}\Z")
_NO_SPAN: Final[AbstractContextManager[Span | None]] = nullcontext()
_log: Final = logging.getLogger("assess.requests")


class Logged:
    """An ASGI layer. It uses the client's id if that is short and plain, and returns the id in the same header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._writes_lines = is_json()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id_, status, started = _id(scope), CUT, time.perf_counter()

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((_HEADER, id_.encode()))
            await send(message)

        token = request_id.set(id_)
        try:
            # the generator of a span is not free, even if it makes none
            with _span(scope) if tracing.is_on() else _NO_SPAN as span:
                try:
                    await self._app(scope, receive, with_id)
                except Exception:
                    status = 500
                    raise
                finally:
                    if span is not None:
                        _describe(span, scope, status)
        finally:
            if self._writes_lines:
                _log.info("request", extra={"fields": _fields(scope, status, time.perf_counter() - started)})
            request_id.reset(token)


def _span(scope: Scope) -> AbstractContextManager[Span | None]:
    return tracing.span(method_of(scope), SpanKind.SERVER, _parent(scope))


def _parent(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == _PARENT]
    return given[0].decode("latin-1") if len(given) == 1 else ""


def _describe(span: Span, scope: Scope, status: int) -> None:
    method, route = method_of(scope), template_of(scope)
    span.update_name(f"{method} {route}")
    span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= 500:
        tracing.fail(span)


def _id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == _HEADER]
    return given[0].decode() if len(given) == 1 and _GIVEN.match(given[0]) else new_id().replace("-", "")


def _fields(scope: Scope, status: int, seconds: float) -> dict[str, object]:
    caller = caller_in(scope)
    return {
        "method": method_of(scope),
        "route": template_of(scope),
        "status": status,
        "seconds": round(seconds, 4),
        **({"caller": hash_of(caller.id)} if caller and caller.id else {}),
    }
