"""GraphQL over HTTP: POST and GET, persisted queries, and answers that did not change."""

from functools import partial
from typing import Any, Final

import msgspec
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from assess_core.errors import DeadlineExceeded
from graphql_api import dataset
from graphql_api.bodies import BadBody, is_json, read_json, to_json
from graphql_api.caching import conditional
from graphql_api.cost import Reads
from graphql_api.execution import Executed, execute, failure, plan
from graphql_api.gate import caller_of
from graphql_api.persisted import Extensions, PersistedQueries, UnknownHash, WrongHash
from graphql_api.workers import ask_long, ask_quick, ask_scores


class _Asked(msgspec.Struct):
    """A GraphQL request over HTTP."""

    query: str | None = None
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815 the wire's name
    extensions: Extensions | None = None


_body: Final = msgspec.json.Decoder(_Asked)
_variables: Final = msgspec.json.Decoder(dict[str, Any] | None)
_extensions: Final = msgspec.json.Decoder(Extensions | None)
_MISSING: Final = '`query` is missing; send {"query": "{ slices { id status } }"}'


class GraphQL(HTTPEndpoint):
    """`POST` with JSON, or `GET` with `query`, `variables` (JSON) and `operationName` in the URL."""

    async def post(self, request: Request) -> Response:
        """See `post_query`."""
        return await post_query(request)

    async def get(self, request: Request) -> Response:
        """Execute the query of the URL: queries change nothing. A browser without a query is redirected to GraphiQL."""
        sent = request.query_params
        if not {"query", "extensions"} & sent.keys() and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/graphiql")
        try:
            variables = _variables.decode(sent.get("variables") or "null")
            extensions = _extensions.decode(sent.get("extensions") or "null")
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return _refused(400, "`variables` or `extensions` is not a JSON object of the expected shape")
        return await _execute(request, _Asked(sent.get("query"), variables, sent.get("operationName"), extensions))

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except GET and POST."""
        return _refused(405, f"{request.method} is not allowed; use POST", {"allow": "GET, POST"})


async def post_query(request: Request) -> Response:
    """Execute the query of a JSON body; the content type must be JSON."""
    if not is_json(request):
        return _refused(415, "send the query as application/json")
    try:
        return await _execute(request, await read_json(request, _body))
    except BadBody as error:
        return _refused(error.status, str(error))


async def _execute(request: Request, asked: _Asked) -> Response:
    persisted: PersistedQueries = request.app.state.persisted
    try:
        query = persisted.text_of(asked.query, asked.extensions)
    except UnknownHash:
        error = {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}
        return Response(to_json({"errors": [error]}), media_type="application/json")
    except WrongHash:
        return _refused(400, "`sha256Hash` is not the SHA-256 of the query, as 64 hex digits in lower case")
    if query is None:
        return _refused(400, _MISSING)
    planned = plan(query, asked.variables, asked.operationName or None)
    if isinstance(planned, Executed):
        status, body = planned
    elif planned.writes and request.method == "GET":
        # a page of another site can make a browser send a GET
        return _refused(405, "a mutation must be sent with POST", {"allow": "POST"})
    else:
        persisted.keep(query, asked.extensions)
        try:
            reads = dataset.request_reads(request)
            operating, facts = request.app.state.operating, request.app.state.writes.facts
            caller = caller_of(request)
            work = partial(execute, planned=planned, caller=caller, requests=reads, operating=operating, facts=facts)
            if planned.reads is Reads.SCORES:
                status, body = await ask_scores(request, planned.learners if planned.is_small else (), work)
            elif planned.reads is Reads.ROWS:
                status, body = await ask_quick(request, work)
            else:
                status, body = await ask_long(request, work)
        except DeadlineExceeded as error:
            status, body = error.status, failure(error)
    return conditional(request, Response(to_json(body), status, media_type="application/json"))


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
    return Response(to_json(body), status, headers, "application/json")
