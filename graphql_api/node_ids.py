"""The ids by which `node(id)` finds an object again. Opaque to clients, except those of slices."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple, TypeVar

import msgspec

from assess_core.domain.access import Action, Resource
from assess_core.domain.attempts import AttemptKey
from assess_core.domain.scores import SummaryKey
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadRequest, BadSlice

K = TypeVar("K")

ATTEMPT: Final = "attempt:"
SCORE: Final = "score:"
_BATCH: Final = "batch:"


class BatchKey(NamedTuple):
    """The identity of a batch."""

    batch_id: str


NodeKey = AttemptKey | SummaryKey | ArchiveSlice | BatchKey


def node_id(key: NodeKey) -> str:
    """The id of an object; the inverse of `read_node_id`."""
    if isinstance(key, ArchiveSlice):
        return str(key)  # it has a `|`, which no other id has
    prefix = ATTEMPT if isinstance(key, AttemptKey) else SCORE if isinstance(key, SummaryKey) else _BATCH
    return prefix + urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def read_node_id(text: str) -> NodeKey:
    """The key of an object, which need not exist. Raises `BadRequest`."""
    if "|" in text:
        try:
            return ArchiveSlice.parse(text)
        except BadSlice:
            raise _wrong(text) from None
    prefix, _, encoded = text.partition(":")
    key: NodeKey | None = None
    if f"{prefix}:" == ATTEMPT:
        key = _decoded(encoded, AttemptKey)
    elif f"{prefix}:" == SCORE:
        key = _decoded(encoded, SummaryKey)
    elif f"{prefix}:" == _BATCH:
        key = _decoded(encoded, BatchKey)
    if key is None or not all(key) or node_id(key) != text:
        raise _wrong(text)
    return key


def needed(key: NodeKey) -> tuple[Action, Resource]:
    """What a caller who reads the object must be allowed to do."""
    if isinstance(key, AttemptKey):
        return Action.READ_ATTEMPTS, Resource(key.user_id, key.batch_id, key.course_id)
    if isinstance(key, SummaryKey):
        return Action.READ_SCORES, Resource(key.user_id, key.batch_id, key.course_id)
    action = Action.READ_SLICES if isinstance(key, ArchiveSlice) else Action.READ_BATCH
    return action, Resource(batch=key.batch_id)


def _decoded(text: str, type_: type[K]) -> K | None:
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return msgspec.msgpack.decode(raw, type=type_)
    # the text is not ASCII, base64, msgpack or a key; the errors of msgspec are ValueErrors
    except (ValueError, RecursionError):
        return None


def _wrong(text: str) -> BadRequest:
    return BadRequest(f"id: {text[:40]!r} is not the id of an object; use the `id` of an answer")
