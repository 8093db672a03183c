"""The store of jobs as plain dictionaries: the reference for other adapters, and a test double."""

from collections.abc import Callable, Iterator, Sequence

from assess_core.domain.report_jobs import Job, JobStatus
from assess_core.domain.report_queue import Charge, Queued, Usage
from assess_core.ports.requests import Place


class MemoryRequests:
    """`ports.Requests` in memory, for the threads of one process: each change is one operation of a dictionary."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}
        self._charges: dict[tuple[str, int, str, str], Charge] = {}

    def add(self, job: Job) -> Job:
        return self._jobs.setdefault((job.request.tag, job.id), job)

    def get(self, tag: str, id_: str) -> Job | None:
        return self._jobs.get((tag, id_))

    def replace(self, old: Job, new: Job) -> bool:
        key = (old.request.tag, old.id)
        stored = self._jobs.get(key)
        if stored is not None and stored.revision == old.revision:
            self._jobs[key] = new
            return True
        return stored == new

    def of_tag(self, tag: str, after: Place | None, limit: int) -> list[Job]:
        return self._page(lambda job: job.request.tag == tag, after, limit)

    def of_channel(self, channel: str, after: Place | None, limit: int) -> list[Job]:
        return self._page(lambda job: job.request.channel == channel, after, limit)

    def _page(self, is_wanted: Callable[[Job], bool], after: Place | None, limit: int) -> list[Job]:
        found = [job for job in self._jobs.values() if is_wanted(job)]
        found.sort(key=_place, reverse=True)
        return [job for job in found if after is None or _place(job) < after][:limit]

    def queue(self) -> list[Queued]:
        return [
            Queued(
                job.request.channel,
                job.created_at,
                job.id,
                job.request.tag,
                job.ready_at,
                _is_processing(job),
                not job.is_open,
            )
            for job in self._jobs.values()
            if job.ready_at is not None
        ]

    def correct(self, entry: Queued, job: Job | None, now: int) -> None:
        """Nothing to do: the queue is read from the jobs themselves."""

    def charge(self, charge: Charge) -> None:
        self._charges[charge.channel, charge.day, charge.job_id, charge.batch_id] = charge

    def usage(self, channel: str, day: int) -> Usage:
        charges = [each for each in self._charges.values() if (each.channel, each.day) == (channel, day)]
        return Usage(
            sum(each.batch_id != "" for each in charges),
            sum(each.bytes for each in charges),
            max((each.at for each in charges), default=0),
        )

    def with_old_files(self, now: int, limit: int) -> list[Job]:
        old = [job for job in self._jobs.values() if job.files_until is not None and job.files_until <= now]
        return sorted(old, key=lambda job: job.files_until or 0)[:limit]

    def every(self) -> Iterator[Job]:
        yield from list(self._jobs.values())

    def remove(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._jobs.pop((job.request.tag, job.id), None)


def _place(job: Job) -> Place:
    return Place(job.created_at, job.id)


def _is_processing(job: Job) -> bool:
    return job.status is JobStatus.PROCESSING
