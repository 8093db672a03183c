"""Answers that did not change: `ETag` and `If-None-Match` on GET."""

import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

_TAG_BYTES: Final = 16
# no-cache: a client may keep an answer, but asks each time whether it changed; the answer depends on the caller
_KEPT: Final = {
    "cache-control": "private, no-cache",
    "vary": "Authorization, X-Authenticated-User-Token, X-Authenticated-For",
}


def conditional(request: Request, response: Response) -> Response:
    """The response to a GET with its tag, or 304 without a body if the client has it. Other responses stay as they are.

    The tag is weak, because a compressed answer has other bytes.
    """
    if request.method not in ("GET", "HEAD") or response.status_code != 200:
        return response
    digest = hashlib.blake2b(response.body, digest_size=_TAG_BYTES).hexdigest()
    headers = {"etag": f'W/"{digest}"', **_KEPT}
    if _has(request.headers.get("if-none-match", ""), digest):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _has(sent: str, digest: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in sent.split(",")]
    return "*" in tags or f'"{digest}"' in tags
