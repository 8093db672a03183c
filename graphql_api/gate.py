"""The gate before every path: the request must name a known host, and its token a caller."""

from typing import Any, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assess_core.domain.access import LOCAL, Action, Caller, Denial, Resource, may_ever
from assess_core.domain.signed_links import LINK_PATH
from assess_core.errors import StoreUnavailable, Unauthenticated
from assess_core.ports.tokens import Tokens, UnknownKey
from assess_core.usecases.granting import Granting
from graphql_api.console.pages import is_page
from graphql_api.console.session import token_in
from graphql_api.envelopes import refusal
from graphql_api.hosts import Hosts
from graphql_api.permissions import OPEN, PROBES, ROUTES, record, require

_CALLER: Final = "assess.caller"
_READERS: Final = 4  # threads that wait for the source of grants
_BEARER: Final = "bearer "
_MISDIRECTED: Final = "the API does not answer to this Host; use a name of ASSESS_API_HOSTS, or add yours to it"


class Gate:
    """An ASGI layer. Without `tokens` every caller is `LOCAL`; without `hosts` every name is accepted.

    `granting` adds grants of a table to those of a mentor's token.
    """

    def __init__(
        self, app: ASGIApp, tokens: Tokens | None, hosts: Hosts | None, granting: Granting | None = None
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = hosts
        self._granting = granting
        self._refreshing = CapacityLimiter(1)
        self._reading = CapacityLimiter(_READERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its caller, or answer 401, 421 or 503."""
        if scope["type"] == "http":
            refused = await self._refused(scope)
            if refused is not None:
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refused(self, scope: Scope) -> Response | None:
        scope[_CALLER] = LOCAL if self._tokens is None else None
        if scope["path"] in PROBES:  # probes of an orchestrator have no token, and the pod's address as the Host
            return None
        if self._hosts is not None and not self._hosts.answers_to(_headers(scope, b"host")):
            return refusal(scope, 421, _MISDIRECTED)
        if self._tokens is None or scope["path"] in OPEN or scope["path"].startswith(LINK_PATH):
            return None
        try:
            scope[_CALLER] = await self._with_grants(await self._caller(scope, self._tokens))
        except Unauthenticated as error:
            denial = Denial(str(error), needs_token=True)
            record(None, Action.DESCRIBE, Resource(), denial, scope["path"])
            challenge = f'Bearer error="invalid_token", error_description="{error}"'
            has_token = _headers(scope, b"authorization") or _headers(scope, b"x-authenticated-user-token")
            return refusal(scope, 401, str(error), {"www-authenticate": challenge if has_token else "Bearer"})
        except StoreUnavailable as error:
            return refusal(scope, error.status, str(error), {"retry-after": "5"})
        return None

    async def _with_grants(self, caller: Caller) -> Caller:
        if self._granting is None:
            return caller
        if self._granting.needs_source(caller):
            return await run_sync(self._granting.granted, caller, limiter=self._reading)
        return self._granting.granted(caller)

    async def _caller(self, scope: Scope, tokens: Tokens) -> Caller:
        """The caller that the tokens of a request name. Raises `Unauthenticated`, `StoreUnavailable`."""
        token, managed = _token(scope), _single(scope, "x-authenticated-for")
        try:
            return tokens.caller(token, managed)
        except UnknownKey:
            await run_sync(tokens.refresh, limiter=self._refreshing)
            return tokens.caller(token, managed)


def caller_of(request: Request) -> Caller | None:
    """The caller whom the gate found; None for a probe."""
    return caller_in(request.scope)


def caller_in(scope: Scope) -> Caller | None:
    """The caller of a request that ended; None if the gate found none."""
    found: Caller | None = scope.get(_CALLER)
    return found


def learner_of(request: Request) -> str:
    """The learner of the caller's token; empty without a token."""
    caller = caller_of(request)
    return caller.learner if caller else ""


def require_allowed(request: Request, resource: Resource) -> None:
    """Raise `Forbidden` if the caller may not do the action of this path with a resource."""
    path = request.scope["path"]
    require(caller_of(request), ROUTES[path], resource, path)


def require_ever_allowed(request: Request) -> None:
    """Raise `Forbidden` if there is no resource at all with which the caller may do the action of this path."""
    caller, action = caller_of(request), ROUTES[request.scope["path"]]
    if caller is None or not may_ever(caller, action):
        require_allowed(request, Resource())


def _token(scope: Scope) -> str:
    """The caller's token. Raises `Unauthenticated`.

    Behind Sunbird's gateway, `Authorization` has the key of an app. Then the other header has the learner's token.
    """
    token = _single(scope, "x-authenticated-user-token")
    authorization = _single(scope, "authorization")
    if token:
        return token
    if not authorization and (of_browser := token_in(scope)):
        return of_browser
    if authorization[: len(_BEARER)].lower() != _BEARER or not authorization[len(_BEARER) :].strip():
        if is_page(scope["path"]):
            raise Unauthenticated("sign in with your token to see this page")
        raise Unauthenticated("send a token in the header Authorization: Bearer TOKEN")
    return authorization[len(_BEARER) :].strip()


def _single(scope: Scope, name: str) -> str:
    """The value of a header; empty if it is missing. Raises `Unauthenticated` if it appears twice."""
    found = _headers(scope, name.encode())
    if len(found) > 1:
        raise Unauthenticated(f"the header {name} appears twice; send it once")
    return found[0].decode("latin-1").strip() if found else ""


def _headers(scope: Scope, wanted: bytes) -> list[bytes]:
    headers: list[tuple[bytes, Any]] = scope["headers"]
    return [value for name, value in headers if name == wanted]
