"""The notice that a requested report is ready or failed. Its state is part of the job, so a killed worker loses none.

Every function is pure, as in `report_jobs`. A try is stored before it is made, so a notice is sent at least once, and
twice if a worker is killed between sending it and storing that.
"""

from typing import Final, NamedTuple

import msgspec

from assess_core.domain.moments import MINUTE
from assess_core.domain.report_jobs import Job, Notice

MOST_TRIES: Final = 12
"""Together less than seven hours: the files of a request are kept for at least a day."""
_FIRST_WAIT: Final = MINUTE
_LONGEST_WAIT: Final = 60 * MINUTE
_MOST_PROBLEM: Final = 300  # characters


class NoticeText(NamedTuple):
    """What a notice says. It has no rows, no names of files and no link: a link works for everyone who has it."""

    id: str
    """The same if the notice is sent again, and another one if the request is finished again."""
    tag: str
    request_id: str
    status: str
    files_until: int | None
    """The time at which the files are deleted (epoch ms); None if there are none."""


def is_due(job: Job, now: int) -> bool:
    """Whether the notice of a finished job may be tried now."""
    return not job.is_open and job.notice is not None and job.notice.due is not None and job.notice.due <= now


def tried(job: Job, now: int) -> Job:
    """The job before a try: if this try leaves no result, the next one begins after a growing wait."""
    assert job.notice is not None
    tries = job.notice.tries + 1
    return _changed(job, due=now + min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_WAIT), tries=tries)


def sent(job: Job, now: int) -> Job:
    """The job whose notice was sent."""
    return _changed(job, due=None, sent_at=now, problem=None)


def failed(job: Job, problem: str) -> Job:
    """The job after a failed try. The last one ends the notice."""
    assert job.notice is not None
    due = None if job.notice.tries >= MOST_TRIES else job.notice.due
    return _changed(job, due=due, problem=problem[:_MOST_PROBLEM])


def text_of(job: Job) -> NoticeText:
    """What the notice of a finished job says."""
    return NoticeText(
        f"{job.id}-{job.completed_at}",
        job.request.tag.removesuffix(f":{job.request.channel}"),
        job.id,
        str(job.status),
        job.files_until if job.files else None,
    )


def _changed(job: Job, **values: object) -> Job:
    assert job.notice is not None
    notice: Notice = msgspec.structs.replace(job.notice, **values)
    return msgspec.structs.replace(job, revision=job.revision + 1, notice=notice)
