"""The ASGI app: GraphQL, GraphiQL, read and write API, health. Reads through one `Queries`; writes only to the log."""

from functools import partial
from typing import Any, Final
from uuid import uuid4

import msgspec
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from assess_core.errors import AssessError, DeadlineExceeded
from assess_core.ports.facts import Facts
from assess_core.ports.log import Intake
from assess_core.ports.tokens import Tokens
from assess_core.usecases.queries import Queries
from graphql_api import dataset, graphiql
from graphql_api.attempt_reads import AssessmentRead, StateRead
from graphql_api.bodies import BadBody, is_json, read_json, to_json
from graphql_api.dataset import ReportRequests
from graphql_api.envelopes import RETRY_AFTER, code_of, learning
from graphql_api.execution import Executed, execute, failure, plan
from graphql_api.gate import Gate, caller_of
from graphql_api.hosts import Hosts
from graphql_api.rest import AssessRead
from graphql_api.throttle import ApiLimits, Throttle, address_of, subject_of
from graphql_api.workers import Lanes, ask_long, ask_quick, is_ready
from graphql_api.write import AssessmentSubmit, AssessUpdate, StateUpdate, Writes

_PATHS: Final = (
    "/graphql, /graphiql, /v2/view/assess/read, /v2/view/assess/update, /v1/content/state/{read, update}, "
    "/v1/assessment/{read, submit}, /dataset/v1/request/{submit, read, list, search, cancel}, /health and /ready"
)
_STATE_UPDATE: Final = (
    "/v1/content/state/update", "/v1/user/content/state", "/api/course/v1/content/state/update",
)  # fmt: skip
_STATE_READ: Final = (
    "/v1/content/state/read", "/private/v1/content/state/read", "/api/course/v1/content/state/read",
)  # fmt: skip
_LOCAL_HOSTS: Final = Hosts()
_NO_LIMITS: Final = ApiLimits()
_FACTS_THREADS: Final = 8  # a look-up of facts may wait for a database


def create_app(
    queries: Queries,
    intake: Intake,
    facts: Facts | None = None,
    tokens: Tokens | None = None,
    hosts: Hosts | None = _LOCAL_HOSTS,
    requests: ReportRequests | None = None,
    limits: ApiLimits = _NO_LIMITS,
) -> Starlette:
    """The app with all `_PATHS`. `facts` give the state of each batch; without them, every batch is accepted.

    Without `tokens`, every client may do everything. It answers to `hosts`; None accepts every name. Without
    `requests`, the paths of the dataset API do not exist.
    """
    routes: list[BaseRoute] = [
        Route("/", RedirectResponse("/graphiql")),
        Route("/graphql", GraphQL),
        Route("/v2/view/assess/read", AssessRead),
        Route("/v2/view/assess/update", AssessUpdate),
        *(Route(path, StateUpdate) for path in _STATE_UPDATE),
        *(Route(path, StateRead) for path in _STATE_READ),
        Route("/v1/assessment/submit", AssessmentSubmit),
        Route("/v1/assessment/read", AssessmentRead),
        Route("/health", _health),
        Route("/ready", _ready),
        *(dataset.routes() if requests else ()),
        *graphiql.routes(),
    ]
    handlers = {404: _not_found, 405: _method_not_allowed, 500: _internal_error}
    layers = [
        Middleware(GZipMiddleware),
        Middleware(Throttle, limits=limits.address, key_of=address_of),
        Middleware(Gate, tokens=tokens, hosts=hosts),
        Middleware(Throttle, limits=limits.caller, key_of=subject_of),
    ]
    app = Starlette(routes=routes, middleware=layers, exception_handlers=handlers)
    app.state.queries = queries
    app.state.lanes = Lanes()
    app.state.report_requests = requests
    app.state.writes = Writes(intake, facts, CapacityLimiter(_FACTS_THREADS))
    return app


class _Asked(msgspec.Struct):
    """A GraphQL request over HTTP."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 the wire's name


_body: Final = msgspec.json.Decoder(_Asked)
_variables: Final = msgspec.json.Decoder(dict[str, Any] | None)


class GraphQL(HTTPEndpoint):
    """`POST` with JSON, or `GET` with `query`, `variables` (JSON) and `operationName` in the URL."""

    async def post(self, request: Request) -> Response:
        """Execute the query of a JSON body; the content type must be JSON."""
        if not is_json(request):
            return _refused(415, "send the query as application/json")
        try:
            return await _execute(request, await read_json(request, _body))
        except BadBody as error:
            return _refused(error.status, str(error))

    async def get(self, request: Request) -> Response:
        """Execute the query of the URL: queries change nothing. A browser without a query is redirected to GraphiQL."""
        query = request.query_params.get("query")
        if query is None:
            if "text/html" in request.headers.get("accept", ""):
                return RedirectResponse("/graphiql")
            return _refused(400, '`query` is missing; send {"query": "{ slices { id status } }"}')
        try:
            variables = _variables.decode(request.query_params.get("variables") or "null")
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return _refused(400, "`variables` is not a JSON object")
        return await _execute(request, _Asked(query, variables, request.query_params.get("operationName")))

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except GET and POST."""
        return _refused(405, f"{request.method} is not allowed; use POST", {"allow": "GET, POST"})


async def _execute(request: Request, asked: _Asked) -> Response:
    planned = plan(asked.query, asked.variables, asked.operationName or None)
    if isinstance(planned, Executed):
        status, body = planned
    elif planned.writes and request.method == "GET":
        # a page of another site can make a browser send a GET
        return _refused(405, "a mutation must be sent with POST", {"allow": "POST"})
    else:
        ask = ask_long if planned.reads_many_rows else ask_quick
        try:
            reads = dataset.request_reads(request)
            work = partial(execute, planned=planned, caller=caller_of(request), requests=reads)
            status, body = await ask(request, work)
        except DeadlineExceeded as error:
            status, body = error.status, failure(error)
    return Response(to_json(body), status, media_type="application/json")


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
    return Response(to_json(body), status, headers, "application/json")


async def _health(_request: Request) -> Response:
    """Liveness: this process answers. It asks no store, so an unreachable store does not restart the process."""
    return Response(to_json({"status": "ok"}), media_type="application/json")


async def _ready(request: Request) -> Response:
    """Readiness: the hot store answers, so requests may be sent here."""
    try:
        await is_ready(request)
    except AssessError as error:
        body = {"status": "unavailable"}
        if caller_of(request) is not None:  # a client without a token learns nothing about the stores
            body["message"] = str(error)
        return Response(to_json(body), 503, RETRY_AFTER, "application/json")
    return Response(to_json({"status": "ok"}), media_type="application/json")


async def _not_found(request: Request, _error: Exception) -> Response:
    return _envelope(request, 404, f"{request.scope['path']} does not exist; the paths are {_PATHS}")


async def _method_not_allowed(request: Request, error: Exception) -> Response:
    allowed = (error.headers or {}).get("Allow", "GET") if isinstance(error, HTTPException) else "GET"
    message = f"{request.method} is not allowed; use {allowed}"
    return _envelope(request, 405, message, {"allow": allowed})


async def _internal_error(request: Request, _error: Exception) -> Response:
    """Starlette has logged the error; the client gets no details."""
    return _envelope(request, 500, "internal error; the server's log has the details")


def _envelope(request: Request, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error outside the endpoints, in the envelope of Sunbird's services."""
    message_id = request.headers.get("x-msgid") or str(uuid4())
    return learning(request.scope["path"], message_id, status, (code_of(status), message), headers=headers)
