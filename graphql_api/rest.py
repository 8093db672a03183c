"""`POST /v2/view/assess/read`: the scores of a learner, in the envelope of Sunbird's viewing service."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from assess_core.errors import AssessError
from graphql_api.bodies import BadBody, read_json
from graphql_api.envelopes import READ_ID, retry_after, viewing
from graphql_api.gate import learner_of, require_allowed
from graphql_api.workers import ask_scores

_REQUIRED: Final = ("userId", "assessmentId")
_OPTIONAL: Final = ("courseId", "batchId")
_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_envelope: Final = partial(viewing, READ_ID)
_log = logging.getLogger(__name__)


class AssessRead(HTTPEndpoint):
    """`{"request": {"userId", "assessmentId", "courseId"?, "batchId"?}}` -> the best score as `result`."""

    async def post(self, request: Request) -> Response:
        """See `read_scores`."""
        return await read_scores(request)

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except POST."""
        message = f"{request.method} is not allowed; use POST"
        return _envelope(request.headers.get("x-msgid"), 405, message, headers={"allow": "POST"})


async def read_scores(request: Request) -> Response:
    """Return the scores. Errors use the same envelope: 400, 413 or 503; client input never causes a 500."""
    message_id = request.headers.get("x-msgid")
    try:
        body = await read_json(request, _decoder)
        message_id = message_id or message_id_in(body)
        asked, wrong = _asked(body.get("request"), learner_of(request))
        if wrong:
            return _envelope(message_id, 400, "; ".join(f"{name}: {why}" for name, why in wrong.items()), wrong)
        user_id, _, course_id, batch_id = asked
        require_allowed(request, Resource(user_id, batch_id or "", course_id or ""))
        scores = await ask_scores(request, (user_id,), lambda queries: queries.score(*asked))
    except BadBody as error:
        return _envelope(message_id, error.status, str(error))
    except AssessError as error:
        if error.status >= 500:
            _log.warning("%s", error)
        return _envelope(message_id, error.status, str(error), headers=retry_after(error))
    return _envelope(message_id, result=scores.result)


def message_id_in(body: Mapping[str, Any]) -> str | None:
    """`params.msgid` of a body, if it is text."""
    params = body.get("params")
    found = params.get("msgid") if isinstance(params, dict) else None
    return found if isinstance(found, str) else None


def _asked(request: object, learner: str) -> tuple[list[Any], dict[str, str]]:
    """The arguments of `Queries.score`, and the error of each wrong field of the request.

    A request without a `userId` is about the caller.
    """
    if not isinstance(request, dict):
        return [], {"request": "Field cannot be empty" if request is None else "Field must be an object"}
    if learner and request.get("userId") in (None, ""):
        request = {**request, "userId": learner}
    wrong: dict[str, str] = {}
    for name in (*_REQUIRED, *_OPTIONAL):
        value = request.get(name)
        if value is not None and not isinstance(value, str):
            wrong[f"request.{name}"] = "Field must be text"
        elif name in _REQUIRED and not (value and value.strip()):
            wrong[f"request.{name}"] = "Field cannot be empty"
    return [request.get(name) for name in (*_REQUIRED, *_OPTIONAL)], wrong
