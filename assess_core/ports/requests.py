"""What requests for reports need from a store. No cost grows with the number of finished jobs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from assess_core.domain.report_jobs import Job
from assess_core.domain.report_queue import Charge, Queued, Usage


class Place(NamedTuple):
    """The place of a job in a list, newest first."""

    created_at: int
    id: str


class Requests(Protocol):
    """The store of jobs: part of the hot store. Methods raise `StoreUnavailable`."""

    def add(self, job: Job) -> Job:
        """Store a new job. If a job with its tag and id exists, nothing is written and the existing job is returned."""
        ...

    def get(self, tag: str, id_: str) -> Job | None:
        """The job with this tag and id."""
        ...

    def replace(self, old: Job, new: Job) -> bool:
        """Store `new` if the stored job still has the revision of `old`. False: another process changed it first.

        True also if exactly `new` is stored already, because a request to a server may be sent twice.
        """
        ...

    def of_tag(self, tag: str, after: Place | None, limit: int) -> list[Job]:
        """A page of the jobs of a tag, newest first, after a place."""
        ...

    def of_channel(self, channel: str, after: Place | None, limit: int) -> list[Job]:
        """A page of the jobs of a channel, newest first, after a place."""
        ...

    def queue(self) -> list[Queued]:
        """All open jobs, and the finished ones whose notice waits.

        An entry may be older than its job for a moment, so read the job before you decide.
        """
        ...

    def correct(self, entry: Queued, job: Job | None, now: int) -> None:
        """Correct an entry of the queue that differs from its job, if a crash left it behind."""
        ...

    def charge(self, charge: Charge) -> None:
        """Write one entry of a channel's usage; the same entry again changes nothing but its time."""
        ...

    def usage(self, channel: str, day: int) -> Usage:
        """What a channel used on one day."""
        ...

    def with_old_files(self, now: int, limit: int) -> Sequence[Job]:
        """Finished jobs whose `files_until` has passed, at most `limit`."""
        ...

    def every(self) -> Iterator[Job]:
        """All jobs, in any order. For audits and erasures, never while a client waits."""
        ...

    def remove(self, jobs: Sequence[Job]) -> None:
        """Delete jobs. A worker that has one of them loses it. Can be repeated."""
        ...
