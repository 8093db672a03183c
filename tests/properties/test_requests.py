"""Requests for reports under any order of submits, workers, kills, failures, cancels and time.

The machine is the use cases over the store in memory. A worker is stepped by hand, so it can be killed or paused at any
point. At the end all jobs are worked off, and each one was published exactly once.
"""

from collections import Counter
from typing import Final

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from assess_core.adapters.memory_requests import MemoryRequests
from assess_core.domain.moments import DAY, MINUTE
from assess_core.domain.report_jobs import (
    BatchFile,
    Job,
    JobStatus,
    Rules,
    after_failure,
    cancelled,
    claimed,
    day_of,
    renewed,
    with_file,
)
from assess_core.domain.report_queue import Charge
from assess_core.usecases.report_work import file_of, ready_jobs
from assess_core.usecases.requesting import Requesting
from tests.report_requests import NOW, request

CHANNELS: Final = ("a", "b", "c")
RULES: Final = Rules(lease=MINUTE, open_of_channel=4, batches_a_day=6)


class Requests(RuleBasedStateMachine):
    """Jobs, and the workers that hold a lease as they know it."""

    workers: Bundle[Job] = Bundle("workers")

    @initialize()
    def begin(self) -> None:
        self.requests = MemoryRequests()
        self.now = NOW
        self.requesting = Requesting(self.requests, None, RULES, lambda: self.now)  # type: ignore[arg-type]
        self.published = Counter[tuple[str, str]]()
        self.jobs: dict[str, Job] = {}

    @rule(
        channel=st.sampled_from(CHANNELS),
        batches=st.sets(st.sampled_from("123"), min_size=1),
        tag=st.sampled_from("xy"),
    )
    def submit(self, channel: str, batches: set[str], tag: str) -> None:
        asked = request(*sorted(batches), channel=channel, tag=tag)
        own = [entry for entry in self.requests.queue() if entry.channel == channel]
        if len(own) >= RULES.open_of_channel:
            return
        job = self.requesting.submit(asked)
        self.jobs[job.id] = job
        assert self.requesting.submit(asked).id == job.id

    @rule(passed=st.sampled_from([1, MINUTE // 2, MINUTE, DAY]))
    def wait(self, passed: int) -> None:
        self.now += passed

    @rule(target=workers)
    def claim(self) -> MultipleResults[Job] | Job:
        for entry in ready_jobs(self.requests, RULES, self.now):
            job = self.requests.get(entry.tag, entry.id)
            assert job is not None
            mine = claimed(job, "worker", self.now, RULES)
            assert mine is not None  # the queue of this store is never older than its jobs
            assert self.requests.replace(job, mine)
            if mine.lease is not None:
                self.requests.charge(Charge(entry.channel, day_of(self.now), job.id, "", 0, self.now))
                return mine
        return multiple()

    @rule(target=workers, job=consumes(workers))
    def renew(self, job: Job) -> MultipleResults[Job] | Job:
        after = renewed(job, self.now, RULES)
        return after if self.requests.replace(job, after) else multiple()

    @rule(target=workers, job=consumes(workers))
    def finish_a_batch(self, job: Job) -> MultipleResults[Job] | Job:
        """Also by a worker that was paused for longer than its lease: then the job may belong to another one."""
        batch = job.batches_left[0]
        file = BatchFile(batch, file_of(job, batch), 1, 10)
        self.requests.charge(Charge(job.request.channel, day_of(self.now), job.id, batch, 10, self.now))
        after = with_file(job, file, self.now, RULES)
        if not self.requests.replace(job, after):
            return multiple()
        self.published[job.id, batch] += 1
        return after if after.lease is not None else multiple()

    @rule(job=consumes(workers), can_retry=st.booleans())
    def fail(self, job: Job, can_retry: bool) -> None:
        self.requests.replace(job, after_failure(job, "no", can_retry, self.now, RULES))

    @rule(job=consumes(workers))
    def kill(self, job: Job) -> None:
        """The worker never does anything again."""

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        opened = [job for job in map(self._stored, self.jobs.values()) if job.is_open]
        if opened:
            job = data.draw(st.sampled_from(opened))
            assert self.requests.replace(job, cancelled(job, self.now, RULES))

    @invariant()
    def no_batch_is_published_twice(self) -> None:
        if hasattr(self, "published"):
            assert all(count == 1 for count in self.published.values())

    @invariant()
    def a_success_is_complete(self) -> None:
        for job in map(self._stored, getattr(self, "jobs", {}).values()):
            if job.status is JobStatus.SUCCESS:
                assert [file.batch_id for file in job.files] == sorted(job.request.spec.batches)
                assert len({file.name for file in job.files}) == len(job.files)

    def teardown(self) -> None:
        """Healthy workers end every open job within days, whatever happened before."""
        if not hasattr(self, "jobs"):
            return
        for _ in range(40):
            self.now += DAY
            while isinstance(job := self.claim(), Job):
                while job.lease is not None:
                    after = self.finish_a_batch(job)
                    if not isinstance(after, Job):
                        break
                    job = after
        assert self.requests.queue() == []
        self.no_batch_is_published_twice()
        self.a_success_is_complete()

    def _stored(self, job: Job) -> Job:
        found = self.requests.get(job.request.tag, job.id)
        assert found is not None
        return found


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
