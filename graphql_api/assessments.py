"""The rules that both write APIs share, as pure functions over the bytes of a body.

A message of the log contains an assessment's bytes unchanged. Only the members that a rule checks are decoded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from assess_core.domain.json_text import REPLACEMENT
from assess_core.ports.facts import BatchState
from assess_core.ports.log import Message

T = TypeVar("T")


class Refused(Exception):
    """A request that is refused as a whole: the client must correct it."""

    def __init__(self, code: str, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields or {}
        """The error of each wrong field."""


class Verdict(StrEnum):
    """The status of an assessment or a content, with Sunbird's words where they exist."""

    SUCCESS = "SUCCESS"
    UNKNOWN_BATCH = "BATCH_NOT_EXISTS"
    BATCH_OVER = "NOT_A_ON_GOING_BATCH"
    NOT_KEPT = "NOT_KEPT"
    BAD_ID = "INVALID_ID"


REASONS: Final = {
    Verdict.SUCCESS: None,
    Verdict.UNKNOWN_BATCH: "the batch is unknown for this course; nothing was stored",
    Verdict.BATCH_OVER: "the batch is not on-going; nothing was stored",
    Verdict.NOT_KEPT: "this service does not store content progress; nothing was stored",
    Verdict.BAD_ID: "an id contains U+FFFD or half of a surrogate pair, not a valid character; nothing was stored",
}

_VERDICTS: Final = {
    None: Verdict.SUCCESS,
    BatchState.ONGOING: Verdict.SUCCESS,
    BatchState.NOT_ONGOING: Verdict.BATCH_OVER,
    BatchState.UNKNOWN: Verdict.UNKNOWN_BATCH,
}

DETAILS: Final = "details"
_OWN_KEYS: Final = {DETAILS, Verdict.UNKNOWN_BATCH.value, Verdict.BATCH_OVER.value}
"""Keys of a result with a fixed meaning. A batch or content with such a name appears in `details` only."""

States = Callable[[str, str], BatchState | None]
"""`Facts.batch`: course and batch -> the state of the batch; None if there are no facts."""


class Assessment(NamedTuple):
    """One assessment of a request that passed validation."""

    user_id: str
    course_id: str
    batch_id: str
    content_id: str
    attempt_id: str
    value: bytes

    @classmethod
    def of(cls, ids: Mapping[str, str], value: bytes) -> "Assessment":
        """An assessment whose ids have the names of the wire."""
        names = ("userId", "courseId", "batchId", "contentId", "attemptId")
        user_id, course_id, batch_id, content_id, attempt_id = (ids[name] for name in names)
        return cls(user_id, course_id, batch_id, content_id, attempt_id, value)


class _Forwarded(msgspec.Struct):
    """A message with only the checked members, as Sunbird's jobs read it."""

    assessmentTs: msgspec.Raw | int  # noqa: N815 the wire's names
    batchId: str  # noqa: N815
    courseId: str  # noqa: N815
    userId: str  # noqa: N815
    attemptId: str  # noqa: N815
    contentId: str  # noqa: N815
    events: msgspec.Raw


def forwarded(ids: Mapping[str, str], assessment_ts: msgspec.Raw | int, events: msgspec.Raw) -> bytes:
    """The bytes of a message that contains the checked members only."""
    return msgspec.json.encode(_Forwarded(assessment_ts, events=events, **ids))


class Outcome(NamedTuple):
    """The messages for the log, and the result for the client after they are stored."""

    messages: list[Message]
    result: dict[str, Any]


def verdict(course_id: str, batch_id: str, states: States) -> Verdict:
    """The status of an element, decided by its batch."""
    return _VERDICTS[states(course_id, batch_id)]


def verdict_of(one: Assessment, states: States) -> Verdict:
    """The status of an assessment. Raises the errors of `states`."""
    ids = (one.user_id, one.course_id, one.batch_id, one.content_id, one.attempt_id)
    return verdict(one.course_id, one.batch_id, states) if all(map(is_whole, ids)) else Verdict.BAD_ID


def is_whole(id_: str) -> bool:
    """Whether an id consists of characters; in a request's texts, half of a surrogate pair became U+FFFD."""
    return REPLACEMENT not in id_


def is_own_key(id_: str) -> bool:
    """Whether an id equals a key of a result with a fixed meaning."""
    return id_ in _OWN_KEYS


def messages(assessments: Sequence[Assessment], verdicts: Iterable[Verdict], request_id: str) -> list[Message]:
    """The messages for the log: the accepted assessments, in the order of the request."""
    return [
        Message(one.user_id, one.value, request_id)
        for one, found in zip(assessments, verdicts, strict=True)
        if found is Verdict.SUCCESS
    ]


def refusals(found: Iterable[tuple[str, Verdict]]) -> dict[str, list[str]]:
    """The entries `BATCH_NOT_EXISTS` and `NOT_A_ON_GOING_BATCH` of a result: batch ids in the order of the request."""
    refused: dict[str, dict[str, None]] = {}
    for batch_id, one in found:
        if one in (Verdict.UNKNOWN_BATCH, Verdict.BATCH_OVER):
            refused.setdefault(one, {})[batch_id] = None  # a dict, because a request may name 10,000 batches
    return {name: list(refused[name]) for name in sorted(refused)}


def detail(name: str, id_: str, found: Verdict) -> dict[str, str | None]:
    """A line of `result.details`, which Sunbird does not have: one for each assessment and content of the request."""
    return {name: id_, "status": found, "reason": REASONS[found]}


# --- the bytes of a request: only checked members are decoded ---

Field = msgspec.Raw | msgspec.UnsetType


class Body(msgspec.Struct):
    """A body of both APIs."""

    request: Field = msgspec.UNSET
    params: Field = msgspec.UNSET

    @property
    def message_id(self) -> str | None:
        """`params.msgid`, if it is text."""
        try:
            return text(members(self.params, _params, "params").msgid) or None
        except Refused:
            return None


class _Params(msgspec.Struct):
    msgid: Field = msgspec.UNSET


read_body: Final = msgspec.json.Decoder(Body)
_params: Final = msgspec.json.Decoder(_Params)
_text: Final = msgspec.json.Decoder(str)
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])


def is_null(field: Field) -> bool:
    """Whether the member is missing or null."""
    return field is msgspec.UNSET or bytes(field) == b"null"


def is_text(field: Field) -> bool:
    """Whether the member is text, blank or not."""
    return field is not msgspec.UNSET and bytes(memoryview(field)[:1]) == b'"'


def text(field: Field) -> str:
    """An id; empty if it is missing, blank or not text."""
    if not is_text(field) or field is msgspec.UNSET:
        return ""
    found = _text.decode(field)
    return found if found.strip() else ""


def elements(field: Field, name: str) -> list[msgspec.Raw]:
    """The elements of a list; none if it is missing or null. Raises `Refused` if it is not a list."""
    if field is msgspec.UNSET or is_null(field):
        return []
    try:
        return _list.decode(field)
    except msgspec.ValidationError:
        raise Refused("CLIENT_ERROR", f"`{name}` must be a list") from None


def members(field: Field, decoder: msgspec.json.Decoder[T], name: str) -> T:
    """The members of an object that are checked. Raises `Refused` if it is not an object."""
    try:
        if field is not msgspec.UNSET:
            return decoder.decode(field)
    except msgspec.ValidationError:
        pass
    raise Refused("CLIENT_ERROR", f"`{name}` must be an object")
