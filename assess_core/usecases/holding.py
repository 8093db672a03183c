"""A job whose lease this process holds. A thread renews the lease, and stops the work if it is lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from assess_core.domain.report_jobs import Job, Rules, renewed
from assess_core.errors import StoreUnavailable
from assess_core.ports.cancelling import Cancellation, cancellable
from assess_core.ports.requests import Requests

_RENEWALS: Final = 4  # in the time of one lease


class LeaseLost(Exception):
    """The job was cancelled, or another worker took it over. The current file of this worker is not published."""


class Held:
    """A job with a lease. `change` is the only way to change it."""

    def __init__(self, requests: Requests, job: Job, rules: Rules, now: Callable[[], int]) -> None:
        self._requests = requests
        self._job = job
        self._rules = rules
        self._now = now
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._cancellation = Cancellation()

    @property
    def job(self) -> Job:
        """The job as this process stored it last."""
        return self._job

    def change(self, transition: Callable[[Job, int], Job]) -> Job:
        """Store the next state of the job. Raises `LeaseLost` if another process changed it, `StoreUnavailable`."""
        with self._lock:
            after = transition(self._job, self._now())
            if after is self._job:
                return after
            if not self._requests.replace(self._job, after):
                self._cancellation.cancel("another worker has taken over the request, or it was cancelled")
                raise LeaseLost
            self._job = after
            return after

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease during the block. If the lease is lost, the reads of the block are interrupted."""
        thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        thread.start()
        try:
            with cancellable(self._cancellation):
                yield
        finally:
            self._ended.set()
            thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(self._rules.lease / 1000 / _RENEWALS):
            try:
                self.change(lambda job, now: job if job.lease is None else renewed(job, now, self._rules))
            except LeaseLost:
                return
            except StoreUnavailable:
                continue  # the store may be back before the lease expires; if not, the next change fails
