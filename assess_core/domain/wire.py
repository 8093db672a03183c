"""The wire format of an assess event, as players send it: JSON text -> typed values (docs/formats.md).

Other members, such as `eid`, are ignored.
"""

from typing import Any, Final

import msgspec

from assess_core.domain.json_text import REPLACEMENT, replace_half_surrogates
from assess_core.domain.reasons import BadEvent, Reason

MAX_ID_BYTES: Final = 1024  # Cassandra refuses keys of 64 kB; the platform's ids have 36 characters

Clock = int | float | str
Number = float | str | None
Maps = list[dict[str, str]]
"""Options or responses: small maps of text."""


class WireItem(msgspec.Struct, gc=False):
    """A question."""

    params: Maps = []
    id: str | int | float | None = None
    maxscore: Number = None
    type: str | None = None
    title: str | None = None
    desc: str | None = None


class WireData(msgspec.Struct, gc=False):
    """A response to a question."""

    item: WireItem
    resvalues: Maps = []
    score: Number = None
    duration: Number = None


class WireAnswer(msgspec.Struct, gc=False):
    """One element of `events`."""

    ets: Clock | None
    edata: WireData


class WireEvent(msgspec.Struct, gc=False):
    """One event; or, if it has both `receivedAt` and `value`, a line with a receipt and an event."""

    userId: str = ""  # noqa: N815 the wire's names
    courseId: str = ""  # noqa: N815
    batchId: str = ""  # noqa: N815
    contentId: str = ""  # noqa: N815
    attemptId: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    assessmentTs: Clock | msgspec.UnsetType | None = msgspec.UNSET  # noqa: N815
    events: list[WireAnswer] | None = None
    receivedAt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _LooseItem(msgspec.Struct, gc=False):
    params: msgspec.Raw = msgspec.Raw(b"null")
    id: str | int | float | None = None
    maxscore: Number = None
    type: msgspec.Raw = msgspec.Raw(b"null")
    title: msgspec.Raw = msgspec.Raw(b"null")
    desc: msgspec.Raw = msgspec.Raw(b"null")


class _LooseData(msgspec.Struct, gc=False):
    item: _LooseItem
    resvalues: msgspec.Raw = msgspec.Raw(b"null")
    score: Number = None
    duration: Number = None


class _LooseAnswer(msgspec.Struct, gc=False):
    ets: Clock | None
    edata: _LooseData


class _LooseEvent(msgspec.Struct, gc=False):
    events: list[_LooseAnswer] | None = None
    userId: str = ""  # noqa: N815
    courseId: str = ""  # noqa: N815
    batchId: str = ""  # noqa: N815
    contentId: str = ""  # noqa: N815
    attemptId: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    assessmentTs: Clock | msgspec.UnsetType | None = msgspec.UNSET  # noqa: N815
    receivedAt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_event = msgspec.json.Decoder(WireEvent).decode
_decode_loose = msgspec.json.Decoder(_LooseEvent).decode
_decode_any = msgspec.json.Decoder(Any).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode

_IDS: Final = ("userId", "courseId", "batchId", "contentId", "attemptId")
_ODD: Final = "value"
"""The key for the text of an option or response that is not a map."""


def read_event(raw: bytes | msgspec.Raw) -> WireEvent:
    """Parse an event that is not nested too deeply. Raises `BadEvent` and `msgspec.DecodeError`."""
    try:
        return _decode_any_shape(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        whole = replace_half_surrogates(bytes(raw))
        if whole == raw:
            raise
        return _with_whole_ids(_decode_any_shape(whole))


def _decode_any_shape(raw: bytes | msgspec.Raw) -> WireEvent:
    # nearly every event has the usual shape; checking each value would double the time of decoding
    try:
        return _decode_event(raw)
    except msgspec.ValidationError:
        return _usual(_decode_loose(raw))


def _with_whole_ids(event: WireEvent) -> WireEvent:
    """Raises `BadEvent` if an id had half of a surrogate pair, because two such ids could become equal."""
    for name in _IDS:
        _require_whole(name, getattr(event, name))
    for answer in event.events or ():
        _require_whole("item.id", answer.edata.item.id)
    return event


def _require_whole(name: str, value: object) -> None:
    if isinstance(value, str) and REPLACEMENT in value:
        raise BadEvent(Reason.BAD_UNICODE, f"`{name}` contains half of a surrogate pair, which is not a character")


def _usual(event: _LooseEvent) -> WireEvent:
    """The same event, with other values turned into text as `WireEvent` requires."""
    answers = None if event.events is None else [_usual_answer(answer) for answer in event.events]
    return WireEvent(
        event.userId,
        event.courseId,
        event.batchId,
        event.contentId,
        event.attemptId,
        event.assessmentTs,
        answers,
        event.receivedAt,
        event.value,
    )


def _usual_answer(answer: _LooseAnswer) -> WireAnswer:
    data, item = answer.edata, answer.edata.item
    type_, title, desc = (optional_text(raw) for raw in (item.type, item.title, item.desc))
    return WireAnswer(
        answer.ets,
        WireData(
            WireItem(maps_of_text(item.params), item.id, item.maxscore, type_, title, desc),
            maps_of_text(data.resvalues),
            data.score,
            data.duration,
        ),
    )


def maps_of_text(raw: msgspec.Raw) -> Maps:
    """A list of maps of text: null is an empty list, another value a list of one, an odd element `{"value": text}`."""
    text = bytes(raw)
    if text == b"null":
        return []
    elements = _decode_list(raw) if text.startswith(b"[") else [raw]
    return [_map(element) for element in elements]


def _map(raw: msgspec.Raw) -> dict[str, str]:
    if bytes(raw).startswith(b"{"):
        return {key: _text(value) for key, value in _decode_members(raw).items()}
    return {_ODD: _text(raw)}


def optional_text(raw: msgspec.Raw) -> str | None:
    """Text unchanged, another value as JSON text; None for null."""
    return None if bytes(raw) == b"null" else _text(raw)


def _text(raw: msgspec.Raw) -> str:
    """Text unchanged; any other value as compact JSON text without null members, as in the reference data."""
    if bytes(raw).startswith(b'"'):
        return _decode_text(raw)
    try:
        return _encode(_without_nulls(_decode_any(raw))).decode()
    except msgspec.ValidationError:  # a number too large for a float keeps its text
        return bytes(raw).decode()


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value]
    return value
