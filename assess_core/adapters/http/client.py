"""Requests to other servers, with limits of size and time. A redirect is never followed."""

import ipaddress
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

_CHUNK: Final = 8192


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
    """The answer of a server: to a POST if there is a body, otherwise to a GET. Raises `NoAnswer`."""
    try:
        request = Request(url, body, dict(headers or {}))
        with _opener(url).open(request, timeout=seconds) as answer:
            return _read(answer, most_bytes, seconds)
    except HTTPError as error:
        error.close()
        raise NoAnswer(f"answered {error.code}", error.code) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise NoAnswer(f"does not answer ({reason})") from error


def _read(answer: IO[bytes], most_bytes: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    chunks, size = [], 0
    while chunk := answer.read1(_CHUNK):  # type: ignore[attr-defined] # an HTTPResponse has it
        chunks.append(chunk)
        size += len(chunk)
        if size > most_bytes:
            raise ValueError(f"more than {most_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise ValueError(f"more than {seconds:.0f} s")
    if getattr(answer, "length", None):  # the bytes that are still missing
        raise ValueError("the answer ended early")
    return b"".join(chunks)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect could lead to another host or away from TLS."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _opener(url: str) -> OpenerDirector:
    direct = [ProxyHandler({})] if _is_this_machine(urlsplit(url).hostname or "") else []
    return build_opener(_NoRedirect, *direct)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
