"""Reads a key set from a file or a URL, with limits of size and time."""

import ipaddress
import time
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, build_opener

from assess_core.errors import BadSettings, StoreUnavailable
from assess_core.privacy import hidden

MOST_BYTES: Final = 256 * 1024
SECONDS: Final = 10.0
"""The time for the whole answer of a server."""
NAME: Final = "ASSESS_API_KEYS"
_CHUNK: Final = 8192


def read_file(path: Path) -> bytes:
    """The bytes of a key set. Raises `BadSettings`."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadSettings(f"{NAME}: {str(path)!r}: {error.strerror}; check the path and its permissions") from error
    if len(text) > MOST_BYTES:
        raise BadSettings(f"{NAME}: {str(path)!r} has more than {MOST_BYTES:,} bytes; it is not a key set")
    return text


def check_url(url: str) -> None:
    """Raise `BadSettings` if the keys would not come through TLS, except from this machine."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and bool(parts.hostname)
        usable = usable or (parts.scheme == "http" and _is_this_machine(parts.hostname or ""))
    except ValueError:  # half an IPv6 address
        usable = False
    if not usable:
        raise BadSettings(f"{NAME}: {hidden(url)!r} is neither a file nor an https:// URL; write https://HOST/PATH")


def read_url(url: str) -> bytes:
    """The bytes of a key set. Raises `StoreUnavailable`."""
    try:
        with _opener(url).open(url, timeout=SECONDS) as answer:
            return _read(answer, time.monotonic() + SECONDS)
    except HTTPError as error:
        error.close()
        raise _unavailable(url, f"answered {error.code}") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise _unavailable(url, f"does not answer ({reason})") from error


def _read(answer: IO[bytes], deadline: float) -> bytes:
    text = b""
    while chunk := answer.read1(_CHUNK):  # type: ignore[attr-defined] # an HTTPResponse has it
        text += chunk
        if len(text) > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise ValueError(f"more than {SECONDS:.0f} s")
    if getattr(answer, "length", None):  # the bytes that are still missing
        raise ValueError("the answer ended early")
    return text


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


def _unavailable(url: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(f"{NAME}: {hidden(url)} {why}; check the URL and the server")
