"""Checks what a client submits, and turns it into a `ReportRequest`. The input is hostile: every part has a limit."""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from assess_core.domain.report_jobs import ReportRequest, Rules, canonical
from assess_core.errors import BadRequest

MOST_ID: Final = 1000
"""Bytes of an id, the limit of the stream."""
MOST_TAG: Final = 500
"""Characters of a tag; Sunbird's services store 100."""
_CONFIG: Final = ("batchId", "batchFilter", "courseId")
_PRINTED: Final = 60  # characters of a wrong value in a message


class Caller(NamedTuple):
    """Who asks: the channel (a tenant of the platform), and the user or the program."""

    channel: str
    requester: str


class Offer(NamedTuple):
    """What can be requested."""

    datasets: Collection[str]
    formats: Collection[str]


def parse_request(asked: Any, caller: Caller, offer: Offer, rules: Rules) -> ReportRequest:
    """Check the `request` of a submit. Raises `BadRequest` with a sentence that names the wrong part."""
    if not isinstance(asked, dict):
        raise BadRequest("request is not an object; send it as documented in docs/api.md")
    tag = text(asked.get("tag"), "tag", MOST_TAG)
    dataset = text(asked.get("dataset"), "dataset", MOST_TAG)
    if dataset not in offer.datasets:
        raise BadRequest(f"dataset {_shown(dataset)} is unknown; write one of {', '.join(sorted(offer.datasets))}")
    if asked.get("encryptionKey"):
        raise BadRequest("encryptionKey is not supported: files have no password; leave it out")
    wanted = asked.get("output_format") or "csv"
    if wanted not in offer.formats:
        raise BadRequest(f"output_format {_shown(wanted)} is unknown; write one of {', '.join(sorted(offer.formats))}")
    config = asked.get("datasetConfig")
    if not isinstance(config, dict):
        raise BadRequest('datasetConfig is empty; write {"batchId": ID} or {"batchFilter": [ID, ...]}')
    return ReportRequest(
        dataset=dataset,
        config=canonical(config),
        batches=_batches(config, rules),
        course_id=text(config["courseId"], "datasetConfig.courseId") if config.get("courseId") is not None else None,
        format=wanted,
        tag=full_tag(tag, caller.channel),
        channel=caller.channel,
        requester=caller.requester,
    )


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


def _batches(config: dict[str, Any], rules: Rules) -> tuple[str, ...]:
    if "searchFilter" in config:
        raise BadRequest(
            "datasetConfig.searchFilter needs a search service, and none is connected; name the batches in batchFilter"
        )
    if unknown := sorted(config.keys() - set(_CONFIG)):
        # an ignored filter would give a report of other rows than the client expects
        raise BadRequest(
            f"datasetConfig.{_shown(unknown[0])} is unknown; write only {', '.join(_CONFIG[:-1])} and {_CONFIG[-1]}"
        )
    one, several = config.get("batchId"), config.get("batchFilter")
    if one is None and several is None:
        raise BadRequest("datasetConfig selects no batch; it should have either of batchId, batchFilter")
    if several is not None and not isinstance(several, list):
        raise BadRequest("datasetConfig.batchFilter is not a list of batch ids")
    listed = several or []
    if len(listed) > rules.batches_a_request:
        # Sunbird's words, which its clients may look for
        raise BadRequest(f"Number of batches in request exceeded. It should be within {rules.batches_a_request}")
    ids = [text(batch, f"datasetConfig.batchFilter[{n}]") for n, batch in enumerate(listed)]
    if one is not None:
        ids.insert(0, text(one, "datasetConfig.batchId"))
    if not ids:
        raise BadRequest("datasetConfig.batchFilter is empty; name at least one batch")
    return tuple(dict.fromkeys(ids))


def _shown(value: Any) -> str:
    return repr(value if isinstance(value, str) else type(value).__name__)[:_PRINTED]
