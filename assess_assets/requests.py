"""Requests for reports: one run serves many of them, and a sensor starts it if no worker process does."""

import os
import socket
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

import dagster as dg

from assess_assets.exhausts import of_both_tiers
from assess_assets.metadata import PREVIEW_ROWS, SENTENCES, bars, table
from assess_assets.resources import RETRY, Lakehouse
from assess_core.domain.counts import counted
from assess_core.domain.moments import MINUTE
from assess_core.domain.report_jobs import Job, JobStatus
from assess_core.domain.report_queue import unserved
from assess_core.usecases.notifying import send_notices
from assess_core.usecases.report_work import Work, delete_old_files, ready_jobs, work_one

MOST_A_RUN: Final = 500
"""Requests of one run: its page stays readable, and its code does not get old."""
PATIENCE: Final = MINUTE
"""How long (ms) a request waits for a worker process before Dagster starts a run, which takes 15 s."""
SERVES: Final = {"assess/serves": "requests"}
"""The tag of the runs that the sensor starts."""
_ENDED: Final = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.asset(
    deps=of_both_tiers,
    group_name="exhausts",
    owners=["team:assessment"],
    kinds={"csv", "duckdb"},
    retry_policy=RETRY,
)
def requested_exhausts(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> dg.MaterializeResult[None]:
    """The reports that clients requested, up to 500 requests a run, fairly between channels.

    A request that fails does not fail the run: its status and its message tell the client. Files of old requests are
    deleted.
    """
    with lakehouse.open("requests") as opened:
        work = opened.work
        deleted = sum(1 for _ in delete_old_files(work))
        jobs, notices = [], 0
        for job in islice(_worked(work, f"{socket.gethostname()}:{os.getpid()}:{context.run.run_id[:8]}"), MOST_A_RUN):
            context.log.info("%s of %s: %s %s", job.id, job.request.tag, job.status, job.message or "")
            jobs.append(job)
            notices += sum(1 for _ in send_notices(work))
        notices += sum(1 for _ in send_notices(work))
        by_status = Counter(str(job.status) for job in jobs)
        failed = [job for job in jobs if job.status is JobStatus.FAILED]
        return dg.MaterializeResult(
            metadata={
                "requests": dg.MetadataValue.int(len(jobs)),
                "rows": dg.MetadataValue.int(sum(file.rows for job in jobs for file in job.files)),
                "bytes": dg.MetadataValue.int(sum(file.bytes for job in jobs for file in job.files)),
                "old files deleted": dg.MetadataValue.int(deleted),
                "notices tried": dg.MetadataValue.int(notices),
                "seconds": dg.MetadataValue.float(round(opened.seconds, 3)),
                "picture": bars("requests by status", {"requests": by_status}),
                "failed": table([_row(job) for job in failed[:PREVIEW_ROWS]], SENTENCES),
                "preview": table([_row(job) for job in jobs[:PREVIEW_ROWS]]),
            }
        )


def _worked(work: Work, worker: str) -> Iterator[Job]:
    while (job := work_one(work, worker)) is not None:
        yield job


def _row(job: Job) -> dict[str, object]:
    return {
        "request": job.id,
        "channel": job.request.channel,
        "dataset": job.request.dataset,
        "status": str(job.status),
        "files": len(job.files),
        "message": job.message or "",
    }


@dg.sensor(
    target=requested_exhausts,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,  # it deletes nothing but old reports, and clients wait
    owners=["team:assessment"],
    description="Starts a run for requests for reports that wait longer than a minute because no worker serves them.",
)
def serve_requests(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    """Start one run if requests wait and no run serves them. It also serves the requests that arrive meanwhile."""
    with lakehouse.open() as opened:
        work, now = opened.work, opened.now
        waiting = len(unserved(ready_jobs(work.requests, work.rules, now), now, PATIENCE))
    if not waiting:
        return dg.SensorResult(skip_reason="no request waits longer than a minute")
    unfinished = [status for status in dg.DagsterRunStatus if status not in _ENDED]
    if context.instance.get_runs_count(dg.RunsFilter(statuses=unfinished, tags=SERVES)):
        return dg.SensorResult(
            skip_reason=f"{counted(waiting, 'request waits', 'requests wait')}; a run serves "
            f"{'it' if waiting == 1 else 'them'}"
        )
    return dg.SensorResult(run_requests=[dg.RunRequest(tags=SERVES)])
