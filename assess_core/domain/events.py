"""Event text -> values: the only place that knows the wire format (design section 4).

A record of the log becomes an `Accepted` version, a request to `Recompute`, or a `FailedEvent` with its reason;
decoding never raises, whatever the bytes are.
"""

import hashlib
import math
import re
from enum import StrEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from assess_core.domain import moments
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, latest_answers, make_version

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024  # a Cassandra mutation is refused at 13 MB
MAX_ID_BYTES: Final = 1024  # a Cassandra key is refused at 64 kB; an id of the platform has 36 characters
MAX_DEPTH: Final = 100  # of a stored value; where Python gives up depends on who calls, and a replay must not
AHEAD_TOLERANCE: Final = moments.DAY  # how far a client's clock may run ahead of the log's


class Reason(StrEnum):
    """Why an event was set aside; the code is stable, the message beside it is for people."""

    NOT_JSON = "not_json"
    BAD_SHAPE = "bad_shape"
    BAD_NUMBER = "bad_number"
    BAD_CLOCK = "bad_clock"
    BAD_ID = "bad_id"
    TOO_LARGE = "too_large"
    NOT_A_LEAF_NODE = "not_a_leaf_node"
    TOO_MANY_QUESTIONS = "too_many_questions"
    REFUSED_BY_STORE = "refused_by_store"


class Record(NamedTuple):
    """One record of the log, as it stands there."""

    topic: str
    """Kafka's topic, or a file's path as given."""
    partition: int
    offset: int
    """Kafka's offset, or a file's line, from 1."""
    raw: bytes
    received_at: int | None = None
    """The log's own time of receipt (epoch ms), where the log keeps one outside the record."""


class Accepted(NamedTuple):
    """An event that is a version of an attempt."""

    record: Record
    version: AttemptVersion
    questions: int
    """How many distinct questions it answers."""


class Recompute(NamedTuple):
    """An event without answers: what is derived for this learner, course and batch is to be written again."""

    record: Record
    user_id: str
    course_id: str
    batch_id: str


class FailedKey(NamedTuple):
    """What makes a failed event the same failed event: where it stands in the log, and what stands there."""

    topic: str
    partition: int
    offset: int
    raw_hash: bytes


class FailedEvent(msgspec.Struct, frozen=True):
    """An event set aside whole, to be mended and replayed."""

    topic: str
    partition: int
    offset: int
    received_at: int | None
    reason: Reason
    message: str
    raw: bytes

    @property
    def key(self) -> FailedKey:
        return FailedKey(self.topic, self.partition, self.offset, raw_hash(self.raw))

    @property
    def record(self) -> Record:
        """The record it came from, for a replay."""
        return Record(self.topic, self.partition, self.offset, self.raw, self.received_at)


Decoded = Accepted | Recompute | FailedEvent


def raw_hash(raw: bytes) -> bytes:
    """The first 16 bytes of SHA-256 over a record's bytes."""
    return hashlib.sha256(raw).digest()[:16]


def failed(record: Record, reason: Reason, message: str) -> FailedEvent:
    """Set a record aside."""
    return FailedEvent(record.topic, record.partition, record.offset, record.received_at, reason, message, record.raw)


# What the wire must look like; keys not named here are ignored, `eid` is not checked. JSON has no cycles to collect.
_Clock = int | float | str
_Number = float | str | None


_Value = TypeVar("_Value")
"""What the maps of options and responses hold: text, as players send it, or anything."""


class _Item(msgspec.Struct, Generic[_Value], gc=False):
    params: list[dict[str, _Value]]
    id: str | int | float | None = None
    maxscore: _Number = None
    type: str | None = None
    title: str | None = None
    desc: str | None = None


class _Data(msgspec.Struct, Generic[_Value], gc=False):
    item: _Item[_Value]
    resvalues: list[dict[str, _Value]]
    score: _Number = None
    duration: _Number = None


class _Answer(msgspec.Struct, Generic[_Value], gc=False):
    ets: _Clock | None
    edata: _Data[_Value]


class _Event(msgspec.Struct, Generic[_Value], gc=False):
    """One event; or, where both `receivedAt` and `value` are there, a line that carries its receipt."""

    userId: str = ""  # noqa: N815 the wire's names
    courseId: str = ""  # noqa: N815
    batchId: str = ""  # noqa: N815
    contentId: str = ""  # noqa: N815
    attemptId: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    assessmentTs: _Clock | None = None  # noqa: N815
    events: list[_Answer[_Value]] | None = None
    receivedAt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_texts = msgspec.json.Decoder(_Event[str]).decode
_decode_any = msgspec.json.Decoder(_Event[Any]).decode
_decode_clock = msgspec.json.Decoder(_Clock).decode
_encode = msgspec.json.Encoder().encode
_TOO_DEEP: Final = "the event is nested too deeply"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)


class _BadEvent(Exception):
    """Leaves `decode` as a FailedEvent."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Batch(msgspec.Struct):
    batchId: str | None = None  # noqa: N815 the wire's name
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_batch = msgspec.json.Decoder(_Batch).decode


def batch_of(raw: bytes) -> str | None:
    """The batch that an event names, however wrong the rest of it is; None where it names none that could be one."""
    try:
        event = _decode_batch(raw)
        if event.batchId is None and event.value is not msgspec.UNSET:
            event = _decode_batch(event.value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    batch_id = event.batchId
    return batch_id if batch_id and len(batch_id.encode()) <= MAX_ID_BYTES else None


def decode(record: Record) -> Decoded:
    """What a record of the log says. Total: any bytes give a value, never an exception."""
    received_at = record.received_at
    if received_at is not None and not moments.EARLIEST <= received_at < moments.LATEST:
        received_at = None  # a time that no table could show is not kept with what failed either
    try:
        if len(record.raw) > MAX_EVENT_BYTES:
            raise _BadEvent(
                Reason.TOO_LARGE, f"the event has more than {MAX_EVENT_BYTES:,} bytes, the most that is accepted"
            )
        event = _read(record.raw)
        receipt, value = event.receivedAt, event.value
        if receipt is not msgspec.UNSET and value is not msgspec.UNSET:
            if record.received_at is None:
                received_at = _receipt(_decode_clock(receipt))
                event = _read(value)
            elif _says(receipt, record.received_at):  # a line that failed, taken again
                event = _read(value)
        if received_at is None and record.received_at is not None:
            received_at = _receipt(record.received_at)
        return _parse(record, event, received_at)
    except _BadEvent as error:
        reason, message = error.reason, str(error)
    except msgspec.ValidationError as error:
        # msgspec says so of any number that no float, or no integer of 4,300 digits, can hold
        reason = Reason.BAD_NUMBER if "out of range" in str(error) else Reason.BAD_SHAPE
        message = f"the event does not have the expected shape: {error}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason, message = Reason.NOT_JSON, f"the event is not JSON: {error}"
    except RecursionError:
        reason, message = Reason.BAD_SHAPE, _TOO_DEEP
    return failed(record._replace(received_at=received_at), reason, message)


def _parse(record: Record, event: _Event[str], received_at: int | None) -> Accepted | Recompute:
    user_id, course_id, batch_id = (_id(event, name) for name in ("userId", "courseId", "batchId"))
    if not event.events:
        if event.assessmentTs is not None:
            _clock(event.assessmentTs, "assessmentTs", moments.EARLIEST)
        return Recompute(record, user_id, course_id, batch_id)
    if event.attemptId is msgspec.UNSET:
        raise _BadEvent(Reason.BAD_SHAPE, "the event does not have the expected shape: `attemptId` is missing")
    attempt_id = _bounded(event.attemptId, "attemptId")
    key = AttemptKey(user_id, course_id, batch_id, _id(event, "contentId"), attempt_id)
    if event.assessmentTs is None:
        raise _BadEvent(Reason.BAD_SHAPE, "the event does not have the expected shape: `assessmentTs` is missing")
    attempted_on = _clock(event.assessmentTs, "assessmentTs", moments.EARLIEST)
    answers = [_answer(answer) for answer in event.events]
    newest = max(attempted_on, *(answer.assess_ts or 0 for answer in answers))
    if received_at is None:
        received_at = newest  # a bare event: the log does not say, so the event's own newest clock does
    elif newest > received_at + AHEAD_TOLERANCE:
        raise _BadEvent(
            Reason.BAD_CLOCK,
            f"a clock of the event, {moments.iso(newest)}, is more than a day ahead of its receipt, "
            f"{moments.iso(received_at)}",
        )
    latest = latest_answers(answers)
    version = make_version(key, attempted_on, latest, received_at)
    if not (math.isfinite(version.total_score) and math.isfinite(version.total_max_score)):
        raise _BadEvent(Reason.BAD_NUMBER, "the total of the event's scores is outside floating point")
    return Accepted(record._replace(received_at=received_at), version, len(latest))


def _read(raw: bytes | msgspec.Raw) -> _Event[str]:
    # nearly every event has text alone in its maps; looking at each value here would double the time of `decode`
    try:
        return _decode_texts(raw)
    except msgspec.ValidationError:
        event = _decode_any(raw)
    for answer in event.events or ():
        answer.edata.resvalues = [_texts(entry) for entry in answer.edata.resvalues]
        answer.edata.item.params = [_texts(entry) for entry in answer.edata.item.params]
    return event


def _answer(answer: _Answer[str]) -> Answer:
    data, item = answer.edata, answer.edata.item
    return Answer(
        _question_id(item.id),
        0 if answer.ets is None else _clock(answer.ets, "ets", 0),
        _number(item.maxscore, "maxscore"),
        _number(data.score, "score"),
        item.type,
        item.title,
        [entry if len(entry) < 2 else _in_order(entry) for entry in data.resvalues],
        [entry if len(entry) < 2 else _in_order(entry) for entry in item.params],
        item.desc,
        _number(data.duration, "duration"),
    )


def _id(event: _Event[str], name: str) -> str:
    value: str = getattr(event, name)
    if not value:
        raise _BadEvent(Reason.BAD_ID, f"`{name}` is missing or empty")
    return _bounded(value, name)


def _bounded(value: str, name: str) -> str:
    # a character has at most 4 bytes: encode only what may be too long
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        raise _BadEvent(Reason.BAD_ID, f"`{name}` is longer than {MAX_ID_BYTES} bytes")
    return value


def _question_id(value: str | int | float | None) -> str:
    if value is None:
        return ""
    return _bounded(value if isinstance(value, str) else str(value), "item.id")


def _number(value: float | str | None, name: str) -> float:
    if value is None:
        return 0.0
    if isinstance(value, str):
        if not _NUMBER.match(value):
            raise _BadEvent(Reason.BAD_NUMBER, f"`{name}` is text that is not a number: {value[:40]!r}")
        value = float(value)
    if not math.isfinite(value):
        raise _BadEvent(Reason.BAD_NUMBER, f"`{name}` is outside floating point")
    return value + 0.0  # -0.0 becomes 0.0: they are equal and must hash alike


def _clock(value: int | float | str, name: str, earliest: int) -> int:
    try:
        at = moments.clock(value)
    except (ValueError, OverflowError) as error:
        raise _BadEvent(Reason.BAD_CLOCK, f"`{name}`: {error}") from None
    if not earliest <= at < moments.LATEST:
        raise _BadEvent(Reason.BAD_CLOCK, f"`{name}`: {at} is outside the years {2000 if earliest else 1970} to 2100")
    return at


def _says(text: msgspec.Raw, at: int) -> bool:
    """Whether a line carries this receipt. Where the log itself says when, a client's word for it counts nothing."""
    try:
        return moments.clock(_decode_clock(text)) == at
    except (ValueError, OverflowError, msgspec.MsgspecError):
        return False


def _receipt(value: int | float | str) -> int:
    return _clock(value, "receivedAt", moments.EARLIEST)


def _in_order(entry: dict[str, str]) -> dict[str, str]:
    """Two spellings of one map are one version."""
    return {key: entry[key] for key in sorted(entry)}


def _texts(entry: dict[str, Any]) -> dict[str, str]:
    """Values that are not text become JSON text, members that are null left out (as the reference data has them)."""
    return {key: value if isinstance(value, str) else _json_text(value) for key, value in entry.items()}


def _json_text(value: object) -> str:
    return _encode(_without_nulls(value, MAX_DEPTH)).decode()


def _without_nulls(value: object, depth: int) -> object:
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise _BadEvent(Reason.BAD_SHAPE, _TOO_DEEP)
    if isinstance(value, dict):
        return {key: _without_nulls(member, depth - 1) for key, member in value.items() if member is not None}
    return [_without_nulls(member, depth - 1) for member in value]
