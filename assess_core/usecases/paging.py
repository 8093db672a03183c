"""Pages of attempts: how long one may be, and the text that says where the next begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from assess_core.domain.attempts import AttemptKey
from assess_core.errors import BadRequest

FIRST: Final = 20
"""How many attempts a page has when nobody says."""
MOST: Final = 100
"""How many it may have: with 10 kB an attempt that is 1 MB."""


def check_first(first: int) -> None:
    """Raises `BadRequest` for a page that is too long or has nothing."""
    if not 1 <= first <= MOST:
        raise BadRequest(
            f"first: {first} is not between 1 and {MOST}; ask for a page of that, and the next by its cursor"
        )


def cursor(key: AttemptKey) -> str:
    """Where the page after this attempt begins. Opaque to clients; the inverse of `read_cursor`."""
    return urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def read_cursor(text: str) -> AttemptKey:
    """The attempt after which a page begins (it need not exist any more). Raises `BadRequest`."""
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
