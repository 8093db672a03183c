"""The scores of a learner's attempts: `POST /v1/content/state/read` and `POST /v1/assessment/read`.

Both read the map, so archive and clear change no answer.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import msgspec
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from assess_core.errors import AssessError
from assess_core.usecases.queries import Queries
from assess_core.usecases.views import AttemptScore
from graphql_api.assessments import Refused
from graphql_api.bodies import BadBody, read_json
from graphql_api.envelopes import (
    ATTEMPTS_ID,
    CLIENT_ERROR,
    assessing,
    error_of,
    learning,
    message_id_of,
    retry_after,
    zoned,
)
from graphql_api.gate import learner_of, require_allowed
from graphql_api.rest import message_id_in
from graphql_api.workers import ask_scores

MOST_SCORES: Final = 25
"""The scores of a content that `content/state/read` shows: the newest ones, as many as in Sunbird's service."""

_COMPLETED: Final = 2
_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_log = logging.getLogger(__name__)


class StateRead(HTTPEndpoint):
    """`POST /v1/content/state/read` and its aliases, in the format of the learning service."""

    async def post(self, request: Request) -> Response:
        """The contents of a batch that the learner attempted; with `fields: ["score"]`, the scores of the attempts."""
        return await _answer(request, partial(learning, request.scope["path"]), _read_states)

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except POST."""
        return _not_allowed(request, partial(learning, request.scope["path"]))


class AssessmentRead(HTTPEndpoint):
    """`POST /v1/assessment/read`, a draft of the viewing service."""

    async def post(self, request: Request) -> Response:
        """The score of each attempt of a learner at an assessment in a batch."""
        return await _answer(request, partial(assessing, ATTEMPTS_ID), _read_attempts)

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except POST."""
        return _not_allowed(request, partial(assessing, ATTEMPTS_ID))


_Read = Callable[[Request, Mapping[str, Any]], Awaitable[dict[str, object]]]
_Envelope = Callable[..., Response]


async def _answer(request: Request, envelope: _Envelope, read: _Read) -> Response:
    """Answer in an envelope. Client input causes no 500."""
    message_id = message_id_of(request)
    try:
        body = await read_json(request, _decoder)
        if "x-msgid" not in request.headers:
            message_id = message_id_in(body) or message_id
        asked = body.get("request")
        if not isinstance(asked, dict):
            raise Refused(CLIENT_ERROR, "`request` must be an object")
        return envelope(message_id, result=await read(request, asked))
    except BadBody as error:
        return envelope(message_id, error.status, (CLIENT_ERROR, str(error)))
    except Refused as error:
        return envelope(message_id, 400, (error.code, str(error)), error.fields)
    except AssessError as error:
        if error.status >= 500:
            _log.warning("%s", error)
        return envelope(message_id, error.status, error_of(error), headers=retry_after(error))


def _not_allowed(request: Request, envelope: _Envelope) -> Response:
    error = (CLIENT_ERROR, f"{request.method} is not allowed; use POST")
    return envelope(message_id_of(request), 405, error, headers={"allow": "POST"})


async def _scores(
    request: Request, user_id: str, course_id: str, batch_id: str, assessments: frozenset[str]
) -> list[AttemptScore]:
    require_allowed(request, Resource(user_id, batch_id, course_id))

    def question(queries: Queries) -> list[AttemptScore]:
        return queries.attempt_scores(user_id, course_id, batch_id, assessments)

    return await ask_scores(request, (user_id,), question)


# --- the learning service ---


async def _read_states(request: Request, asked: Mapping[str, Any]) -> dict[str, object]:
    user_id = _text(asked, "userId") or learner_of(request)
    course_id = _text(asked, "courseId") or _text(asked, "collectionId") or next(iter(_texts(asked, "courseIds")), "")
    batch_id = _text(asked, "batchId")
    for name, id_ in (("userId", user_id), ("courseId", course_id), ("batchId", batch_id)):
        if not id_:
            raise Refused("MANDATORY_PARAMETER_MISSING", f"Mandatory parameter {name} is missing.")
    contents, fields = _texts(asked, "contentIds"), _texts(asked, "fields")
    found = await _scores(request, user_id, course_id, batch_id, frozenset(contents))
    by_content = groupby(found, attrgetter("assessment_id"))
    return {"contentList": [_content(list(scores), "score" in fields) for _, scores in by_content]}


def _content(scores: list[AttemptScore], with_scores: bool) -> dict[str, object]:
    """A content with at least one attempt: Sunbird's service says that an attempt completes its content."""
    first = scores[0]
    content: dict[str, object] = {
        "contentId": first.assessment_id,
        "batchId": first.batch_id,
        "courseId": first.course_id,
        "collectionId": first.course_id,
        "status": _COMPLETED,
        "progress": 100,
    }
    if with_scores:
        newest = sorted(scores, key=lambda one: -one.last_attempted_on)[:MOST_SCORES]
        content["score"] = [
            {
                "attemptId": one.attempt_id,
                "lastAttemptedOn": zoned(one.last_attempted_on) if one.last_attempted_on else None,
                "totalMaxScore": one.max_score,
                "totalScore": one.score,
            }
            for one in newest
        ]
    return content


def _text(asked: Mapping[str, Any], name: str) -> str:
    """A text; empty if it is missing, null or blank."""
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong_type(name, "String")
    return value if value and value.strip() else ""


def _texts(asked: Mapping[str, Any], name: str) -> list[str]:
    value = asked.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise _wrong_type(name, "List")
    return value or []


def _wrong_type(name: str, wanted: str) -> Refused:
    return Refused("DATA_TYPE_ERROR", f"Data type of {name} should be {wanted}.")


# --- the draft of the viewing service ---


async def _read_attempts(request: Request, asked: Mapping[str, Any]) -> dict[str, object]:
    user_id, content_id = _id(asked, "userId") or learner_of(request), _id(asked, "contentId")
    wrong = [name for name, id_ in (("userId", user_id), ("contentId", content_id)) if not id_]
    if wrong:
        raise _refused(wrong, "Field cannot be empty")
    # the assessment stands in for a missing course, and the course for a missing batch, as in `assessment/submit`
    course_id = _id(asked, "courseId") or _id(asked, "collectionId") or content_id
    batch_id = _id(asked, "batchId") or _id(asked, "contextId") or course_id
    found = await _scores(request, user_id, course_id, batch_id, frozenset({content_id}))
    return {
        "userId": user_id,
        "contentId": content_id,
        "collectionId": course_id,
        "contextId": batch_id,
        "assessments": [{"attemptId": one.attempt_id, "score": one.score, "max_score": one.max_score} for one in found],
    }


def _id(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise _refused([name], "Field must be text")
    return value if value and value.strip() else ""


def _refused(names: list[str], why: str) -> Refused:
    message = "; ".join(f"request.{name}: {why}" for name in names)
    return Refused(CLIENT_ERROR, message, {f"request.{name}": why for name in names})
