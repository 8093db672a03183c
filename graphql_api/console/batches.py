"""Batches by the beginning of their id, and one batch: its numbers, activity by week, balance and overview."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from assess_core.domain import charts
from assess_core.domain.access import Action, Caller, Resource, denial_of
from assess_core.domain.counts import counted
from assess_core.usecases.balance import Balance
from assess_core.usecases.views import WeekCounts
from assess_core.wiring import memory_output
from graphql_api.console import pages
from graphql_api.console.asking import ask_operating
from graphql_api.gate import caller_of, require_allowed, require_ever_allowed
from graphql_api.permissions import require
from graphql_api.workers import ask_long

PATH: Final = "/console/batches"
ONE: Final = "/console/batch"
OVERVIEW: Final = "/console/overview"
ROWS: Final = 100


async def page(request: Request) -> Response:
    """The batches whose ids begin with a text; a mentor sees those that the token grants."""
    require_ever_allowed(request)
    caller = caller_of(request)
    prefix = request.query_params.get("prefix", "").strip()
    if caller is None or denial_of(caller, Action.READ_BATCH, Resource()) is not None:
        granted = sorted(batch for batch in _granted(caller) if batch.startswith(prefix))
        found, more = granted[:ROWS], len(granted) > ROWS
    else:
        found, more = await ask_long(request, lambda queries: queries.batches_with(prefix, ROWS))
    return pages.page("batches.html", caller, PATH, prefix=prefix, found=found, more=more)


async def one(request: Request) -> Response:
    """A batch. With `balance` in the query it also has the balance, for callers who may audit."""
    batch_id = request.query_params.get("batch", "")
    caller, resource = caller_of(request), Resource(batch=batch_id)
    require_allowed(request, resource)
    overview = await ask_long(request, lambda queries: queries.batch(batch_id))
    balance: Balance | None = None
    if "balance" in request.query_params:
        require(caller, Action.AUDIT, resource, ONE)
        balance = await ask_operating(request, lambda operating: operating.balance(batch_id))
    return pages.page(
        "batch.html",
        caller,
        PATH,
        overview=overview,
        bars=columns(overview.weeks),
        width=charts.WIDTH,
        height=charts.HEIGHT,
        balance=balance,
        may_audit=denial_of(caller, Action.AUDIT, resource) is None,
        may_request=denial_of(caller, Action.REQUEST_REPORTS, resource) is None,
    )


async def overview(request: Request) -> Response:
    """The report *overview* of a batch: the distribution of scores, and how well each question works."""
    batch_id = request.query_params.get("batch", "")
    require_allowed(request, Resource(batch=batch_id))
    output = memory_output()
    await ask_long(request, lambda queries: queries.overview(batch_id, output))
    # the page has its style in itself, and no script
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {**pages.HEADERS, "content-security-policy": policy}
    return Response(output.content, headers=headers, media_type="text/html")


def columns(weeks: Sequence[WeekCounts]) -> list[charts.Bar]:
    """A bar for each week; the highest fills the box."""
    return charts.columns(
        [week.attempts for week in weeks], [f"{week.week}: {counted(week.attempts, 'attempt')}" for week in weeks]
    )


def _granted(caller: Caller | None) -> frozenset[str]:
    return caller.batches if caller else frozenset()
