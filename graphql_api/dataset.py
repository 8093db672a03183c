"""The dataset API: requests for reports, in the envelope of Sunbird's analytics service."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from assess_core.domain.access import Action, Caller, Denial, denial_of_report
from assess_core.domain.moments import millis
from assess_core.domain.report_formats import MEDIA_TYPES
from assess_core.domain.report_jobs import Job, JobStatus, day_of
from assess_core.domain.report_request import Requester, parse_request, text
from assess_core.domain.signed_links import LINK_PATH, LINK_TIME
from assess_core.errors import AssessError, BadRequest, UnknownRequest
from assess_core.ports.links import Link
from assess_core.ports.reports import Exhausts
from assess_core.usecases.requesting import MOST_LISTED, Filters, Requesting
from graphql_api.bodies import BadBody, is_json, read_json
from graphql_api.envelopes import DATASET_PATH, analysing, retry_after
from graphql_api.gate import caller_of
from graphql_api.permissions import own_requests, require, require_report
from graphql_api.reading import RequestReads
from graphql_api.requesters import requester_of

_ROOT: Final = DATASET_PATH
_SEARCHED: Final = 10
_DATE_LENGTH: Final = 10
_THREADS: Final = 8

_decoder: Final = msgspec.json.Decoder(dict[str, Any])
_log = logging.getLogger(__name__)
T = TypeVar("T")


class ReportRequests(NamedTuple):
    """The resources of the dataset API."""

    requesting: Requesting
    exhausts: Exhausts
    public_url: str
    """The address of the API as browsers see it; empty: the address that the client used."""
    threads: CapacityLimiter

    @classmethod
    def of(cls, requesting: Requesting, exhausts: Exhausts, public_url: str) -> "ReportRequests":
        """The resources with their own threads, so that other questions do not wait for them."""
        return cls(requesting, exhausts, public_url, CapacityLimiter(_THREADS))


class _AnyText(Convertor[str]):
    """The end of a path with any characters. Starlette's `path` has no line feeds, so their path would be unknown."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """The text itself."""
        return value

    def to_string(self, value: str) -> str:
        """The text itself."""
        return value


register_url_convertor("any", _AnyText())


class _Forbidden(AssessError):
    """A requester asks for the requests of another channel."""

    exit_code, status = 4, 403


def routes() -> list[BaseRoute]:
    """The paths of the dataset API."""
    return [
        Route(f"{_ROOT}/submit", partial(_answer, "submit", _submit), methods=["POST"]),
        Route(f"{_ROOT}/read/{{tag:any}}", partial(_answer, "info", _read), methods=["GET"]),
        Route(f"{_ROOT}/list/{{tag:any}}", partial(_answer, "list", _list), methods=["GET"]),
        Route(f"{_ROOT}/search", partial(_answer, "search", _search), methods=["POST"]),
        Route(f"{_ROOT}/cancel/{{tag:any}}", partial(_answer, "cancel", _cancel), methods=["POST"]),
        Route(f"{LINK_PATH}{{name:any}}", _download, methods=["GET"]),
    ]


_Result = Mapping[str, object]


async def _answer(name: str, work: Callable[[Request], Awaitable[_Result]], request: Request) -> Response:
    """Answer in the envelope. Client input causes no 500."""
    try:
        caller = caller_of(request)
        require(caller, Action.MANAGE_REQUESTS, own_requests(caller), request.scope["path"])
        return analysing(name, result=await work(request))
    except BadBody as error:
        return analysing(name, error.status, str(error))
    except UnknownRequest as error:
        return analysing(name, 200, str(error))  # Sunbird answers OK with an error in params
    except AssessError as error:
        if error.status >= 500:
            _log.warning("%s", error)
        return analysing(name, error.status, str(error), headers=retry_after(error))


async def _submit(request: Request) -> _Result:
    asked = await _asked(request)
    requester = requester_of(request, asked.get("requestedBy"))
    api = _api(request)
    wanted = parse_request(asked, requester, api.requesting.rules)
    require_report(caller_of(request), wanted.request.spec, request.scope["path"])
    return await _shown(request, partial(api.requesting.submit, wanted.request, wanted.password))


async def _read(request: Request) -> _Result:
    requester, tag, id_ = _named(request)
    return await _shown(request, partial(_api(request).requesting.read, requester, tag, id_))


async def _cancel(request: Request) -> _Result:
    requester, tag, id_ = _named(request)
    return await _shown(request, partial(_api(request).requesting.cancel, requester, tag, id_))


async def _list(request: Request) -> _Result:
    requester, requesting = requester_of(request), _api(request).requesting
    tag = text(request.path_params["tag"], "tag")
    limit = _number(request.query_params.get("limit"), MOST_LISTED)
    return await _listed(request, partial(requesting.of_tag, requester, tag, limit))


async def _search(request: Request) -> _Result:
    asked = await _asked(request)
    requester, requesting = requester_of(request), _api(request).requesting
    filters = _filters(asked.get("filters") or {}, requester)
    limit = _number(asked.get("limit"), _SEARCHED)
    return await _listed(request, partial(requesting.search, requester, filters, limit))


async def _download(request: Request) -> Response:
    """A file, for the owner of a link that did not expire. The link is the permission: no header is needed."""
    api, name = _api(request), request.path_params["name"]
    expires, signature = (request.query_params.get(part, "") for part in ("expires", "signature"))
    try:
        await _run(request, partial(api.requesting.require_link, name, expires, signature))
        report = await _run(request, partial(api.exhausts.read, name))
    except AssessError as error:
        return analysing("download", error.status, str(error), headers=retry_after(error))
    file = name.rpartition("/")[2]
    headers = {
        "content-length": str(report.size),
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file, safe='')}",
        "cache-control": "private, no-store",
        "x-content-type-options": "nosniff",
    }
    type_ = MEDIA_TYPES.get(PurePosixPath(file).suffix, "application/octet-stream")
    return StreamingResponse(report.chunks, headers=headers, media_type=type_)


async def _asked(request: Request) -> dict[str, Any]:
    if not is_json(request):
        raise BadBody(415, "send the request as application/json")
    body = await read_json(request, _decoder)
    asked = body.get("request")
    if not isinstance(asked, dict):
        raise BadBody(400, "request is empty" if asked is None else "request is not an object")
    return asked


def _named(request: Request) -> tuple[Requester, str, str]:
    tag = text(request.path_params["tag"], "tag")
    return requester_of(request), tag, text(request.query_params.get("requestId"), "requestId")


def _number(value: object, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MOST_LISTED)):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise BadRequest(f"limit is not a number from 1 to {MOST_LISTED}")


def _filters(asked: object, requester: Requester) -> Filters:
    if not isinstance(asked, dict):
        raise BadRequest("filters is not an object")
    given = {name: value for name, value in asked.items() if value is not None}
    if unknown := sorted(given.keys() - {"dataset", "requestedDate", "status", "channel"}):
        raise BadRequest(f"filters.{unknown[0][:60]} is unknown; write dataset, requestedDate, status or channel")
    if given.get("channel", requester.channel) != requester.channel:
        raise _Forbidden("filters.channel is not the channel of this request; leave it out")
    return Filters(
        text(given["dataset"], "filters.dataset") if "dataset" in given else None,
        _status(given["status"]) if "status" in given else None,
        _day(given["requestedDate"]) if "requestedDate" in given else None,
    )


def _status(value: object) -> JobStatus:
    try:
        return JobStatus(str(value))
    except ValueError:
        raise BadRequest(f"filters.status is unknown; write one of {', '.join(JobStatus)}") from None


def _day(value: object) -> int:
    try:
        if not isinstance(value, str) or len(value) != _DATE_LENGTH:
            raise ValueError
        return day_of(millis(datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)))
    except ValueError:
        raise BadRequest("filters.requestedDate is not a date; write it like 2025-01-06") from None


async def _shown(request: Request, ask: Callable[[], Job]) -> _Result:
    return await _run(request, lambda: _job(_api(request), base_of(request), ask(), caller_of(request)))


async def _listed(request: Request, ask: Callable[[], list[Job]]) -> _Result:
    caller = caller_of(request)
    jobs = await _run(request, lambda: [_job(_api(request), base_of(request), job, caller) for job in ask()])
    return {"count": len(jobs), "jobs": jobs}


def _job(api: ReportRequests, base: str, job: Job, caller: Caller | None) -> dict[str, object]:
    """A job as Sunbird's clients know it, and `progress` in per cent."""
    links = links_of(api.requesting, base, job, caller)
    return {
        "requestId": job.id,
        "tag": job.request.tag,
        "dataset": job.request.dataset,
        "requestedBy": job.request.requester,
        "requestedChannel": job.request.channel,
        "status": wire_status(job),
        "lastUpdated": job.completed_at or job.claimed_at or job.submitted_at,
        "datasetConfig": msgspec.Raw(job.request.config.encode()),
        "attempts": job.tries,
        "jobStats": {
            "dtJobSubmitted": job.submitted_at,
            "dtJobCompleted": job.completed_at,
            "executionTime": job.execution_ms if job.completed_at is not None else None,
        },
        "downloadUrls": [link.url for link in links],
        "expiresAt": links[0].expires if links else api.requesting.now() + LINK_TIME,
        "statusMessage": message_of(job, caller),
        "progress": job.percent,
    }


def links_of(requesting: Requesting, base: str, job: Job, caller: Caller | None) -> list[Link]:
    """The links of a job. It has some if it is complete, and if the caller may still get a report of its batches."""
    if job.status is not JobStatus.SUCCESS or _lost(job, caller) is not None:
        return []
    return [link._replace(url=base + link.url) if link.url.startswith("/") else link for link in requesting.links(job)]


def message_of(job: Job, caller: Caller | None) -> str | None:
    """Why a job waits, failed, or shows no links to this caller."""
    denial = _lost(job, caller)
    return denial.message if denial is not None and job.status is JobStatus.SUCCESS else job.message


def _lost(job: Job, caller: Caller | None) -> Denial | None:
    """Why the caller may no longer get the report of a job: its grants may have changed since the submit."""
    return denial_of_report(caller, job.request.spec.batches, job.request.spec.course or "")


def wire_status(job: Job) -> str:
    """The status that Sunbird's clients know; `statusMessage` says that a request was cancelled."""
    return str(JobStatus.FAILED if job.status is JobStatus.CANCELLED else job.status)


def request_reads(request: Request) -> RequestReads | None:
    """The requests for reports, for the fields of GraphQL; None if this server has none."""
    api: ReportRequests | None = request.app.state.report_requests
    if api is None:
        return None
    caller = caller_of(request)
    return RequestReads(
        api.requesting,
        lambda: requester_of(request),
        lambda job: [link.url for link in links_of(api.requesting, base_of(request), job, caller)],
        lambda job: message_of(job, caller),
    )


def base_of(request: Request) -> str:
    """The address of the API as the client's browser sees it, without a slash at its end."""
    return _api(request).public_url or str(request.base_url).rstrip("/")


def _api(request: Request) -> ReportRequests:
    found: ReportRequests = request.app.state.report_requests
    return found


async def _run(request: Request, work: Callable[[], T]) -> T:
    return await run_sync(work, limiter=_api(request).threads)
