"""Pages of attempts: their size, and the cursor at which the next page begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from assess_core.domain.attempts import AttemptKey
from assess_core.errors import BadRequest

FIRST: Final = 20
"""The default number of attempts on a page."""
MOST: Final = 100
"""The largest number: 1 MB with 10 kB per attempt."""


def check_first(first: int) -> None:
    """Raises `BadRequest` if a page of this size cannot be asked for."""
    if not 1 <= first <= MOST:
        raise BadRequest(
            f"first: {first} is not between 1 and {MOST}; ask for a page of that, and the next by its cursor"
        )


def cursor(key: AttemptKey) -> str:
    """The cursor of the page after this attempt. Opaque to clients; the inverse of `read_cursor`."""
    return urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def read_cursor(text: str) -> AttemptKey:
    """The attempt after which a page begins; it need not exist. Raises `BadRequest`."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        key = msgspec.msgpack.decode(raw, type=AttemptKey)
    except (
        ValueError,
        RecursionError,
    ):  # not ASCII, not base64, not msgpack, not five texts: msgspec's are ValueErrors
        key = None
    if key is None or cursor(key) != text:
        raise BadRequest(f"after: {text[:40]!r} is no cursor of ours; take one from `cursor` or `endCursor` of a page")
    return key
