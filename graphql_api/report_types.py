"""The GraphQL types and fields of requests for reports."""

from typing import Any, Final

import graphene
import msgspec

from assess_core.domain.json_text import is_too_deep
from assess_core.domain.report_jobs import Job
from assess_core.domain.report_jobs import JobStatus as Status
from assess_core.domain.report_request import DATASETS, Requester, parse_request
from assess_core.errors import BadRequest
from assess_core.usecases.requesting import MOST_LISTED, Filters, Requesting
from graphql_api.permissions import require_report
from graphql_api.reading import Info, RequestReads, caller_of, request_reads_of
from graphql_api.types import Moment

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

JobStatus = graphene.Enum.from_enum(Status, description=lambda value: None if value else "The status of a request.")


class ReportRequest(graphene.ObjectType):
    """A request for a report, and how far it is."""

    request_id = graphene.ID(required=True)
    tag = graphene.String(required=True, description="Without the channel.")
    dataset = graphene.String(required=True)
    config = graphene.String(required=True, description="The batches and filters as JSON.")
    channel = graphene.String(required=True)
    requester = graphene.String(required=True)
    status = JobStatus(required=True)
    progress = graphene.Int(required=True, description="Per cent.")
    tries = graphene.Int(required=True)
    submitted_at = Moment(required=True)
    completed_at = Moment()
    message = graphene.String(description="Why the request waits or failed, and what to do.")
    download_urls = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="Links that work for 30 minutes."
    )

    @staticmethod
    def resolve_request_id(job: Job, _info: Info) -> str:
        return job.id

    @staticmethod
    def resolve_tag(job: Job, _info: Info) -> str:
        return job.request.tag.removesuffix(f":{job.request.channel}")

    @staticmethod
    def resolve_dataset(job: Job, _info: Info) -> str:
        return job.request.dataset

    @staticmethod
    def resolve_config(job: Job, _info: Info) -> str:
        return job.request.config

    @staticmethod
    def resolve_channel(job: Job, _info: Info) -> str:
        return job.request.channel

    @staticmethod
    def resolve_requester(job: Job, _info: Info) -> str:
        return job.request.requester

    @staticmethod
    def resolve_progress(job: Job, _info: Info) -> int:
        return job.percent

    @staticmethod
    def resolve_message(job: Job, info: Info) -> str | None:
        return request_reads_of(info).message(job)

    @staticmethod
    def resolve_download_urls(job: Job, info: Info) -> list[str]:
        return request_reads_of(info).urls(job)


class ReportQuery(graphene.ObjectType):
    """Requests for reports of the caller's channel."""

    report_request = graphene.Field(
        ReportRequest,
        tag=graphene.String(required=True),
        request_id=graphene.ID(required=True),
        description="A request for a report. A gateway names the channel in the header X-Channel-ID.",
    )
    report_requests = graphene.List(
        graphene.NonNull(ReportRequest),
        required=True,
        tag=graphene.String(),
        status=JobStatus(),
        first=graphene.Int(default_value=10, description=f"1 to {MOST_LISTED}."),
        description="The newest requests of the channel, or of one tag; a mentor's own.",
    )

    @staticmethod
    def resolve_report_request(_root: None, info: Info, tag: str, request_id: str) -> Job:
        requesting, requester = _asked(info)
        return requesting.read(requester, tag, request_id)

    @staticmethod
    def resolve_report_requests(
        _root: None, info: Info, first: int, tag: str | None = None, status: Status | None = None
    ) -> list[Job]:
        requesting, requester = _asked(info)
        if tag is None:
            return requesting.search(requester, Filters(status=status), first)
        return requesting.of_tag(requester, tag, first, Filters(status=status))


class ReportMutation(graphene.ObjectType):
    """Requests for reports. A gateway names the channel in the header X-Channel-ID."""

    submit_report_request = graphene.Field(
        ReportRequest,
        required=True,
        tag=graphene.String(required=True, description="A name of your choice."),
        dataset=graphene.String(required=True, description=f"One of {', '.join(DATASETS)}."),
        config=graphene.String(required=True, description='The batches and filters as JSON: {"batchFilter": [ID]}.'),
        format=graphene.String(description="The file format; csv by default."),
        encryption_key=graphene.String(
            description="The password of a zip file with the CSV file. Send it in a variable: the server keeps the "
            "texts of persisted queries."
        ),
        description="Submit a request. The same request on the same day is the same job.",
    )
    cancel_report_request = graphene.Field(
        ReportRequest,
        required=True,
        tag=graphene.String(required=True),
        request_id=graphene.ID(required=True),
        description="Cancel a request that is not finished.",
    )

    @staticmethod
    def resolve_submit_report_request(
        _root: None,
        info: Info,
        tag: str,
        dataset: str,
        config: str,
        format: str | None = None,
        encryption_key: str | None = None,
    ) -> Job:
        requesting, requester = _asked(info)
        asked = {
            "tag": tag,
            "dataset": dataset,
            "datasetConfig": _config(config),
            "output_format": format,
            "encryptionKey": encryption_key,
        }
        wanted = parse_request(asked, requester, requesting.rules)
        require_report(caller_of(info), wanted.request.spec, "Mutation.submitReportRequest")
        return requesting.submit(wanted.request, wanted.password)

    @staticmethod
    def resolve_cancel_report_request(_root: None, info: Info, tag: str, request_id: str) -> Job:
        requesting, requester = _asked(info)
        return requesting.cancel(requester, tag, request_id)


def _asked(info: Info) -> tuple[Requesting, Requester]:
    reads: RequestReads = request_reads_of(info)
    return reads.requesting, reads.requester()


def _config(text: str) -> dict[str, Any]:
    raw = text.encode(errors="replace")
    if is_too_deep(raw):
        raise BadRequest("config is nested too deeply")
    try:
        return _decode(raw)
    except msgspec.DecodeError as error:
        raise BadRequest(f"config is not a JSON object ({error})") from None
