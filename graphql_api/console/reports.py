"""Requests for reports: ask for one, see how far it is, download its files, cancel it."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from assess_core.domain.access import Caller
from assess_core.domain.report_formats import ROW_FORMATS, ImageFormat
from assess_core.domain.report_jobs import Job
from assess_core.domain.report_request import DATASETS, MOST_ID, Requester, parse_request, text
from assess_core.domain.report_spec import Naming
from assess_core.ports.links import Link
from assess_core.usecases.requesting import Filters
from graphql_api.console import pages
from graphql_api.console.asking import ask_requesting, reports_of
from graphql_api.console.forms import fields_of
from graphql_api.dataset import base_of, links_of, message_of
from graphql_api.gate import caller_of, require_allowed
from graphql_api.permissions import own_requests, require_report
from graphql_api.requesters import owner_of

PATH: Final = "/console/reports"
ROWS: Final = 20
_SEE_OTHER: Final = 303
_NOBODY: Final = "console"
_CHANNEL: Final = "local"
"""The channel of an installation without tenants, as in `assess request`."""


class _Listed(NamedTuple):
    job: Job
    tag: str
    """As the client wrote it, without the channel."""
    message: str | None
    links: list[tuple[str, Link]]
    """The name of each file, and where it is."""


async def page(request: Request) -> Response:
    """The form, and the newest requests of a channel."""
    caller = _allowed(request)
    owner = owner_of(caller)
    channel = owner.channel if owner else request.query_params.get("channel", _CHANNEL).strip()
    reports_of(request)  # a server without requests says so
    base = base_of(request)
    listed: list[_Listed] = []
    if channel:
        asker = _asker(caller, channel)
        listed = await ask_requesting(
            request,
            lambda requesting: [
                _Listed(
                    job,
                    job.request.tag.removesuffix(f":{asker.channel}"),
                    message_of(job, caller),
                    _named(job, links_of(requesting, base, job, caller)),
                )
                for job in requesting.search(asker, Filters(), ROWS)
            ],
        )
    return pages.page(
        "reports.html",
        caller,
        PATH,
        channel=channel,
        chooses_channel=owner is None,
        batch=request.query_params.get("batch", ""),
        datasets=sorted(DATASETS),
        formats=list(ROW_FORMATS),
        # the names of learners are for those who see every request of a channel
        namings=[naming for naming in Naming if owner is None or naming is not Naming.LEARNERS],
        images=list(ImageFormat),
        listed=listed,
    )


async def submit(request: Request) -> Response:
    """Submit the request of the form; the same request on the same day is the same job."""
    caller = _allowed(request)
    sent = await fields_of(request)
    requester = _asker(caller, sent.get("channel"))
    # the form for one batch sends its id as it is: an id can have spaces and commas
    batches = [sent["batch"]] if sent.get("batch") else sent.get("batches", "").replace(",", " ").split()
    config: dict[str, object] = {"batchFilter": batches, "names": sent.get("names"), "pictures": sent.get("pictures")}
    asked = {
        "tag": sent.get("tag"),
        "dataset": sent.get("dataset"),
        # what the form leaves open has the same value as in a request without it
        "datasetConfig": {name: value for name, value in config.items() if value},
        "output_format": sent.get("format") or None,
    }
    wanted = parse_request(asked, requester, reports_of(request).requesting.rules)
    require_report(caller, wanted.request.spec, PATH)
    await ask_requesting(request, lambda requesting: requesting.submit(wanted.request))
    return _list_of(requester.channel)


async def cancel(request: Request) -> Response:
    """Cancel a request that is not finished."""
    caller = _allowed(request)
    sent = await fields_of(request)
    asker = _asker(caller, sent.get("channel"))
    tag, id_ = (text(sent.get(name), name) for name in ("tag", "request"))
    await ask_requesting(request, lambda requesting: requesting.cancel(asker, tag, id_))
    return _list_of(asker.channel)


def _named(job: Job, links: list[Link]) -> list[tuple[str, Link]]:
    names = [name.rpartition("/")[2] for file in job.files for name in file.names]
    return list(zip(names, links, strict=True)) if links else []


def _list_of(channel: str) -> Response:
    return RedirectResponse(f"{PATH}?{urlencode({'channel': channel})}", _SEE_OTHER)


def _allowed(request: Request) -> Caller | None:
    """The caller, who may have requests of its own at least. Raises `Forbidden`."""
    caller = caller_of(request)
    require_allowed(request, own_requests(caller))
    return caller


def _asker(caller: Caller | None, channel: str | None) -> Requester:
    """Who asks: the owner of the token, or an operator for the channel of the form. Raises `BadRequest`."""
    user = caller.id if caller and caller.id else _NOBODY
    return owner_of(caller) or Requester(text((channel or "").strip(), "channel", MOST_ID), user)
