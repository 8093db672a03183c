"""Use case: work on requests for reports. Any number of workers can run; if one is killed, another one continues.

A report is published when its job names its file. The name contains the number of the lease, so a worker that lost its
lease writes a file that no job names.
"""

import logging
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.measures import REPORT_SECONDS, Sample
from assess_core.domain.moments import moment
from assess_core.domain.report_jobs import (
    BatchFile,
    Job,
    JobStatus,
    Rules,
    after_failure,
    claimed,
    day_of,
    folder,
    postponed,
    with_file,
    without_files,
)
from assess_core.domain.report_queue import Charge, Queued, Usage, in_turn, is_used_up, next_day, used_up_message
from assess_core.domain.report_spec import ReportSpec
from assess_core.errors import AssessError, DeadlineExceeded
from assess_core.ports.meter import Meter
from assess_core.ports.notifying import Notifier
from assess_core.ports.reports import Exhausts
from assess_core.ports.requests import Requests
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import StoredOutput, file_name, write_exhaust
from assess_core.usecases.holding import Held, LeaseLost
from assess_core.usecases.sealing import NewTicket

_DELETED_AT_ONCE: Final = 100
_INTERNAL: Final = "internal error; the worker's log has the details, so ask the operator"
_log = logging.getLogger(__name__)

WriteBatch = Callable[[Job, str, str], BatchFile]
"""Writes the report of one batch of a job under a name. Raises `AssessError`."""


class Work(NamedTuple):
    """What a worker needs."""

    requests: Requests
    exhausts: Exhausts
    write: WriteBatch
    rules: Rules
    now: Callable[[], int]
    notifier: Notifier | None = None
    """Where notices about finished jobs are sent."""


def report_writer(stores: Stores, meter: Meter | None = None, ticket: NewTicket | None = None) -> WriteBatch:
    """Writes reports of batches, each with a ticket if one is wished, and records how long each took."""

    def write(job: Job, batch_id: str, name: str) -> BatchFile:
        password = job.key.password if job.key is not None else None
        output = StoredOutput(stores.exhausts, name)
        written = write_exhaust(stores, _of_batch(job, batch_id), output, password=password, ticket=ticket)
        if meter is not None:
            meter.record(Sample(REPORT_SECONDS, written.seconds, (job.request.spec.report,)))
        pictures = written.sidecar.pictures
        beside = name.rpartition("/")[0]
        size = written.bytes + sum(picture.bytes for picture in pictures)
        return BatchFile(batch_id, name, written.rows, size, tuple(f"{beside}/{picture.file}" for picture in pictures))

    return write


def work_one(work: Work, worker: str) -> Job | None:
    """Work on the next job; None if no job is ready. Returns the job as this worker left it.

    A failure of the report becomes the job's message. Raises `StoreUnavailable` if the store of jobs does not answer.
    """
    held = _claim(work, worker)
    if held is None:
        return None
    with held.renewing():
        try:
            return _write_batches(work, held)
        except LeaseLost:
            return held.job
        except KeyboardInterrupt:
            _give_back(held)
            raise


def ready_jobs(requests: Requests, rules: Rules, now: int) -> list[Queued]:
    """The jobs that may start now, in the order in which workers take them."""
    queue = requests.queue()
    usage = {channel: requests.usage(channel, day_of(now)) for channel in {entry.channel for entry in queue}}
    return in_turn(queue, usage, now, rules)


def _claim(work: Work, worker: str) -> Held | None:
    requests, now = work.requests, work.now()
    for entry in ready_jobs(requests, work.rules, now):
        job = requests.get(entry.tag, entry.id)
        mine = claimed(job, worker, now, work.rules) if job is not None else None
        if job is None or mine is None:
            requests.correct(entry, job, now)
        elif requests.replace(job, mine) and mine.status is JobStatus.PROCESSING:
            requests.charge(Charge(entry.channel, day_of(now), mine.id, "", 0, now))
            return Held(requests, mine, work.rules, work.now)
    return None


def _write_batches(work: Work, held: Held) -> Job:
    """Write what is left of the job. Raises `LeaseLost`."""
    rules, job = work.rules, held.job
    for batch_id in job.batches_left:
        if is_used_up(_usage_today(work, job), rules):
            return _postponed(held, rules)
        name = file_of(job, batch_id)
        try:
            file = work.write(job, batch_id, name)
        except DeadlineExceeded:  # the lease was lost, and the read was interrupted
            held.change(lambda job, now: postponed(job, now, "the read was interrupted", now))
            return held.job
        except AssessError as error:
            return _failed(held, str(error), error.retryable or error.status >= 500, rules)
        except Exception:  # noqa: BLE001 a defect must not end the worker; the log has the details
            _log.exception("the report of request %s could not be written", job.id)
            return _failed(held, _INTERNAL, True, rules)
        now = work.now()
        work.requests.charge(Charge(job.request.channel, day_of(now), job.id, batch_id, file.bytes, now))
        try:
            job = held.change(lambda job, now, file=file: with_file(job, file, now, rules))  # type: ignore[misc]
        except LeaseLost:
            for each in file.names:
                work.exhausts.delete(each)
            raise
    if not job.files:  # no batch has a row
        work.exhausts.delete(folder(job))
    return job


def _postponed(held: Held, rules: Rules) -> Job:
    """The channel used up its day."""
    return held.change(
        lambda job, now: postponed(job, next_day(now), used_up_message(job.request.channel, now, rules), now)
    )


def _failed(held: Held, message: str, can_retry: bool, rules: Rules) -> Job:
    return held.change(lambda job, now: after_failure(job, message, can_retry, now, rules))


def _give_back(held: Held) -> None:
    """Let another worker continue immediately, and not when the lease expires."""
    try:
        held.change(
            lambda job, now: (
                postponed(job, now, "the worker was stopped; another one continues", now)
                if job.lease is not None
                else job
            )
        )
    except (LeaseLost, AssessError):
        _log.warning("request %s continues when its lease expires", held.job.id)


def _usage_today(work: Work, job: Job) -> Usage:
    return work.requests.usage(job.request.channel, day_of(work.now()))


def file_of(job: Job, batch_id: str) -> str:
    """The name of a batch's file, like Sunbird's: batch, report and day of the request. Each lease has its folder."""
    spec = job.request.spec
    stem = f"{batch_id}_{spec.report}_{moment(job.created_at):%Y%m%d}"
    return f"{folder(job, job.claims)}/{file_name(msgspec.structs.replace(spec, batches=(stem,)))}"


def _of_batch(job: Job, batch_id: str) -> ReportSpec:
    return msgspec.structs.replace(job.request.spec, batches=(batch_id,))


def delete_old_files(work: Work) -> Iterator[Job]:
    """Delete the files of jobs whose time is over; yields each job. A crash in between is repaired by the next call."""
    for job in work.requests.with_old_files(work.now(), _DELETED_AT_ONCE):
        work.exhausts.delete(folder(job))
        after = without_files(job)
        if work.requests.replace(job, after):
            yield after
