"""Pages of attempts: their size, and the cursor at which the next page begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, TypeVar

import msgspec

from assess_core.domain.attempts import AttemptKey
from assess_core.domain.events import FailedKey
from assess_core.errors import BadRequest

K = TypeVar("K", AttemptKey, FailedKey)

FIRST: Final = 20
"""The default number of attempts on a page."""
MOST: Final = 100
"""The largest number of attempts on a page: 1 MB if an attempt has 10 kB."""

_MOST_OFFSET: Final = 2**63 - 1  # a store has no larger integers


def check_first(first: int) -> None:
    """Raise `BadRequest` if this page size is not allowed."""
    if not 1 <= first <= MOST:
        raise BadRequest(
            f"first: {first} is not between 1 and {MOST}; request at most {MOST}, and the rest with the cursor"
        )


def cursor(key: AttemptKey | FailedKey) -> str:
    """The cursor of the page after this key. Opaque to clients; the inverse of `read_cursor`."""
    return urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def read_cursor(text: str) -> AttemptKey:
    """The attempt after which a page begins; it need not exist. Raises `BadRequest`."""
    key = _read(text, AttemptKey)
    if key is None:
        raise BadRequest(f"after: {text[:40]!r} is not a cursor; use `cursor` or `endCursor` of a page")
    return key


def read_failed_cursor(text: str) -> FailedKey:
    """The failed event after which a page begins; it need not exist. Raises `BadRequest`."""
    key = _read(text, FailedKey)
    if key is None or max(key.partition, key.offset) > _MOST_OFFSET:
        raise BadRequest(f"after: {text[:40]!r} is not a cursor; use the `id` of the last failed event of a page")
    return key


def _read(text: str, type_: type[K]) -> K | None:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        key = msgspec.msgpack.decode(raw, type=type_)
    # the text is not ASCII, base64, msgpack or a key; the errors of msgspec are ValueErrors
    except (ValueError, RecursionError):
        return None
    return key if cursor(key) == text else None
