"""Requests for reports: ask for one, see how far it is, download its files, cancel it."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from assess_core.domain.access import Resource
from assess_core.domain.report_jobs import Job
from assess_core.domain.report_request import DATASETS, MOST_ID, Requester, parse_request, text
from assess_core.ports.links import Link
from assess_core.usecases.requesting import Filters
from graphql_api.console import pages
from graphql_api.console.asking import ask_requesting, reports_of
from graphql_api.console.forms import fields_of
from graphql_api.dataset import base_of, links_of
from graphql_api.gate import caller_of, require_allowed

PATH: Final = "/console/reports"
ROWS: Final = 20
_SEE_OTHER: Final = 303
_NOBODY: Final = "console"


class _Listed(NamedTuple):
    job: Job
    tag: str
    """As the client wrote it, without the channel."""
    links: list[Link]


async def page(request: Request) -> Response:
    """The form, and the newest requests of a channel."""
    require_allowed(request, Resource())
    channel = request.query_params.get("channel", "").strip()
    reports_of(request)  # a server without requests says so
    base = base_of(request)
    listed: list[_Listed] = []
    if channel:
        named = text(channel, "channel", MOST_ID)
        listed = await ask_requesting(
            request,
            lambda requesting: [
                _Listed(job, job.request.tag.removesuffix(f":{named}"), links_of(requesting, base, job))
                for job in requesting.search(named, Filters(), ROWS)
            ],
        )
    return pages.page(
        "reports.html",
        caller_of(request),
        PATH,
        channel=channel,
        batch=request.query_params.get("batch", ""),
        datasets=sorted(DATASETS),
        listed=listed,
    )


async def submit(request: Request) -> Response:
    """Submit the request of the form; the same request on the same day is the same job."""
    require_allowed(request, Resource())
    sent = await fields_of(request)
    channel = text(sent.get("channel", "").strip(), "channel", MOST_ID)
    requester = Requester(channel, _requester(request))
    batches = sent.get("batches", "").replace(",", " ").split()
    asked = {"tag": sent.get("tag"), "dataset": sent.get("dataset"), "datasetConfig": {"batchFilter": batches}}
    wanted = parse_request(asked, requester, reports_of(request).requesting.rules)
    await ask_requesting(request, lambda requesting: requesting.submit(wanted))
    return _list_of(channel)


async def cancel(request: Request) -> Response:
    """Cancel a request that is not finished."""
    require_allowed(request, Resource())
    sent = await fields_of(request)
    channel, tag, id_ = (text(sent.get(name), name) for name in ("channel", "tag", "request"))
    await ask_requesting(request, lambda requesting: requesting.cancel(channel, tag, id_))
    return _list_of(channel)


def _list_of(channel: str) -> Response:
    return RedirectResponse(f"{PATH}?{urlencode({'channel': channel})}", _SEE_OTHER)


def _requester(request: Request) -> str:
    caller = caller_of(request)
    return caller.id if caller and caller.id else _NOBODY
