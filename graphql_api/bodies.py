"""Request bodies: read to a limit, decoded once."""

import asyncio
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.types import Message

from assess_core.domain.json_text import is_too_deep, replace_half_surrogates

BODY_SECONDS: Final = 20.0
MOST_BYTES: Final = 1024 * 1024  # the limit of Sunbird's gateway

T = TypeVar("T")


class BadBody(Exception):
    """A rejected body; `str(error)` is the message for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_json(request: Request, decoder: msgspec.json.Decoder[T], *, with_texts: bool = False) -> T:
    """The body as JSON. Raises `BadBody`: 413 if it is too long, 400 if it is not JSON of this shape.

    `with_texts`: the body contains texts of learners, in which half of a surrogate pair becomes U+FFFD.
    """
    body = await read_bytes(request)
    if is_too_deep(body):
        raise BadBody(400, "the body is nested too deeply")
    if with_texts:
        body = replace_half_surrogates(body)
    try:
        body.decode()  # the decoder does not check members that stay bytes
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadBody(400, f"the body does not have the expected shape: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(400, f"the body is not JSON: {error}") from None


async def read_bytes(request: Request) -> bytes:
    """The body. Raises `BadBody`: 413 if it is too long, 408 if it is too slow."""
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):  # a fifth of the time of anyio's
            message = await request.receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                body = message.get("body", b"")  # nearly always there is one part
            else:
                body = await _rest(message, request)
    except TimeoutError:
        raise BadBody(408, f"the body did not arrive in {BODY_SECONDS:.0f} s") from None
    if len(body) > MOST_BYTES:
        raise _too_long()
    return body


async def _rest(first: Message, request: Request) -> bytes:
    """The body that begins with a message. Raises `BadBody` when it is longer than `MOST_BYTES`."""
    body, message = bytearray(), first
    while True:
        if message["type"] == "http.disconnect":
            raise BadBody(400, "the connection closed before the end of the body")
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise _too_long()
        if not message.get("more_body", False):
            return bytes(body)
        message = await request.receive()


def _too_long() -> BadBody:
    return BadBody(413, f"the body has more than {MOST_BYTES:,} bytes")


def is_json(request: Request) -> bool:
    """Whether the content type is JSON, which a page of another site can send only after a CORS preflight."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def to_json(value: Any) -> bytes:
    """The bytes of a response."""
    return msgspec.json.encode(value)
