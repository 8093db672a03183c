"""Failed events by reason and one by one with their text, and the button that folds them again."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Resource
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.reasons import Reason, parse_reason
from assess_core.usecases.operating import Reasons, Replayed
from assess_core.usecases.paging import cursor, read_failed_cursor
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.console.forms import fields_of
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/failed"
ROWS: Final = 20
REPLAYED: Final = 1000
"""Events that the button folds again."""
_SHOWN: Final = 2000  # characters of an event


class _Shown(NamedTuple):
    event: FailedEvent
    text: str
    is_cut: bool


class _Found(NamedTuple):
    reasons: Reasons
    events: list[FailedEvent]
    """One more than a page has, if there are more."""


async def page(request: Request) -> Response:
    """The failed events that are not resolved."""
    require_allowed(request, Resource())
    after, reason = request.query_params.get("after", ""), request.query_params.get("reason", "")
    return await _shown(request, read_failed_cursor(after) if after else None, parse_reason(reason) if reason else None)


async def replay(request: Request) -> Response:
    """Fold failed events again, and show which are left."""
    require_allowed(request, Resource())
    after = (await fields_of(request)).get("after", "")
    last = read_failed_cursor(after) if after else None
    done = await ask_operating(request, lambda operating: operating.replay(REPLAYED, last, check_question_count=False))
    return await _shown(request, None, None, done)


async def _shown(
    request: Request, after: FailedKey | None, reason: Reason | None, done: Replayed | None = None
) -> Response:
    found = await ask_operating(
        request, lambda operating: _Found(operating.failed_reasons(), operating.failed_events(ROWS + 1, after, reason))
    )
    events = found.events[:ROWS]
    return pages.page(
        "failed.html",
        caller_of(request),
        PATH,
        reasons=found.reasons,
        events=[_cut(event) for event in events],
        reason=reason,
        next_page=_link(reason, after=cursor(events[-1].key)) if len(found.events) > ROWS else "",
        done=done,
        goes_on=cursor(done.last) if done and done.last else "",
    )


def _link(reason: Reason | None, **given: str) -> str:
    """The address of the page with this filter."""
    return f"{PATH}?{urlencode({'reason': reason, **given} if reason else given)}"


def _cut(event: FailedEvent) -> _Shown:
    text = event.raw[: 4 * _SHOWN].decode(errors="replace")
    return _Shown(event, text[:_SHOWN], len(text) > _SHOWN or len(event.raw) > 4 * _SHOWN)
