"""Headers of every response that limit what a browser does with it, and CORS for named origins."""

from typing import Any, Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    # pages have a policy of their own; nothing else is meant to be shown
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
_ALWAYS_WITH_TLS: Final = _ALWAYS | {b"strict-transport-security": b"max-age=31536000"}
_SENT: Final = (
    "Authorization", "Content-Type", "If-None-Match", "X-Authenticated-For", "X-Authenticated-User-Token",
    "X-Authenticated-Userid", "X-Channel-Id", "X-msgid",
)  # fmt: skip
_SHOWN: Final = ("ETag", "Retry-After", "WWW-Authenticate", "X-Response-Length")
_PREFLIGHT_SECONDS: Final = 600


class SecurityHeaders:
    """An ASGI layer that adds the headers which a response does not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add headers to its response."""
        added = _ALWAYS_WITH_TLS if scope.get("scheme") == "https" else _ALWAYS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                present = {name for name, _ in headers}
                headers.extend(header for header in added.items() if header[0] not in present)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def cors(origins: tuple[str, ...]) -> list[Any]:
    """The layer that lets pages of these origins use the API; none without origins."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PATCH"),
            allow_headers=_SENT,
            expose_headers=_SHOWN,
            max_age=_PREFLIGHT_SECONDS,
        )
    ]
