"""Requests and responses of `PATCH /v1/content/state/update`: the rules of Sunbird's service, in its order.

The first check that fails gives the response. `contents` are checked but not stored: this service stores attempts, not
progress.
"""

import re
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from assess_core.ports.log import Message
from graphql_api.assessments import (
    DETAILS,
    REASONS,
    Assessment,
    Field,
    Outcome,
    Refused,
    States,
    Verdict,
    detail,
    elements,
    forwarded,
    is_null,
    is_own_key,
    is_text,
    is_whole,
    members,
    messages,
    refusals,
    text,
    verdict,
    verdict_of,
)

_COURSE: Final = ("COURSE_ID_REQUIRED_ERROR", "Please provide course id.")
_CONTENT: Final = ("CONTENT_ID_REQUIRED_ERROR", "Please provide content id.")
_BATCH: Final = ("COURSE_BATCH_ID_MISSING", "Course batch Id required")
_USER: Final = ("USERID_MISSING", "UserId is mandatory.")
_ATTEMPT: Final = ("ATTEMPT_ID_REQUIRED_ERROR", "Please provide attempt id.")
_DATE: Final = ("DATE_FORMAT_ERRROR", "Date format error.")  # with three R, as clients know it
_STATUS: Final = ("CONTENT_STATUS_MISSING_ERROR", "content status is required .")
_ATTEMPTED: Final = ("ATTEMPTED_DATE_REQUIRED", "Attempted data is required.")
_EVENTS: Final = ("EVENTS_DATA_MISSING", "Events array is mandatory")
_NOT_ENROLLED: Final = "INVALID_REQUESTED_DATA"

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d):\d{3}[+-]\d{4}\Z", re.ASCII)


class Request(msgspec.Struct):
    """The members of `request` that are read."""

    contents: Field = msgspec.UNSET
    assessments: Field = msgspec.UNSET
    userId: Field = msgspec.UNSET  # noqa: N815 the wire's names
    courseId: Field = msgspec.UNSET  # noqa: N815
    collectionId: Field = msgspec.UNSET  # noqa: N815
    batchId: Field = msgspec.UNSET  # noqa: N815


class ContentMembers(msgspec.Struct):
    """The members of a content that are read."""

    lastUpdatedTime: Field = msgspec.UNSET  # noqa: N815
    lastCompletedTime: Field = msgspec.UNSET  # noqa: N815
    courseId: Field = msgspec.UNSET  # noqa: N815
    collectionId: Field = msgspec.UNSET  # noqa: N815
    batchId: Field = msgspec.UNSET  # noqa: N815
    contentId: Field = msgspec.UNSET  # noqa: N815
    status: Field = msgspec.UNSET


class Item(msgspec.Struct):
    """The members of an assessment that are read."""

    assessmentTs: Field = msgspec.UNSET  # noqa: N815
    courseId: Field = msgspec.UNSET  # noqa: N815
    contentId: Field = msgspec.UNSET  # noqa: N815
    batchId: Field = msgspec.UNSET  # noqa: N815
    userId: Field = msgspec.UNSET  # noqa: N815
    attemptId: Field = msgspec.UNSET  # noqa: N815
    events: Field = msgspec.UNSET
    receivedAt: Field = msgspec.UNSET  # noqa: N815
    value: Field = msgspec.UNSET


_read_request: Final = msgspec.json.Decoder(Request)
_read_content: Final = msgspec.json.Decoder(ContentMembers)
_read_item: Final = msgspec.json.Decoder(Item)


class Content(NamedTuple):
    """A content whose progress a client reports."""

    course_id: str
    batch_id: str
    content_id: str


class Enrolment(NamedTuple):
    """A request with neither list: compute the scores of this learner in this course and batch again."""

    user_id: str
    course_id: str
    batch_id: str


class StateUpdate(NamedTuple):
    """A request that passed validation: assessments and contents, or an enrolment to synchronise."""

    assessments: list[Assessment]
    contents: list[Content]
    enrolment: Enrolment | None
    user_id: str
    """The learner of the whole request; empty if it names none."""

    @property
    def learners(self) -> set[str]:
        """Every learner whom the request names."""
        return {one for one in (self.user_id, *(item.user_id for item in self.assessments)) if one}


def parse(asked: Field) -> StateUpdate:
    """Validate the `request` of a body. Raises `Refused`."""
    request = members(asked, _read_request, "request")
    contents = [_content(one, n) for n, one in enumerate(elements(request.contents, "contents"))]
    assessments = [_assessment(one, n) for n, one in enumerate(elements(request.assessments, "assessments"))]
    enrolment = None if contents or assessments else _enrolment(request)
    return StateUpdate(assessments, contents, enrolment, text(request.userId))


def _content(raw: msgspec.Raw, number: int) -> Content:
    content = members(raw, _read_content, f"contents[{number}]")
    for moment in (content.lastUpdatedTime, content.lastCompletedTime):
        _require(is_null(moment) or _is_moment(text(moment)), _DATE)
    course_id = text(content.courseId) or text(content.collectionId)
    _require(course_id, _COURSE)
    # Sunbird's service accepts an empty content id; it only refuses a missing one
    _require(is_text(content.contentId), _CONTENT)
    _require(not is_null(content.status), _STATUS)
    return Content(course_id, text(content.batchId), text(content.contentId))


def _assessment(raw: msgspec.Raw, number: int) -> Assessment:
    item = members(raw, _read_item, f"assessments[{number}]")
    _require(item.assessmentTs is not msgspec.UNSET, _ATTEMPTED)
    ids = {name: text(getattr(item, name)) for name in ("userId", "courseId", "batchId", "contentId", "attemptId")}
    _require(ids["courseId"], _COURSE)
    _require(ids["contentId"], _CONTENT)
    _require(ids["batchId"], _BATCH)
    _require(ids["userId"], _USER)
    _require(ids["attemptId"], _ATTEMPT)
    _require(item.events is not msgspec.UNSET, _EVENTS)
    assert isinstance(item.assessmentTs, msgspec.Raw)
    assert isinstance(item.events, msgspec.Raw)
    # `receivedAt` and `value` are members of our log's lines: drop them if a client sends them
    is_checked = item.receivedAt is msgspec.UNSET and item.value is msgspec.UNSET
    value = bytes(raw) if is_checked else forwarded(ids, item.assessmentTs, item.events)
    return Assessment.of(ids, value)


def _enrolment(request: Request) -> Enrolment:
    course_id = text(request.courseId) or text(request.collectionId)
    _require(course_id, _COURSE)
    batch_id = text(request.batchId)
    _require(batch_id, _BATCH)
    user_id = text(request.userId)
    _require(user_id, _USER)
    _require(all(map(is_whole, (course_id, batch_id, user_id))), ("CLIENT_ERROR", REASONS[Verdict.BAD_ID] or ""))
    return Enrolment(user_id, course_id, batch_id)


def _require(good: object, refusal: tuple[str, str]) -> None:
    if not good:
        raise Refused(*refusal)


def _is_moment(written: str) -> bool:
    """Whether the text looks like `2020-11-23 12:58:35:179+0000`, and this day and time exist."""
    found = _MOMENT.match(written)
    if not found:
        return False
    try:
        datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return False
    return True


def decide(update: StateUpdate, states: States, request_id: str, now: int) -> Outcome:
    """Decide each element by its batch. Raises `Refused`, and the errors of `states`."""
    if update.enrolment is not None:
        return _synchronise(update.enrolment, states, request_id, now)
    found = [verdict_of(one, states) for one in update.assessments]
    accepted = [one for one, said in zip(update.assessments, found, strict=True) if said is Verdict.SUCCESS]
    completed = {Content(one.course_id, one.batch_id, one.content_id) for one in accepted}
    of_contents = [_of_content(one, completed, states) for one in update.contents]
    result: dict[str, Any] = dict.fromkeys((one.batch_id for one in accepted), Verdict.SUCCESS)
    result |= dict.fromkeys(
        (one.content_id for one in accepted), Verdict.SUCCESS
    )  # a submitted assessment is a completed content
    result = {id_: said for id_, said in result.items() if not is_own_key(id_)}
    batches = [*(one.batch_id for one in update.assessments), *(one.batch_id for one in update.contents)]
    result |= refusals(zip(batches, [*found, *of_contents], strict=True))
    result[DETAILS] = [
        *(detail("attemptId", one.attempt_id, said) for one, said in zip(update.assessments, found, strict=True)),
        *(detail("contentId", one.content_id, said) for one, said in zip(update.contents, of_contents, strict=True)),
    ]
    return Outcome(messages(update.assessments, found, request_id), result)


def _of_content(content: Content, completed: set[Content], states: States) -> Verdict:
    """Like Sunbird's service, ignore contents without a batch."""
    if content in completed:
        return Verdict.SUCCESS
    found = verdict(content.course_id, content.batch_id, states) if content.batch_id else Verdict.NOT_KEPT
    return Verdict.NOT_KEPT if found is Verdict.SUCCESS else found


def _synchronise(enrolment: Enrolment, states: States, request_id: str, now: int) -> Outcome:
    """A message without attempt and answers asks the stream to compute the learner's scores again."""
    user_id, course_id, batch_id = enrolment
    if verdict(course_id, batch_id, states) is Verdict.UNKNOWN_BATCH:
        ids = f"userId: {user_id}, batchId: {batch_id}, courseId: {course_id}"
        raise Refused(_NOT_ENROLLED, f"No Enrolment found for {ids}")
    value = {"assessmentTs": now, "batchId": batch_id, "courseId": course_id, "userId": user_id}
    return Outcome([Message(user_id, msgspec.json.encode(value), request_id)], {"response": Verdict.SUCCESS})
