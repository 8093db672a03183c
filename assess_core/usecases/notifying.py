"""Use case: send the notices of finished requests. Any number of workers can do it."""

import logging
from collections.abc import Iterator
from typing import Final

from assess_core.domain.report_jobs import Job
from assess_core.domain.report_notices import failed, is_due, sent, text_of, tried
from assess_core.ports.notifying import NotSent
from assess_core.usecases.report_work import Work

_TURN: Final = 10_000  # ms
_log = logging.getLogger(__name__)


def send_notices(work: Work) -> Iterator[Job]:
    """Try notices that are due; yields each job after its try. Raises `StoreUnavailable`.

    A slow receiver holds no report up: after `_TURN`, the rest waits for the next call.
    """
    if work.notifier is None:
        return
    until = work.now() + _TURN
    for entry in work.requests.queue():
        if work.now() > until:
            return
        if not entry.is_notice or entry.ready_at > work.now():
            continue
        job = work.requests.get(entry.tag, entry.id)
        if job is None or not is_due(job, work.now()):
            work.requests.correct(entry, job, work.now())
            continue
        mine = tried(job, work.now())
        if not work.requests.replace(job, mine):
            continue  # another worker sends it, or the request was submitted again
        try:
            work.notifier.send(text_of(mine))
            after = sent(mine, work.now())
        except NotSent as error:
            after = failed(mine, str(error))
            _log.warning("the notice of request %s was not sent: %s", job.id, error)
        if work.requests.replace(mine, after):
            yield after
