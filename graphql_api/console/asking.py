"""Asks what a server may lack: the use cases for operators, and the requests for reports."""

from collections.abc import Callable
from typing import TypeVar

from anyio.to_thread import run_sync
from starlette.requests import Request

from assess_core.errors import BadRequest
from assess_core.usecases.operating import Operating
from assess_core.usecases.requesting import Requesting
from graphql_api.dataset import ReportRequests
from graphql_api.reading import require_operating
from graphql_api.workers import ask_long

T = TypeVar("T")


async def ask_operating(request: Request, question: Callable[[Operating], T]) -> T:
    """The answer to a question of operators. Raises `BadRequest` if this server does not answer it."""
    operating = require_operating(request.app.state.operating)
    return await ask_long(request, lambda _queries: question(operating))


def reports_of(request: Request) -> ReportRequests:
    """The requests for reports. Raises `BadRequest` if this server takes none."""
    api: ReportRequests | None = request.app.state.report_requests
    if api is None:
        raise BadRequest("this server takes no requests for reports; start it with `assess api`")
    return api


async def ask_requesting(request: Request, question: Callable[[Requesting], T]) -> T:
    """The answer of the store of requests, in the threads of the dataset API."""
    api = reports_of(request)
    return await run_sync(lambda: question(api.requesting), limiter=api.threads)
