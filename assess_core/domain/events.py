"""Decode a record of the log into an `Accepted` version, a request to `Recompute`, or a `FailedEvent` with its reason.

Decoding never raises, whatever the bytes are. Only this module and `wire` know the wire format.
"""

import hashlib
import math
import re
from enum import Enum
from typing import Final, NamedTuple

import msgspec

from assess_core.domain import moments
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, latest_answers, make_version
from assess_core.domain.json_text import is_too_deep
from assess_core.domain.reasons import BadEvent, Reason
from assess_core.domain.usual import usual_event, usual_line
from assess_core.domain.wire import MAX_ID_BYTES, Clock, WireAnswer, WireEvent, read_event

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024  # Cassandra refuses mutations of 13 MB
STDIN: Final = "-"  # the topic of lines from standard input
AHEAD_TOLERANCE: Final = moments.DAY  # a client's clock can be ahead of the log's by at most this


class RecordKind(Enum):
    """What a record may contain. The source of a record decides this, not its content, which clients write."""

    EVENT = "event"
    """A bare event, as in Kafka."""
    LINE = "line"
    """A line of the folder log or of a file for `ingest`: an event, or `{"receivedAt": ..., "value": EVENT}`."""


class Record(NamedTuple):
    """One record of the log, unchanged."""

    topic: str
    """The topic in Kafka, or the absolute path of a file."""
    partition: int
    offset: int
    """The offset in Kafka, or the number of a line, from 1."""
    raw: bytes
    received_at: int | None = None
    """The log's own time of receipt (epoch ms), if the log keeps one outside the record."""
    kind: RecordKind = RecordKind.EVENT
    trace: str = ""
    """The trace that the record belongs to (W3C `traceparent`); empty if there is none. It is not part of the event."""


class Accepted(NamedTuple):
    """An event with answers: it is a version of an attempt."""

    record: Record
    version: AttemptVersion
    questions: int
    """The number of distinct questions that it answers."""


class Recompute(NamedTuple):
    """An event without answers: a request to write the derived data of a learner in a batch again."""

    record: Record
    user_id: str
    course_id: str
    batch_id: str


class FailedKey(NamedTuple):
    """Identifies a failed event by its position in the log and its bytes."""

    topic: str
    partition: int
    offset: int
    raw_hash: bytes


class FailedEvent(msgspec.Struct, frozen=True):
    """A rejected event, kept whole so that it can be fixed and replayed."""

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
        """The original record, for a replay. If the line carries a receipt, the replay reads it again."""
        # Kafka's topic names cannot contain `/`; the topic of a file is its absolute path
        kind = RecordKind.LINE if "/" in self.topic or self.topic == STDIN else RecordKind.EVENT
        return Record(self.topic, self.partition, self.offset, self.raw, self.received_at, kind)


Decoded = Accepted | Recompute | FailedEvent


def raw_hash(raw: bytes) -> bytes:
    """The first 16 bytes of SHA-256 over a record's bytes."""
    return hashlib.sha256(raw).digest()[:16]


def failed(record: Record, reason: Reason, message: str) -> FailedEvent:
    """Reject a record."""
    return FailedEvent(record.topic, record.partition, record.offset, record.received_at, reason, message, record.raw)


_decode_clock = msgspec.json.Decoder(Clock).decode
_MAX_NUMBER_TEXT: Final = 64  # characters: a float's shortest text has 24, Sunbird's players send at most 17
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z", re.ASCII)


class _NamesBatch(msgspec.Struct):
    batchId: str | None = None  # noqa: N815 the wire's name
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_batch = msgspec.json.Decoder(_NamesBatch).decode


def batch_of(record: Record) -> str | None:
    """The batch id of an event, even if the rest of the event is wrong; None if it has no valid one."""
    if is_too_deep(record.raw):
        return None
    try:
        event = _decode_batch(record.raw)
        if record.kind is RecordKind.LINE and event.batchId is None and event.value is not msgspec.UNSET:
            event = _decode_batch(event.value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    batch_id = event.batchId
    return batch_id if batch_id and len(batch_id.encode()) <= MAX_ID_BYTES else None


class _NamesLearner(msgspec.Struct):
    userId: str | None = None  # noqa: N815 the wire's name
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_learner = msgspec.json.Decoder(_NamesLearner).decode


def learner_of(event: Decoded) -> str | None:
    """The learner of an event, even if the rest of the event is wrong; None if it names none."""
    if isinstance(event, Accepted):
        return event.version.key.user_id
    if isinstance(event, Recompute):
        return event.user_id
    if is_too_deep(event.raw):
        return _learner_in(event.raw)
    try:
        found = _decode_learner(event.raw)
        if found.userId is None and found.value is not msgspec.UNSET:  # also in a record, which fails: it names one
            found = _decode_learner(found.value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _learner_in(event.raw)
    return found.userId


_LEARNER: Final = re.compile(rb'"userId"[ \t\r\n]*:[ \t\r\n]*(?:("(?:[^"\\]|\\.)*")|(-?[0-9]+))')
_decode_text = msgspec.json.Decoder(str).decode


def _learner_in(raw: bytes) -> str | None:
    """The first `userId` in bytes that are no event, such as an event that was cut; None if there is none."""
    found = _LEARNER.search(raw)
    if found is None:
        return None
    try:
        return _decode_text(found[1]) if found[1] else found[2].decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def decode(record: Record) -> Decoded:
    """Decode a record of the log. Any bytes give a value; it never raises."""
    received_at = record.received_at
    if received_at is not None and not moments.EARLIEST <= received_at < moments.LATEST:
        received_at = None  # the tables cannot show such a time, so a failed event is stored without it
    try:
        if len(record.raw) > MAX_EVENT_BYTES:
            raise BadEvent(
                Reason.TOO_LARGE, f"the event has more than {MAX_EVENT_BYTES:,} bytes, the most that is accepted"
            )
        if is_too_deep(record.raw):
            raise BadEvent(Reason.BAD_SHAPE, "the event is nested too deeply")
        usual = usual_line(record.raw) if record.kind is RecordKind.LINE else usual_event(record.raw)
        if usual is not None:
            if usual.received_at is not None:
                received_at = usual.received_at
            elif record.received_at is not None:
                received_at = _receipt(record.received_at)
            return _accepted(record, usual.event.key, usual.event.assessmentTs, usual.event.answers(), received_at)
        event = read_event(record.raw)
        if (
            record.kind is RecordKind.LINE
            and event.receivedAt is not msgspec.UNSET
            and event.value is not msgspec.UNSET
        ):
            received_at = _receipt(_decode_clock(event.receivedAt))
            event = read_event(event.value)
        elif record.received_at is not None:
            received_at = _receipt(record.received_at)
        return _parse(record, event, received_at)
    except BadEvent as error:
        reason, message = error.reason, str(error)
    except msgspec.ValidationError as error:
        # msgspec reports so a number too large for a float, and an integer of more than 4,300 digits
        reason = Reason.BAD_NUMBER if "out of range" in str(error) else Reason.BAD_SHAPE
        message = f"the event does not have the expected shape: {error}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason, message = Reason.NOT_JSON, f"the event is not JSON: {error}"
    return failed(record._replace(received_at=received_at), reason, message)


def _parse(record: Record, event: WireEvent, received_at: int | None) -> Accepted | Recompute:
    if record.kind is RecordKind.EVENT and not event.userId and msgspec.UNSET not in (event.receivedAt, event.value):
        raise BadEvent(
            Reason.BAD_ID,
            "`userId` is missing: the record is a line of a log in a folder, with `receivedAt` and `value`; send only "
            "the event in `value`",
        )
    user_id, course_id, batch_id = (_id(event, name) for name in ("userId", "courseId", "batchId"))
    if not event.events:
        if event.assessmentTs is not None and event.assessmentTs is not msgspec.UNSET:
            clock_of(event.assessmentTs, "assessmentTs", moments.EARLIEST)
        return Recompute(record, user_id, course_id, batch_id)
    if event.attemptId is msgspec.UNSET:
        raise BadEvent(Reason.BAD_SHAPE, "the event does not have the expected shape: `attemptId` is missing")
    attempt_id = bounded_id(event.attemptId, "attemptId")
    key = AttemptKey(user_id, course_id, batch_id, _id(event, "contentId"), attempt_id)
    if event.assessmentTs is None or event.assessmentTs is msgspec.UNSET:
        what = "null" if event.assessmentTs is None else "missing"
        raise BadEvent(Reason.BAD_SHAPE, f"the event does not have the expected shape: `assessmentTs` is {what}")
    attempted_on = clock_of(event.assessmentTs, "assessmentTs", moments.EARLIEST)
    return _accepted(record, key, attempted_on, [_answer(answer) for answer in event.events], received_at)


def _accepted(
    record: Record, key: AttemptKey, attempted_on: int, answers: list[Answer], received_at: int | None
) -> Accepted:
    newest = max(attempted_on, *[answer.assess_ts or 0 for answer in answers])
    if received_at is None:
        received_at = newest  # the log has no receipt for a bare event: use its newest clock
    elif newest > received_at + AHEAD_TOLERANCE:
        raise BadEvent(
            Reason.BAD_CLOCK,
            f"a clock of the event, {moments.iso(newest)}, is more than a day ahead of its receipt, "
            f"{moments.iso(received_at)}",
        )
    latest = latest_answers(answers)
    version = make_version(key, attempted_on, latest, received_at)
    if not (math.isfinite(version.total_score) and math.isfinite(version.total_max_score)):
        raise BadEvent(Reason.BAD_NUMBER, "the total of the event's scores is outside floating point")
    return Accepted(record._replace(received_at=received_at), version, len(latest))


def _answer(answer: WireAnswer) -> Answer:
    data, item = answer.edata, answer.edata.item
    return Answer(
        question_id(item.id),
        0 if answer.ets is None else clock_of(answer.ets, "ets", 0),
        number(item.maxscore, "maxscore"),
        number(data.score, "score"),
        item.type,
        item.title,
        data.resvalues,
        item.params,
        item.desc,
        number(data.duration, "duration"),
    )


def _id(event: WireEvent, name: str) -> str:
    value: str = getattr(event, name)
    if not value:
        raise BadEvent(Reason.BAD_ID, f"`{name}` is missing or empty")
    return bounded_id(value, name)


def bounded_id(value: str, name: str) -> str:
    """The same text. Raises `BadEvent` if it is longer than an id may be."""
    # a character has at most 4 bytes: encode only a text that may be too long
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        raise BadEvent(Reason.BAD_ID, f"`{name}` is longer than {MAX_ID_BYTES} bytes")
    return value


def question_id(value: str | int | float | None) -> str:
    """The id of a question as text; empty if it has none. Raises `BadEvent`."""
    if value is None:
        return ""
    return bounded_id(value if isinstance(value, str) else str(value), "item.id")


def number(value: float | str | None, name: str) -> float:
    """A score, maximum or duration; missing is 0.0. Raises `BadEvent`."""
    if value is None:
        return 0.0
    if isinstance(value, str):
        if len(value) > _MAX_NUMBER_TEXT or not _NUMBER.match(value):
            raise BadEvent(Reason.BAD_NUMBER, f"`{name}` is text that is not a number: {value[:40]!r}")
        value = float(value)
    if not math.isfinite(value):
        raise BadEvent(Reason.BAD_NUMBER, f"`{name}` is outside floating point")
    return value + 0.0  # -0.0 becomes 0.0: equal numbers must have equal hashes


def clock_of(value: int | float | str, name: str, earliest: int) -> int:
    """A clock as epoch ms. Raises `BadEvent` if it is unreadable, before `earliest`, or after 2099."""
    try:
        at = moments.clock(value)
    except (ValueError, OverflowError) as error:
        raise BadEvent(Reason.BAD_CLOCK, f"`{name}`: {error}") from None
    if not earliest <= at < moments.LATEST:
        raise BadEvent(Reason.BAD_CLOCK, f"`{name}`: {at} is outside the years {2000 if earliest else 1970} to 2100")
    return at


def _receipt(value: int | float | str) -> int:
    return clock_of(value, "receivedAt", moments.EARLIEST)
