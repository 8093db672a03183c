"""Checks what a client submits, and turns it into a `ReportRequest`. The input is hostile: every part has a limit."""

from typing import Any, Final, NamedTuple

from assess_core.domain.report_formats import Format, Password
from assess_core.domain.report_jobs import Job, ReportRequest, Rules, canonical
from assess_core.domain.report_spec import Report, ReportSpec, parse_report_spec
from assess_core.errors import BadReport, BadRequest

DATASETS: Final = {f"{report}-exhaust": report for report in Report}
"""The name of a dataset, as Sunbird's clients write it -> its report."""
MOST_ID: Final = 1000
"""Bytes of an id, the limit of the stream."""
MOST_TAG: Final = 500
"""Bytes of a tag; Sunbird's services store 100."""
_MOST_CONFIG: Final = 64 * 1024
"""Bytes of a configuration: it is stored with its job."""
_BY_THE_REQUEST: Final = ("report", "format")
"""Options that `dataset` and `output_format` already give."""
_ENCRYPTED: Final = (None, Format.CSV.value, Format.ZIP.value)
"""The formats with which an encryption key can be sent. Sunbird's clients write csv and get a zip file."""
_SHOWN: Final = 60  # characters of a wrong value in a message


class Requester(NamedTuple):
    """Who asks: the channel (a tenant of the platform), and the user or the program."""

    channel: str
    requester: str
    only_own: bool = False
    """Whether the requests of others in this channel are hidden."""

    def sees(self, job: Job) -> bool:
        """Whether a job is shown. The tag of another channel can be the same text as a tag of this one."""
        return job.request.channel == self.channel and (not self.only_own or job.request.requester == self.requester)


class Wanted(NamedTuple):
    """A request, and the password of its files, which is not part of it."""

    request: ReportRequest
    password: Password | None = None


def parse_request(asked: Any, caller: Requester, rules: Rules) -> Wanted:
    """Check the `request` of a submit. Raises `BadRequest` with a sentence that names the wrong part."""
    if not isinstance(asked, dict):
        raise BadRequest("request is not an object; send it as documented in docs/api.md")
    tag = text(asked.get("tag"), "tag", MOST_TAG)
    dataset = text(asked.get("dataset"), "dataset", MOST_TAG)
    if dataset not in DATASETS:
        raise BadRequest(f"dataset {_shown(dataset)} is unknown; write one of {', '.join(DATASETS)}")
    config = asked.get("datasetConfig")
    if not isinstance(config, dict):
        raise BadRequest('datasetConfig is empty; write {"batchId": ID} or {"batchFilter": [ID, ...]}')
    stored = canonical(config)
    if len(stored) > _MOST_CONFIG:
        raise BadRequest(f"datasetConfig has more than {_MOST_CONFIG:,} bytes")
    password = _password(asked.get("encryptionKey"))
    format_ = asked.get("output_format")
    if password is not None:
        if format_ not in _ENCRYPTED:
            raise BadRequest(
                "encryptionKey makes an encrypted zip file with a CSV file; write output_format zip or csv"
            )
        format_ = Format.ZIP.value
    spec = _spec(config, DATASETS[dataset], format_, rules)
    if password is not None and spec.pictures:
        raise BadRequest("datasetConfig.pictures would not be encrypted; leave it out, or leave out encryptionKey")
    tag = full_tag(tag, caller.channel)
    request = ReportRequest(dataset, stored, spec, tag, caller.channel, caller.requester, password is not None)
    return Wanted(request, password)


def full_tag(tag: str, channel: str) -> str:
    """The tag under which the requests of a channel are stored. Another channel cannot read them."""
    return f"{tag}:{channel}"


def text(value: Any, name: str, most: int = MOST_ID) -> str:
    """A text that is not empty, not too long, and can be stored. Raises `BadRequest`."""
    if value is None or value == "":
        raise BadRequest(f"{name} is empty")
    if not isinstance(value, str):
        raise BadRequest(f"{name} is not text")
    if not value.strip():
        raise BadRequest(f"{name} is empty")
    if len(value) > most or len(value.encode(errors="replace")) > most:
        raise BadRequest(f"{name} has more than {most:,} bytes")
    if not value.isprintable() or "\ufffd" in value:
        raise BadRequest(f"{name} contains a character that cannot be printed")
    return value


def _password(value: object) -> Password | None:
    """The password of a zip file. No message contains it."""
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise BadRequest("encryptionKey is not text")
    try:
        return Password(value)
    except BadReport as error:
        raise BadRequest(
            "; ".join(problem.replace("password:", "encryptionKey:", 1) for problem in error.problems)
        ) from None


def _spec(config: dict[str, Any], report: Report, format_: object, rules: Rules) -> ReportSpec:
    if "searchFilter" in config:
        raise BadRequest(
            "datasetConfig.searchFilter needs a search service, and none is connected; name the batches in batchFilter"
        )
    for name in _BY_THE_REQUEST:
        if name in config:
            raise BadRequest(f"datasetConfig.{name} is given by dataset and output_format; leave it out")
    named = {"report": report.value} if format_ is None else {"report": report.value, "format": format_}
    try:
        spec = parse_report_spec({**config, **named})
    except BadReport as error:
        raise BadRequest("; ".join(f"datasetConfig: {problem}" for problem in error.problems)) from None
    if spec.batch_pattern is not None:
        # the limits of a channel are counted in batches, so a request must say which
        raise BadRequest("datasetConfig.batchPattern is not for requests; name the batches in batchFilter")
    if len(spec.batches) > rules.batches_a_request:
        # Sunbird's words, which its clients may look for
        raise BadRequest(f"Number of batches in request exceeded. It should be within {rules.batches_a_request}")
    return spec


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
