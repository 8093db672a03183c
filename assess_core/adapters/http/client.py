"""Requests to other servers, with limits of size and time. A redirect is never followed."""

import ipaddress
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import socket
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

from assess_core.adapters.limited_answers import limited_answer

_CHUNK: Final = 8192
_HEADERS: Final = 256 * 1024
"""The bytes that an answer may have besides its body: headers, and the sizes of its chunks."""


class NoAnswer(Exception):
    """A server gave no usable answer. The message is the end of a sentence that begins with its URL."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status
        """The HTTP status, if there was one."""


def is_protected(url: str) -> bool:
    """Whether requests to a URL are encrypted, or stay on this machine. A URL with a password is not accepted."""
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.port == 0:  # an error of urllib would show the password
            return False
        if parts.scheme == "https":
            return bool(parts.hostname)
        return parts.scheme == "http" and _is_this_machine(parts.hostname or "")
    except ValueError:  # half an IPv6 address
        return False


def read_url(
    url: str, *, seconds: float, most_bytes: int, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """The answer of a server: to a POST if there is a body, otherwise to a GET. Raises `NoAnswer`.

    `seconds` is for each address of the server that is tried, and for the whole answer with its headers.
    """
    limits = _Limits(time.monotonic() + seconds, most_bytes)
    try:
        request = Request(url, body, dict(headers or {}))
        with _opener(url, limits).open(request, timeout=seconds) as answer:
            return _read(answer, most_bytes)
    except HTTPError as error:
        error.close()
        raise NoAnswer(f"answered {error.code}", error.code) from None
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswer(f"does not answer ({_why(error)})") from error


def _why(error: Exception) -> str:
    if isinstance(error, HTTPException):  # its text can be what the server sent
        return f"no HTTP: {type(error).__name__}"
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _read(answer: HTTPResponse, most_bytes: int) -> bytes:
    chunks, size = [], 0
    while chunk := answer.read1(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > most_bytes:
            raise ValueError(f"more than {most_bytes:,} bytes")
    if answer.length:  # the bytes that are still missing
        raise ValueError("the answer ended early")
    return b"".join(chunks)


class _Limits(NamedTuple):
    """Limits of a whole answer: headers, body and trailers."""

    until: float
    """As in `time.monotonic()`."""
    most_bytes: int
    """Of the body."""

    def connecting(self, kind: Callable[..., HTTPConnection]) -> Callable[..., HTTPConnection]:
        """How urllib opens a connection with these limits."""

        def connect(host: str, **options: Any) -> HTTPConnection:
            connection = kind(host, **options)
            connection.response_class = self._response  # type: ignore[assignment] # it is only called
            return connection

        return connect

    def _response(self, sock: socket, *options: Any, **named: Any) -> HTTPResponse:
        answer = HTTPResponse(sock, *options, **named)
        answer.fp.close()
        answer.fp = limited_answer(sock, until=self.until, most_bytes=2 * self.most_bytes + _HEADERS)
        return answer


class _Limited(HTTPHandler, HTTPSHandler):
    """Opens connections with limits, in place of both handlers of urllib."""

    def __init__(self, limits: _Limits) -> None:
        super().__init__()
        self._limits = limits

    def http_open(self, request: Request) -> HTTPResponse:
        return self.do_open(self._limits.connecting(HTTPConnection), request)

    def https_open(self, request: Request) -> HTTPResponse:
        return self.do_open(self._limits.connecting(HTTPSConnection), request)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect could lead to another host or away from TLS."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _opener(url: str, limits: _Limits) -> OpenerDirector:
    direct = [ProxyHandler({})] if _is_this_machine(urlsplit(url).hostname or "") else []
    return build_opener(_NoRedirect, _Limited(limits), *direct)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
