"""The first page: what the stores hold now, what waits, and where to look next."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain.access import Action, Resource, may_ever
from assess_core.domain.measures import FAILED_SLICES, HOT_ROWS, SLICES, STATE_AGE, UNREAD, Measure, Sample
from assess_core.errors import AssessError
from assess_core.usecases.operating import Reasons
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed
from graphql_api.workers import ask_state

_MOST_COUNTED: Final = 100  # failed events; the page of failed events counts more
_WAIT: Final = 5.0  # seconds for the state of the stores


class _State(NamedTuple):
    age: int
    """Seconds since the stores were read."""
    hot_rows: int
    unread: int
    slices: int
    failed_slices: int
    by_status: list[tuple[str, int]]
    reasons: Reasons


async def page(request: Request) -> Response:
    """What needs attention, for operators; for all others only the links."""
    require_allowed(request, Resource())
    caller = caller_of(request)
    state, problem = None, ""
    if caller is not None and may_ever(caller, Action.MONITOR) and may_ever(caller, Action.READ_FAILED):
        try:
            samples = await ask_state(request, _WAIT)
            reasons = await ask_operating(request, lambda operating: operating.failed_reasons(_MOST_COUNTED))
            state = _state(samples, reasons)
            if state is None:
                problem = "What the stores hold could not be read, or not in time. The page of findings says why."
        except AssessError as error:  # the links still help
            problem = str(error)
    return pages.page("start.html", caller, request.scope["path"], state=state, problem=problem)


def _state(samples: Sequence[Sample], reasons: Reasons) -> _State | None:
    """What the samples say; None if the stores were never read."""

    def total(measure: Measure) -> int:
        return int(sum(sample.value for sample in samples if sample.measure is measure))

    if all(sample.measure is not HOT_ROWS for sample in samples):
        return None
    by_status = [(sample.labels[0], int(sample.value)) for sample in samples if sample.measure is SLICES]
    waiting = [(status, slices) for status, slices in by_status if slices]
    return _State(
        total(STATE_AGE), total(HOT_ROWS), total(UNREAD), total(SLICES), total(FAILED_SLICES), waiting, reasons
    )
