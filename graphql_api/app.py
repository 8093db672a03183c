"""The ASGI app: GraphQL, GraphiQL, read and write API, health. Reads through one `Queries`; attempts go to the log."""

import time
from typing import Final

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from assess_core.ports.facts import Facts
from assess_core.ports.log import Intake
from assess_core.ports.meter import Meters
from assess_core.ports.tokens import Tokens
from assess_core.usecases.examining import Examiner
from assess_core.usecases.granting import Granting
from assess_core.usecases.monitoring import Monitor
from assess_core.usecases.operating import Operating
from assess_core.usecases.queries import Queries
from graphql_api import dataset, graphiql, health, metrics, openapi
from graphql_api.attempt_reads import AssessmentRead, StateRead
from graphql_api.compression import Compressed
from graphql_api.console import pages
from graphql_api.console.routes import routes as console_routes
from graphql_api.dataset import ReportRequests
from graphql_api.direct import Direct
from graphql_api.endpoint import GraphQL, post_query
from graphql_api.envelopes import code_of, learning
from graphql_api.gate import Gate, caller_of
from graphql_api.headers import SecurityHeaders, cors
from graphql_api.hosts import Hosts
from graphql_api.ids import new_id
from graphql_api.persisted import PersistedQueries
from graphql_api.request_log import Logged
from graphql_api.rest import AssessRead, read_scores
from graphql_api.throttle import ApiLimits, Throttle, address_of, subject_of
from graphql_api.workers import QUICK_THREADS, Lanes
from graphql_api.write import AssessmentSubmit, AssessUpdate, StateUpdate, Writes

_PATHS: Final = (
    "/ (the console), /graphql, /graphiql, /v2/view/assess/read, /v2/view/assess/update, "
    "/v1/content/state/{read, update}, /v1/assessment/{read, submit}, "
    "/dataset/v1/request/{submit, read, list, search, cancel}, /openapi, "
    "/health, /health/{live, ready}, /ready and /metrics"
)
_STATE_UPDATE: Final = (
    "/v1/content/state/update", "/v1/user/content/state", "/api/course/v1/content/state/update",
)  # fmt: skip
_STATE_READ: Final = (
    "/v1/content/state/read", "/private/v1/content/state/read", "/api/course/v1/content/state/read",
)  # fmt: skip
_DIRECT: Final = {("POST", "/graphql"): post_query, ("POST", "/v2/view/assess/read"): read_scores}
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
    origins: tuple[str, ...] = (),
    operating: Operating | None = None,
    meters: Meters | None = None,
    granting: Granting | None = None,
    examiner: Examiner | None = None,
    score_threads: int = QUICK_THREADS,
) -> Starlette:
    """The app with all `_PATHS`. `facts` give the state of each batch; without them, every batch is accepted.

    `meters` measure the requests; without them, `/metrics` does not exist.

    Without `tokens`, every client may do everything. It answers to `hosts`; None accepts every name. Without
    `requests`, the paths of the dataset API do not exist. Pages of other sites can use the API if `origins` has them.
    `granting` adds grants of a table to those of the tokens of mentors.
    Without `operating`, the fields for operators and auditors give an error. `examiner` runs the checks for the page of
    findings. `score_threads` read scores at the same time.
    """
    monitor = Monitor(queries.state, time.monotonic)
    shown = metrics.Metrics(meters, monitor) if meters else None
    routes: list[BaseRoute] = [
        Route("/graphql", GraphQL),
        Route("/v2/view/assess/read", AssessRead),
        Route("/v2/view/assess/update", AssessUpdate),
        *(Route(path, StateUpdate) for path in _STATE_UPDATE),
        *(Route(path, StateRead) for path in _STATE_READ),
        Route("/v1/assessment/submit", AssessmentSubmit),
        Route("/v1/assessment/read", AssessmentRead),
        *health.routes(),
        *(dataset.routes() if requests else ()),
        *([metrics.route(shown)] if shown else ()),
        *console_routes(),
        *graphiql.routes(),
        *openapi.routes(),
    ]
    handlers = {404: _not_found, 405: _method_not_allowed, 500: _internal_error}
    layers = [
        Middleware(Logged),
        *([Middleware(metrics.Measured, meter=shown.own)] if shown else ()),
        Middleware(SecurityHeaders),
        *cors(origins),
        Middleware(Compressed),
        Middleware(Throttle, limits=limits.address, key_of=address_of),
        Middleware(Gate, tokens=tokens, hosts=hosts, granting=granting),
        Middleware(Throttle, limits=limits.caller, key_of=subject_of),
        Middleware(Direct, endpoints=_DIRECT),
    ]
    app = Starlette(routes=routes, middleware=layers, exception_handlers=handlers)
    app.state.queries = queries
    app.state.health = health.Health(queries.dependencies())
    app.state.lanes = Lanes(score_threads)
    app.state.persisted = PersistedQueries()
    app.state.report_requests = requests
    app.state.operating = operating
    app.state.monitor = monitor
    app.state.examiner = examiner
    app.state.writes = Writes(intake, facts, CapacityLimiter(_FACTS_THREADS))
    return app


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
    """An error outside the endpoints, as a page of the console or in the envelope of Sunbird's services."""
    if pages.is_page(request.scope["path"]):
        shown = pages.refused(request.scope["path"], status, message, caller_of(request))
        shown.headers.update(headers or {})
        return shown
    message_id = request.headers.get("x-msgid") or new_id()
    return learning(request.scope["path"], message_id, status, (code_of(status), message), headers=headers)
