"""The usual shape of an assess event. The decoder checks all of it in one pass, so nothing is left to check in Python.

This module only saves time: it has no rules of its own. An event that does not fit is read by `wire`, with the checks
of `events`, and gives the same result there.
"""

from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from assess_core.domain import moments
from assess_core.domain.attempts import Answer, AttemptKey
from assess_core.domain.wire import MAX_ID_BYTES, Maps

_LONGEST: Final = MAX_ID_BYTES // 4  # characters: one has at most 4 bytes
_Id = Annotated[str, Meta(min_length=1, max_length=_LONGEST)]
_MaybeEmptyId = Annotated[str, Meta(max_length=_LONGEST)]
_Moment = Annotated[int, Meta(ge=moments.EARLIEST, lt=moments.LATEST)]
_Clock = Annotated[int, Meta(ge=0, lt=moments.LATEST)]
_Number = Annotated[float, Meta(ge=0.0, lt=1e16)]


class _Item(msgspec.Struct, gc=False):
    params: Maps = []
    id: _MaybeEmptyId = ""
    maxscore: _Number = 0.0
    type: str | None = None
    title: str | None = None
    desc: str | None = None


class _Data(msgspec.Struct, gc=False):
    item: _Item
    resvalues: Maps = []
    score: _Number = 0.0
    duration: _Number = 0.0


class _Answer(msgspec.Struct, gc=False):
    ets: _Clock
    edata: _Data


class UsualEvent(msgspec.Struct, gc=False):
    """An event with answers and no wrong value."""

    userId: _Id  # noqa: N815 the wire's names
    courseId: _Id  # noqa: N815
    batchId: _Id  # noqa: N815
    contentId: _Id  # noqa: N815
    attemptId: _MaybeEmptyId  # noqa: N815
    assessmentTs: _Moment  # noqa: N815
    events: Annotated[list[_Answer], Meta(min_length=1)]

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.userId, self.courseId, self.batchId, self.contentId, self.attemptId)

    def answers(self) -> list[Answer]:
        """The answers as they are stored."""
        answers = []
        for answer in self.events:
            data = answer.edata
            item = data.item
            answers.append(
                Answer(
                    item.id,
                    answer.ets,
                    item.maxscore + 0.0,  # -0.0 becomes 0.0
                    data.score + 0.0,
                    item.type,
                    item.title,
                    data.resvalues,
                    item.params,
                    item.desc,
                    data.duration + 0.0,
                )
            )
        return answers


class _Bare(UsualEvent, gc=False):
    """A line without a receipt."""

    receivedAt: msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    value: msgspec.UnsetType = msgspec.UNSET


class _Line(msgspec.Struct, gc=False):
    receivedAt: _Moment  # noqa: N815
    value: UsualEvent


class Usual(NamedTuple):
    """A usual event, and the receipt that its line carries."""

    event: UsualEvent
    received_at: int | None


_decode_event = msgspec.json.Decoder(UsualEvent).decode
_decode_bare = msgspec.json.Decoder(_Bare).decode
_decode_line = msgspec.json.Decoder(_Line).decode


def usual_event(raw: bytes) -> Usual | None:
    """The event of a record that cannot carry a receipt; None if it has another shape."""
    try:
        return Usual(_decode_event(raw), None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def usual_line(raw: bytes) -> Usual | None:
    """The event of a line, with or without a receipt; None if it has another shape."""
    try:
        if raw.startswith(b'{"receivedAt":'):
            line = _decode_line(raw)
            return Usual(line.value, line.receivedAt)
        return Usual(_decode_bare(raw), None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
