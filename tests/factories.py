"""Small values with sensible defaults. A test overrides only the arguments that matter to it."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, latest_answers, make_version
from assess_core.domain.events import Accepted, Decoded, FailedEvent, Record, RecordKind, decode
from assess_core.domain.moments import DAY
from assess_core.domain.reasons import Reason

MONDAY: Final = 1_706_486_400_000
"""2024-01-29T00:00:00Z: the first moment of 2024-W05."""
ATTEMPTED: Final = MONDAY + DAY
"""The default time of an attempt: the Tuesday of 2024-W05."""
RECEIVED: Final = ATTEMPTED + 60_000
"""The default receipt: a minute after the attempt."""
WEEK: Final = 7 * DAY


# --- values of the domain ---


def answer(id: str = "q1", score: float = 1.0, max_score: float = 2.0, assess_ts: int | None = ATTEMPTED) -> Answer:
    """One stored answer."""
    return Answer(
        id=id,
        assess_ts=assess_ts,
        max_score=max_score,
        score=score,
        type="mcq",
        title="What is the capital of Assam?",
        resvalues=[{"1": '{"text":"Dispur"}'}],
        params=[{"1": '{"text":"Dispur"}'}, {"answer": '{"correct":["1"]}'}],
        description=None,
        duration=3.0,
    )


def key(
    user_id: str = "u1", course_id: str = "c1", batch_id: str = "b1", content_id: str = "a1", attempt_id: str = "t1"
) -> AttemptKey:
    """An attempt key."""
    return AttemptKey(user_id, course_id, batch_id, content_id, attempt_id)


def version(
    of: AttemptKey | None = None,
    attempted: int = ATTEMPTED,
    answers: Iterable[Answer] | None = None,
    received: int | None = None,
    **named: str,
) -> AttemptVersion:
    """A version of an attempt, by default received a minute later. `named` are parts of the attempt key."""
    return make_version(
        key(**named) if of is None else of,
        attempted,
        latest_answers([answer()] if answers is None else answers),
        attempted + 60_000 if received is None else received,
    )


def failed_event(
    topic: str = "events.jsonl",
    offset: int = 1,
    raw: bytes = b"nonsense",
    partition: int = 0,
    received_at: int | None = None,
    message: str = "the event is not JSON",
) -> FailedEvent:
    """A failed event."""
    return FailedEvent(topic, partition, offset, received_at, Reason.NOT_JSON, message, raw)


# --- the wire ---


def wire_answer(
    id: object = "q1",
    score: object = 1.0,
    maxscore: object = 2.0,
    ets: object = ATTEMPTED,
    duration: object = 3,
    title: object = "What is the capital of Assam?",
) -> dict[str, object]:
    """One answer as a player sends it."""
    return {
        "eid": "ASSESS",
        "ets": ets,
        "edata": {
            "index": 1,
            "score": score,
            "duration": duration,
            "resvalues": [{"1": '{"text":"Dispur"}'}],
            "item": {
                "id": id,
                "maxscore": maxscore,
                "type": "mcq",
                "title": title,
                "params": [{"1": '{"text":"Dispur"}'}, {"answer": '{"correct":["1"]}'}],
            },
        },
    }


def event(
    user: object = "u1",
    course: object = "c1",
    batch: object = "b1",
    content: object = "a1",
    attempt: object = "t1",
    attempted: object = ATTEMPTED,
    answers: object = None,
    **more: object,
) -> dict[str, object]:
    """An assess event as a client sends it. `answers` are from `wire_answer`; the default is one answer."""
    return {
        "userId": user,
        "courseId": course,
        "batchId": batch,
        "contentId": content,
        "attemptId": attempt,
        "assessmentTs": attempted,
        "events": [wire_answer()] if answers is None else answers,
        **more,
    }


def without(message: Mapping[str, object], *names: str) -> dict[str, object]:
    """The message without some of its members."""
    return {name: value for name, value in message.items() if name not in names}


def text(message: object) -> bytes:
    """The bytes of a message."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def line(message: object, received: int = RECEIVED) -> bytes:
    """A message with its receipt, as a line of a log."""
    return text({"receivedAt": received, "value": message})


def record(
    message: object = None,
    offset: int = 1,
    received: int | None = RECEIVED,
    topic: str = "events.jsonl",
    partition: int = 0,
) -> Record:
    """A record of a log. `message` is an event or raw bytes. Without a receipt it is a line of a file."""
    raw = message if isinstance(message, bytes) else text(event() if message is None else message)
    kind = RecordKind.LINE if received is None else RecordKind.EVENT
    return Record(topic, partition, offset, raw, received, kind)


def decoded(message: object = None, offset: int = 1, received: int | None = RECEIVED) -> Decoded:
    """The decoded record."""
    return decode(record(message, offset, received))


def accepted(message: object = None, offset: int = 1, received: int | None = RECEIVED) -> Accepted:
    """The decoded record, which must be a version."""
    result = decoded(message, offset, received)
    assert isinstance(result, Accepted), result
    return result
