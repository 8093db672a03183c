"""Requests for reports: what a client asked for, the job that serves it, and every change of a job's status.

    SUBMITTED -> PROCESSING -> SUCCESS
                            -> SUBMITTED    a try failed, or the channel used up its day: the job waits
                            -> FAILED       three tries failed, or a retry cannot help
    SUBMITTED, PROCESSING   -> CANCELLED
    FAILED, CANCELLED       -> SUBMITTED    the client submits the same request again

Every function is pure: it gets a job and the time, and returns the next job. A store accepts the next job only if the
stored job still has the revision that was read. So of two workers with the same job, one loses.
"""

import hashlib
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from assess_core.domain.counts import counted
from assess_core.domain.moments import DAY, MINUTE, iso
from assess_core.domain.report_keys import EncryptionKey
from assess_core.domain.report_spec import ReportSpec
from assess_core.errors import RequestClosed

_MOST_MESSAGE: Final = 1000  # characters of a message that a job stores


class JobStatus(StrEnum):
    """The status of a job. Sunbird's clients know the first four; they see CANCELLED as FAILED."""

    SUBMITTED = "SUBMITTED"
    """It waits for a worker, for its next try, or for the next day of its channel."""
    PROCESSING = "PROCESSING"
    """A worker writes the report."""
    SUCCESS = "SUCCESS"
    """The report can be downloaded until its files are deleted."""
    FAILED = "FAILED"
    """Three tries failed, or another try cannot help. The message says why."""
    CANCELLED = "CANCELLED"
    """The client cancelled it."""


class Rules(NamedTuple):
    """The limits of requests. Times are in ms."""

    lease: int = MINUTE
    """How long a worker holds a job without renewing its lease."""
    tries: int = 3
    retry_wait: int = MINUTE
    """The wait after the first failed try; after the second one it is twice as long."""
    batches_a_request: int = 20
    batches_a_day: int = 500
    """Of one channel."""
    bytes_a_day: int = 10 * 1000**3
    """Of one channel."""
    open_of_channel: int = 200
    """Jobs of one channel that are not finished."""
    open_of_all: int = 10_000
    keep_files: int = 7 * DAY
    """How long the files of a finished job are kept."""
    notices: bool = False
    """Whether a notice is sent when a job succeeded or failed."""


class ReportRequest(msgspec.Struct, frozen=True):
    """What a client asked for."""

    dataset: str
    config: str
    """The client's `datasetConfig` as canonical JSON, as responses repeat it."""
    spec: ReportSpec
    """The report. Each batch of it gets its own file."""
    tag: str
    """The client's tag, a colon and the channel."""
    channel: str
    requester: str
    is_encrypted: bool = False
    """Whether the files need a password. The password is in the job, and never in the request."""


class BatchFile(msgspec.Struct, frozen=True):
    """The finished report of one batch of a job."""

    batch_id: str
    name: str
    """Its name in the folder or bucket of reports."""
    rows: int
    bytes: int
    """Of the report and its pictures."""
    pictures: tuple[str, ...] = ()
    """The names of its pictures."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the report and its pictures."""
        return (self.name, *self.pictures)


class Lease(msgspec.Struct, frozen=True):
    """The right of one worker to change a job, until it expires."""

    worker: str
    until: int


class Notice(msgspec.Struct, frozen=True):
    """The notice that a job is finished (see `report_notices`)."""

    due: int | None
    """When the next try may begin; None if it was sent or given up."""
    tries: int = 0
    sent_at: int | None = None
    problem: str | None = None
    """Why the last try failed."""


class Job(msgspec.Struct, frozen=True):
    """The job that serves a request. Times are epoch ms."""

    id: str
    request: ReportRequest
    created_at: int
    submitted_at: int
    """Later than `created_at` if the same request was submitted again after a failure."""
    revision: int = 1
    """Grows with every change."""
    status: JobStatus = JobStatus.SUBMITTED
    not_before: int = 0
    """The time at which a submitted job may start."""
    tries: int = 0
    claims: int = 0
    """The number of leases so far. It is part of the file names, so two workers never write the same file."""
    lease: Lease | None = None
    claimed_at: int | None = None
    files: tuple[BatchFile, ...] = ()
    percent: int = 0
    """The finished batches."""
    completed_at: int | None = None
    execution_ms: int = 0
    message: str | None = None
    files_until: int | None = None
    """The time at which the files of a finished job are deleted; None if there is nothing to delete."""
    notice: Notice | None = None
    key: EncryptionKey | None = None

    @property
    def is_open(self) -> bool:
        """Whether the job is not finished."""
        return self.status in (JobStatus.SUBMITTED, JobStatus.PROCESSING)

    @property
    def ready_at(self) -> int | None:
        """The time at which a worker may claim the job, or send its notice; None if there is nothing to do."""
        if self.lease is not None:
            return self.lease.until
        if self.is_open:
            return self.not_before
        return self.notice.due if self.notice is not None else None

    @property
    def batches_left(self) -> tuple[str, ...]:
        """The batches without a file, in their order."""
        done = {file.batch_id for file in self.files}
        return tuple(batch for batch in self.request.spec.batches if batch not in done)


def canonical(config: Any) -> str:
    """A JSON value as text that does not depend on the order of its keys."""
    return msgspec.json.encode(config, order="sorted").decode()


def job_id(request: ReportRequest, at: int) -> str:
    """The identity of a request: its whole content and the day (UTC), as 32 hexadecimal digits."""
    content: tuple[object, ...] = (
        request.dataset, request.spec, request.tag, request.channel, request.requester, day_of(at)
    )  # fmt: skip
    if request.is_encrypted:  # not the password: whoever knows the identity could try passwords
        content = (*content, "encrypted")
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:32].upper()


def day_of(at: int) -> int:
    """The number of the day (UTC) since 1970."""
    return at // DAY


def new_job(request: ReportRequest, now: int, key: EncryptionKey | None = None) -> Job:
    """The job of a request that is submitted now."""
    return Job(job_id(request, now), request, now, now, key=key)


def is_fresh(job: Job) -> bool:
    """Whether the job serves the same request that is submitted again: it is open, or its files exist."""
    return job.is_open or (job.status is JobStatus.SUCCESS and bool(job.files))


def resubmitted(job: Job, now: int, key: EncryptionKey | None = None) -> Job:
    """A job that is not fresh, submitted again. Batches that are finished stay finished."""
    return _changed(
        job,
        status=JobStatus.SUBMITTED,
        submitted_at=now,
        not_before=now,
        tries=0,
        message=None,
        completed_at=None,
        files_until=None,
        notice=None,
        key=key,
    )


def claimed(job: Job, worker: str, now: int, rules: Rules) -> Job | None:
    """The job with a lease of this worker; None if no worker may claim it now.

    If the last allowed try ended without a result, the job becomes FAILED: it may be the job that ends its workers.
    """
    if not job.is_open or job.ready_at is None or job.ready_at > now:
        return None
    if job.tries >= rules.tries:
        message = (
            f"{counted(job.tries, 'try', 'tries')} ended without a result, because the worker was killed "
            "or stopped answering; "
            "ask the operator to look at the workers' log, then submit the request again"
        )
        return _finished(job, JobStatus.FAILED, now, rules, message)
    return _changed(
        job,
        status=JobStatus.PROCESSING,
        tries=job.tries + 1,
        claims=job.claims + 1,
        lease=Lease(worker, now + rules.lease),
        claimed_at=now,
        message=None,
    )


def renewed(job: Job, now: int, rules: Rules) -> Job:
    """The job with a longer lease, and with its progress."""
    assert job.lease is not None
    return _changed(job, lease=Lease(job.lease.worker, now + rules.lease), percent=_percent(job))


def with_file(job: Job, file: BatchFile, now: int, rules: Rules) -> Job:
    """The job after one more batch. After the last one it is SUCCESS, or FAILED if no batch has a row."""
    more = msgspec.structs.replace(job, files=(*job.files, file))
    if more.batches_left:
        return renewed(more, now, rules)
    if any(each.rows for each in more.files):
        return _finished(more, JobStatus.SUCCESS, now, rules, None)
    message = "No data found: no attempt matches the request; check its batches and its course, then submit it again"
    return _finished(msgspec.structs.replace(more, files=()), JobStatus.FAILED, now, rules, message)


def after_failure(job: Job, message: str, can_retry: bool, now: int, rules: Rules) -> Job:
    """The job after a failed try: it waits for the next try, or is FAILED. Finished batches stay finished."""
    if not can_retry or job.tries >= rules.tries:
        return _finished(job, JobStatus.FAILED, now, rules, message)
    return _waiting(job, now, now + rules.retry_wait * job.tries, message, job.tries)


def postponed(job: Job, until: int, message: str, now: int) -> Job:
    """The job waits until a later time. This does not count as a try."""
    return _waiting(job, now, until, message, job.tries - 1)


def cancelled(job: Job, now: int, rules: Rules) -> Job:
    """The job after a client cancelled it. Raises `RequestClosed` if it is finished."""
    if job.status is JobStatus.CANCELLED:
        return job
    if not job.is_open:
        raise RequestClosed(f"request {job.id} is finished ({job.status}); only an open request can be cancelled")
    return _finished(job, JobStatus.CANCELLED, now, rules, f"the request was cancelled at {iso(now)}")


def without_files(job: Job) -> Job:
    """The job after its files were deleted."""
    message = "the files were deleted because their time was over; submit the request again to get new ones"
    notice = None if job.notice is None else msgspec.structs.replace(job.notice, due=None)  # too late to be useful
    return _changed(job, files=(), files_until=None, message=message if job.files else job.message, notice=notice)


def folder(job: Job, claims: int | None = None) -> str:
    """The folder of the job's files, or of the files of one lease."""
    whole = f"{job.request.dataset}/{job.id}"
    return whole if claims is None else f"{whole}/{claims}"


def _finished(job: Job, status: JobStatus, now: int, rules: Rules, message: str | None) -> Job:
    return _changed(
        job,
        status=status,
        lease=None,
        claimed_at=None,
        percent=_percent(job),
        completed_at=now,
        execution_ms=_executed(job, now),
        message=_bounded(message),
        files_until=now + rules.keep_files,
        key=job.key.without_text() if job.key is not None else None,
        notice=Notice(now) if rules.notices and status is not JobStatus.CANCELLED else None,
    )


def _waiting(job: Job, now: int, until: int, message: str, tries: int) -> Job:
    return _changed(
        job,
        status=JobStatus.SUBMITTED,
        lease=None,
        claimed_at=None,
        percent=_percent(job),
        execution_ms=_executed(job, now),
        not_before=until,
        message=_bounded(message),
        tries=tries,
    )


def _executed(job: Job, now: int) -> int:
    return job.execution_ms + (max(now - job.claimed_at, 0) if job.claimed_at is not None else 0)


def _bounded(message: str | None) -> str | None:
    return message if message is None or len(message) <= _MOST_MESSAGE else f"{message[:_MOST_MESSAGE]}..."


def _percent(job: Job) -> int:
    return 100 * len(job.files) // len(job.request.spec.batches)


def _changed(job: Job, **values: Any) -> Job:
    return msgspec.structs.replace(job, revision=job.revision + 1, **values)
