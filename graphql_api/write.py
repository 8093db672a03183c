"""The write API: appends clients' attempts to the log, and acknowledges them after the log has stored them."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from opentelemetry.trace import SpanKind
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from assess_core import tracing
from assess_core.domain.access import Resource
from assess_core.errors import AssessError, StoreUnavailable
from assess_core.ports.facts import Facts
from assess_core.ports.log import Intake, Message
from assess_core.wiring.places import clock
from graphql_api import assess_update, state_update
from graphql_api.assessments import Body, Outcome, Refused, read_body
from graphql_api.bodies import BadBody, is_json, read_json
from graphql_api.envelopes import (
    CLIENT_ERROR,
    SUBMIT_ID,
    UPDATE_ID,
    assessing,
    error_of,
    learning,
    message_id_of,
    retry_after,
    viewing,
)
from graphql_api.gate import learner_of, require_allowed

PATIENCE: Final = 20.0
"""Seconds until the log must have stored a request; clients wait 30."""

_MISSING: Final = "MANDATORY_PARAMETER_MISSING"

_viewing: Final = partial(viewing, UPDATE_ID)
_assessing: Final = partial(assessing, SUBMIT_ID)
_log = logging.getLogger(__name__)


class StateUpdate(HTTPEndpoint):
    """`PATCH /v1/content/state/update` and its alias, in the format of the learning service."""

    async def patch(self, request: Request) -> Response:
        """Append the assessments to the log. Errors are 4xx or 503 in the same envelope; client input causes no 500."""
        message_id = message_id_of(request)
        answer = partial(learning, request.scope["path"], message_id)
        try:
            update = state_update.parse((await _read_body(request)).request)
            _require_own(request, update.learners)
            decide = partial(state_update.decide, update, request_id=message_id, now=clock())
            result = await _store(request, decide)
        except BadBody as error:
            return answer(error.status, (CLIENT_ERROR, str(error)))
        except Refused as error:
            return answer(400, (error.code, str(error)))
        except AssessError as error:
            return answer(error.status, (error_of(error)[0], _client_message(error)), headers=retry_after(error))
        return answer(result=result)

    async def options(self, _request: Request) -> Response:
        """Answer like Sunbird's service. Without CORS headers, browsers still block pages of other sites."""
        return Response(headers={"allow": "PATCH, OPTIONS"})

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every other method."""
        error = (CLIENT_ERROR, f"{request.method} is not allowed; use PATCH")
        return learning(request.scope["path"], message_id_of(request), 405, error, headers={"allow": "PATCH, OPTIONS"})


class AssessUpdate(HTTPEndpoint):
    """`POST /v2/view/assess/update`, in the format of the viewing service."""

    async def post(self, request: Request) -> Response:
        """Append the assessments to the log. Errors are 4xx or 503 in the same envelope; client input causes no 500."""
        message_id = message_id_of(request)
        try:
            body = await _read_body(request)
            message_id = _message_id(request, body) or message_id
            result = await _submit(request, body, message_id)
        except BadBody as error:
            return _viewing(message_id, error.status, str(error))
        except Refused as error:
            return _viewing(message_id, 400, str(error), error.fields)
        except AssessError as error:
            return _viewing(message_id, error.status, _client_message(error), headers=retry_after(error))
        return _viewing(message_id, result=result)

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except POST."""
        message = f"{request.method} is not allowed; use POST"
        return _viewing(message_id_of(request), 405, message, headers={"allow": "POST"})


class AssessmentSubmit(HTTPEndpoint):
    """`POST /v1/assessment/submit`, an older draft of the viewing service with an envelope of its own."""

    async def post(self, request: Request) -> Response:
        """Append the assessments to the log. Errors are 4xx or 503 in the same envelope; client input causes no 500."""
        message_id = message_id_of(request)
        try:
            body = await _read_body(request)
            message_id = _message_id(request, body) or message_id
            result = await _submit(request, body, message_id, stand_in=True)
        except BadBody as error:
            return _assessing(message_id, error.status, (CLIENT_ERROR, str(error)))
        except Refused as error:
            if error.fields == assess_update.NO_ANSWERS:
                return _assessing(message_id, 400, (_MISSING, "assessments (events) are required"), error.fields)
            return _assessing(message_id, 400, (error.code, str(error)), error.fields)
        except AssessError as error:
            answer = (error_of(error)[0], _client_message(error))
            return _assessing(message_id, error.status, answer, headers=retry_after(error))
        return _assessing(message_id, result=result)

    async def method_not_allowed(self, request: Request) -> Response:
        """Refuse every method except POST."""
        error = (CLIENT_ERROR, f"{request.method} is not allowed; use POST")
        return _assessing(message_id_of(request), 405, error, headers={"allow": "POST"})


async def _submit(request: Request, body: Body, message_id: str, *, stand_in: bool = False) -> dict[str, object]:
    """Check and store a request of either path of the viewing service."""
    update = assess_update.parse(body.request, learner_of(request), stand_in=stand_in)
    _require_own(request, {one.user_id for one in update.assessments})
    return await _store(request, partial(assess_update.decide, update, request_id=message_id))


def _message_id(request: Request, body: Body) -> str | None:
    """The message id of a body; the header has precedence."""
    return None if "x-msgid" in request.headers else body.message_id


class Writes:
    """The resources of the write API: the intake of the log, and the facts about batches (None: no facts)."""

    def __init__(self, intake: Intake, facts: Facts | None, threads: CapacityLimiter) -> None:
        self.intake = intake
        self.facts = facts
        self.threads = threads


async def _read_body(request: Request) -> Body:
    if not is_json(request):
        raise BadBody(415, "send the request as application/json")
    return await read_json(request, read_body, with_texts=True)


def _require_own(request: Request, learners: Iterable[str]) -> None:
    """Raise `Forbidden` if the caller may not write the rows of one of these learners."""
    for learner in learners:
        require_allowed(request, Resource(learner))


async def _store(request: Request, decide: "partial[Outcome]") -> dict[str, object]:
    """Append the messages to the log, then return the result. Raises `Refused`, `Overloaded`, `StoreUnavailable`."""
    writes: Writes = request.app.state.writes
    if writes.facts is None:
        outcome = decide(_nothing_known)
    else:
        # facts may need a query, which must not block the event loop
        outcome = await run_sync(decide, writes.facts.batch, limiter=writes.threads)
    if outcome.messages:
        try:
            async with asyncio.timeout(PATIENCE):
                with tracing.span(tracing.APPEND, SpanKind.PRODUCER):
                    await asyncio.wrap_future(writes.intake.append(_traced(outcome.messages)))
        except TimeoutError:
            raise StoreUnavailable("the log does not answer; send the request again") from None
    return outcome.result


def _traced(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages with the trace of this request."""
    trace = tracing.current()
    return [message._replace(trace=trace) for message in messages] if trace else messages


def _nothing_known(_course_id: str, _batch_id: str) -> None:
    """Without facts, every batch is accepted."""


def _client_message(error: AssessError) -> str:
    """The message for a client. Details of our servers go to this server's log only."""
    if error.status < 500:
        return str(error)
    _log.warning("%s", error)
    return "the request may not have been stored; send it again"
