"""Request bodies: read to a limit, decoded once."""

from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

MOST_BYTES: Final = 1024 * 1024  # what Sunbird's gateway lets through

T = TypeVar("T")


class BadBody(Exception):
    """A body that cannot be taken; `str(error)` is a sentence for a person."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_json(request: Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as JSON. Raises `BadBody`: 413 where it is too long, 400 where it is not JSON of this shape."""
    body = await _read(request)
    try:
        body.decode()  # a member that stays bytes is looked at by nobody else
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadBody(400, f"the body does not have the expected shape: {error}") from None
    except RecursionError:
        raise BadBody(400, "the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadBody(400, f"the body is not JSON: {error}") from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise BadBody(413, f"the body has more than {MOST_BYTES:,} bytes")
    except ClientDisconnect:
        raise BadBody(400, "the body broke off") from None
    return bytes(body)


def is_json(request: Request) -> bool:
    """Whether the body is sent as JSON: a page of another site cannot do so without asking first."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def to_json(value: Any) -> bytes:
    """A response's bytes."""
    return msgspec.json.encode(value)
