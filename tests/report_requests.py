"""Requests for reports with sensible defaults, and jobs of them."""

from assess_core.domain.report_jobs import Job, ReportRequest, Rules, canonical, new_job
from assess_core.domain.report_spec import parse_report_spec
from tests.factories import MONDAY

NOW = MONDAY
RULES = Rules()


def request(
    *batches: str,
    tag: str = "t1",
    channel: str = "in.ekstep",
    requester: str = "mentor",
    dataset: str = "score-exhaust",
) -> ReportRequest:
    """A request for a report of these batches; of batch b1 by default."""
    config = {"batchFilter": list(batches or ("b1",))}
    spec = parse_report_spec({**config, "report": "score"})
    return ReportRequest("score-exhaust", canonical(config), spec, f"{tag}:{channel}", channel, requester)


def job(*batches: str, at: int = NOW, tag: str = "t1", channel: str = "in.ekstep", requester: str = "mentor") -> Job:
    """A submitted job."""
    return new_job(request(*batches, tag=tag, channel=channel, requester=requester), at)
