"""Use cases: submit, read, list, search and cancel requests for reports."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from assess_core.domain.moments import DAY
from assess_core.domain.report_formats import Password
from assess_core.domain.report_jobs import (
    Job,
    JobStatus,
    ReportRequest,
    Rules,
    cancelled,
    day_of,
    is_fresh,
    new_job,
    resubmitted,
)
from assess_core.domain.report_keys import EncryptionKey
from assess_core.domain.report_queue import require_room
from assess_core.domain.report_request import Requester, full_tag
from assess_core.errors import BadRequest, RequestClosed, StoreUnavailable, UnknownRequest
from assess_core.ports.links import Link, Links
from assess_core.ports.requests import Place, Requests

MOST_LISTED: Final = 100
"""Jobs in one answer."""
SEARCHED: Final = 1000
"""The newest jobs of a channel that a search looks at."""
_SALT: Final = 16  # bytes
_ATTEMPTS: Final = 10  # at a change that other processes make at the same time


class Filters(NamedTuple):
    """What a search looks for; None: everything."""

    dataset: str | None = None
    status: JobStatus | None = None
    day: int | None = None
    """The day (UTC) of the submit, as `day_of` counts days."""


_ALL: Final = Filters()


class Requesting:
    """The requests of an installation, for the API and the command line."""

    def __init__(self, requests: Requests, links: Links, rules: Rules, now: Callable[[], int]) -> None:
        self.rules = rules
        self.now = now
        self._requests = requests
        self._links = links

    def submit(self, request: ReportRequest, password: Password | None = None) -> Job:
        """The job of this request. The same request on the same day gets the same job.

        A job that failed, was cancelled or lost its files starts again, with the new password. Raises `RequestClosed`
        if the job has another password, `QueueFull`, `StoreUnavailable`.
        """
        key = None if password is None else EncryptionKey.of(password, secrets.token_hex(_SALT))
        for _ in range(_ATTEMPTS):
            now = self.now()
            job = new_job(request, now, key)
            stored = self._requests.get(request.tag, job.id)
            if stored is not None and is_fresh(stored):
                return _with_password(stored, password)
            require_room(self._requests.queue(), request.channel, self.rules)
            if stored is None:
                return _with_password(self._requests.add(job), password)
            again = resubmitted(stored, now, key)
            if self._requests.replace(stored, again):
                return again
        raise _busy(request.tag)

    def read(self, asker: Requester, tag: str, id_: str) -> Job:
        """A job of the asker's channel. Raises `UnknownRequest`, also for a job that the asker does not see."""
        job = self._requests.get(full_tag(tag, asker.channel), id_)
        if job is None or not asker.sees(job):
            raise UnknownRequest("no job available with the given request_id and tag")  # Sunbird's words
        return job

    def of_tag(self, asker: Requester, tag: str, limit: int, filters: Filters = _ALL) -> list[Job]:
        """The newest jobs of a tag that the asker sees, among the newest 1,000.

        Raises `BadRequest` if the limit is not from 1 to 100.
        """
        stored = full_tag(tag, asker.channel)
        return _matching(
            _newest(lambda after: self._requests.of_tag(stored, after, MOST_LISTED), filters.day), asker, filters, limit
        )

    def search(self, asker: Requester, filters: Filters, limit: int) -> list[Job]:
        """The newest jobs of the asker's channel that pass the filters, among its newest 1,000. Raises `BadRequest`."""
        pages = _newest(lambda after: self._requests.of_channel(asker.channel, after, MOST_LISTED), filters.day)
        return _matching(pages, asker, filters, limit)

    def cancel(self, asker: Requester, tag: str, id_: str) -> Job:
        """Cancel an open job; its worker stops within seconds. Raises `UnknownRequest`, `RequestClosed`."""
        for _ in range(_ATTEMPTS):
            job = self.read(asker, tag, id_)
            if job.status is JobStatus.CANCELLED:
                return job
            after = cancelled(job, self.now(), self.rules)
            if self._requests.replace(job, after):
                return after
        raise _busy(tag)

    def links(self, job: Job) -> list[Link]:
        """A link to each finished file of a job: for each batch the report, then its pictures."""
        return [self._links.link(name, self.now()) for file in job.files for name in file.names]

    def require_link(self, name: str, expires: str, signature: str) -> None:
        """Check a link that the API serves. Raises `LinkRefused`, `LinkExpired`."""
        self._links.require_valid(name, expires, signature, self.now())


def _with_password(job: Job, password: Password | None) -> Job:
    if password is not None and (job.key is None or not job.key.matches(password)):
        raise RequestClosed(
            "the same request was submitted today with another encryptionKey; use that one, or another tag"
        )
    return job


def require_files(job: Job) -> None:
    """Raises `RequestClosed` with the reason if a job has no complete set of files to download."""
    if job.status is not JobStatus.SUCCESS:
        raise RequestClosed(f"request {job.id} has no report ({job.status}{_because(job)}); wait, or submit it again")
    if not job.files:
        raise RequestClosed(f"request {job.id} has no report: {job.message}")


def _because(job: Job) -> str:
    return f": {job.message}" if job.message else ""


def _newest(page_after: Callable[[Place | None], list[Job]], day: int | None) -> Iterator[Job]:
    """The newest jobs of a list, or the newest of one day and before, page by page."""
    after = None if day is None else Place((day + 1) * DAY, "")
    for _ in range(SEARCHED // MOST_LISTED):
        page = page_after(after)
        yield from page
        if len(page) < MOST_LISTED:
            return
        after = Place(page[-1].created_at, page[-1].id)


def _matching(jobs: Iterable[Job], asker: Requester, filters: Filters, limit: int) -> list[Job]:
    """The first jobs that the asker sees and that pass the filters, at most `limit`."""
    wanted = _checked(limit)
    found: list[Job] = []
    for job in jobs:
        if filters.day is not None and day_of(job.created_at) < filters.day:
            break
        if asker.sees(job) and filters.dataset in (None, job.request.dataset) and filters.status in (None, job.status):
            found.append(job)
        if len(found) == wanted:
            break
    return found


def _checked(limit: int) -> int:
    if not 1 <= limit <= MOST_LISTED:
        raise BadRequest(f"limit {limit} is not from 1 to {MOST_LISTED}")
    return limit


def _busy(tag: str) -> StoreUnavailable:
    return StoreUnavailable(f"other processes change the request of tag {tag} at the same time; send it again")
