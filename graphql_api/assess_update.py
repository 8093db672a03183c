"""Requests and responses of `POST /v2/view/assess/update` and `POST /v1/assessment/submit`.

A request is one assessment with its answers, or a list of assessments that each have `events`. Course and batch are
`courseId` and `batchId`, otherwise `collectionId` and `contextId`. If an assessment of a list lacks a member, the
request's member is used.
"""

from typing import Any, Final, NamedTuple

import msgspec

from assess_core.domain import moments
from graphql_api.assessments import (
    DETAILS,
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
    members,
    messages,
    refusals,
    text,
    verdict_of,
)

_EMPTY: Final = "Field cannot be empty"
_NO_TEXT: Final = "Field must be text"
NO_ANSWERS: Final = {"request.assessments": _EMPTY}
"""The fields of a refused request without answers."""


class Members(msgspec.Struct, omit_defaults=True):
    """The members of a request, and of an assessment in a list."""

    userId: Field = msgspec.UNSET  # noqa: N815 the wire's names
    courseId: Field = msgspec.UNSET  # noqa: N815
    collectionId: Field = msgspec.UNSET  # noqa: N815
    batchId: Field = msgspec.UNSET  # noqa: N815
    contextId: Field = msgspec.UNSET  # noqa: N815
    contentId: Field = msgspec.UNSET  # noqa: N815
    attemptId: Field = msgspec.UNSET  # noqa: N815
    assessmentTs: Field = msgspec.UNSET  # noqa: N815
    assessments: Field = msgspec.UNSET
    events: Field = msgspec.UNSET
    receivedAt: Field = msgspec.UNSET  # noqa: N815
    value: Field = msgspec.UNSET


class _AnswerMembers(msgspec.Struct):
    ets: Field = msgspec.UNSET
    events: Field = msgspec.UNSET


_read_members: Final = msgspec.json.Decoder(Members)
_read_answer: Final = msgspec.json.Decoder(_AnswerMembers)
_read_clock: Final = msgspec.json.Decoder(int | float | str)
_IDS: Final = {
    "userId": ("userId",),
    "courseId": ("courseId", "collectionId"),
    "batchId": ("batchId", "contextId"),
    "contentId": ("contentId",),
    "attemptId": ("attemptId",),
}
"""The names of each id on the wire. The first one that is not empty wins."""
_STAND_INS: Final = (("courseId", "contentId"), ("batchId", "courseId"))
"""A missing id, and the id that stands in for it."""


class AssessUpdate(NamedTuple):
    """A request that passed validation."""

    assessments: list[Assessment]
    listed: bool
    """Whether the request contains a list of assessments."""


def parse(asked: Field, learner: str = "", *, stand_in: bool = False) -> AssessUpdate:
    """Validate the `request` of a body. Raises `Refused` with every wrong field.

    An assessment without a `userId` is of the `learner`, if one is given. `stand_in`: the assessment stands in for a
    missing course, and the course for a missing batch.
    """
    request = members(asked, _read_members, "request")
    name = "events" if is_null(request.assessments) else "assessments"
    submitted = getattr(request, name)
    found = elements(submitted, name)
    if not found:
        raise Refused("CLIENT_ERROR", f"request.assessments: {_EMPTY}", NO_ANSWERS)
    if not any(_has_events(one) for one in found):
        only = _assessment(asked, request, Members(), submitted, "request", learner, stand_in)
        return AssessUpdate([only], listed=False)
    assessments = []
    for n, one in enumerate(found):
        where = f"request.{name}[{n}]"
        item = members(one, _read_members, where)
        if not elements(item.events, f"{where}.events"):
            raise _wrong({"events": _EMPTY}, where)
        assessments.append(_assessment(one, item, request, item.events, where, learner, stand_in))
    return AssessUpdate(assessments, listed=True)


def _assessment(
    raw: Field, own: Members, around: Members, answers: Field, where: str, learner: str, stand_in: bool
) -> Assessment:
    assert isinstance(raw, msgspec.Raw)
    assert isinstance(answers, msgspec.Raw)
    ids, wrong = _ids(own, around, learner, stand_in)
    attempted = next((ts for ts in (own.assessmentTs, around.assessmentTs) if not is_null(ts)), None)
    submitted = attempted if isinstance(attempted, msgspec.Raw) else _newest(answers)
    if submitted is None:
        wrong["assessmentTs"] = _EMPTY
    if wrong or submitted is None:
        raise _wrong(wrong, where)
    whole = own.events is answers and not is_null(own.assessmentTs) and all(text(getattr(own, id_)) for id_ in _IDS)
    # `receivedAt` and `value` are members of our log's lines: drop them if a client sends them
    whole = whole and own.receivedAt is msgspec.UNSET and own.value is msgspec.UNSET
    return Assessment.of(ids, bytes(raw) if whole else forwarded(ids, submitted, answers))


def _ids(own: Members, around: Members, learner: str, stand_in: bool) -> tuple[dict[str, str], dict[str, str]]:
    """The ids of an assessment, and what is wrong with the others, under the names that the client uses."""
    ids: dict[str, str] = {}
    shown: dict[str, str] = {}
    reasons: dict[str, str] = {}
    preferred = _vocabulary(own, around)
    for id_, names in _IDS.items():
        fields = ((name, getattr(members, name)) for members in (own, around) for name in names)
        sent = [(name, field) for name, field in fields if not is_null(field)]
        ids[id_] = next(filter(None, (text(field) for _, field in sent)), "")
        if id_ == "userId" and not sent:
            ids[id_] = learner
        if not ids[id_]:
            not_text = [name for name, field in sent if not is_text(field)]
            shown[id_] = next(iter(not_text or [name for name, _ in sent]), names[min(preferred, len(names) - 1)])
            reasons[id_] = _NO_TEXT if not_text else _EMPTY
    for id_, other in _STAND_INS if stand_in else ():
        if reasons.get(id_) == _EMPTY:
            ids[id_] = ids[other]
            del reasons[id_]
    return ids, {shown[id_]: why for id_, why in reasons.items()}


def _vocabulary(own: Members, around: Members) -> int:
    """Which name of `_IDS` the client prefers: the second one if it sent `collectionId` or `contextId` only."""

    def sends(*names: str) -> bool:
        return any(not is_null(getattr(members, name)) for members in (own, around) for name in names)

    return int(sends("collectionId", "contextId") and not sends("courseId", "batchId"))


def _wrong(fields: dict[str, str], where: str) -> Refused:
    """The message contains the path of each field. `fields` uses the names that clients know."""
    message = "; ".join(f"{where}.{name}: {why}" for name, why in fields.items())
    return Refused("CLIENT_ERROR", message, {f"request.{name}": why for name, why in fields.items()})


def _has_events(raw: msgspec.Raw) -> bool:
    try:
        return _read_answer.decode(raw).events is not msgspec.UNSET
    except msgspec.ValidationError:
        return False


def _newest(answers: msgspec.Raw) -> int | None:
    """The newest clock of the answers, which is the same for each retry. None if no answer has a clock."""
    found = []
    for one in elements(answers, "events"):
        try:
            ets = _read_answer.decode(one).ets
            if isinstance(ets, msgspec.Raw):
                found.append(moments.clock(_read_clock.decode(ets)))
        except (msgspec.ValidationError, ValueError, OverflowError):
            continue  # the stream rejects the event and gives the reason
    return max(found, default=None)


def decide(update: AssessUpdate, states: States, request_id: str) -> Outcome:
    """Decide each assessment by its batch. Raises the errors of `states`."""
    found = [verdict_of(one, states) for one in update.assessments]
    accepted = [one for one, said in zip(update.assessments, found, strict=True) if said is Verdict.SUCCESS]
    result: dict[str, Any] = {}
    for one in accepted:
        if is_own_key(one.content_id):
            continue
        if update.listed:
            result.setdefault(one.content_id, []).append("Score Captured Successfully")
        else:
            result[one.content_id] = "Score Updated"
    result |= refusals(zip((one.batch_id for one in update.assessments), found, strict=True))
    result[DETAILS] = [
        detail("attemptId", one.attempt_id, said) for one, said in zip(update.assessments, found, strict=True)
    ]
    return Outcome(messages(update.assessments, found, request_id), result)
