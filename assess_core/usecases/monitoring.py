"""Use case: what a monitor sees of the stores. The cost grows with the rows in the hot store, not with the history.

Reading it at every scrape would load the stores, so `Monitor` reads in a thread of its own and at most for a twentieth
of the time. A scrape gets the last numbers with their age.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from assess_core.domain.measures import (
    FAILED_SLICES,
    HOT_ROWS,
    OLDEST,
    SLICES,
    STATE_AGE,
    STATE_SECONDS,
    UNREAD,
    Sample,
)
from assess_core.domain.slice_status import FINISHED, SliceStatus, SliceView
from assess_core.errors import AssessError
from assess_core.ports.log import Backlog
from assess_core.ports.pinning import pin_needed
from assess_core.ports.stores import Stores
from assess_core.usecases.pending import pending_views

FRESH: Final = 30.0
"""Seconds for which the numbers are not read again."""
SHARE: Final = 20
"""After a read that took n seconds, the next one begins SHARE * n seconds later at the earliest."""
_STATES: Final = [status for status in SliceStatus if status not in FINISHED]
_log = logging.getLogger(__name__)


def state(views: Sequence[SliceView], backlog: Sequence[Backlog], now: int, grace: int) -> list[Sample]:
    """The samples of the stores. `now` and `grace` are in ms. Cleared slices need nothing and are not counted."""
    by_state = Counter(view.status for view in views)
    closed_at = [view.slice.week.end + grace for view in views if view.needs_archive]
    return [
        Sample(HOT_ROWS, sum(view.hot_rows for view in views)),
        *(Sample(SLICES, by_state[status], (status.value,)) for status in _STATES),
        Sample(FAILED_SLICES, sum(view.has_failed for view in views)),
        Sample(OLDEST, max(0, now - min(closed_at, default=now)) / 1000),
        *(Sample(UNREAD, each.unread, (each.partition, each.unit)) for each in backlog),
    ]


def read_state(stores: Stores, now: int, grace: int) -> list[Sample]:
    """Read the samples of the stores. Raises `StoreUnavailable`, also for another lake, `BadLog`, `NotOurTable`."""
    pin_needed(stores.hot, stores.lake)
    backlog = stores.log.backlog()
    return state(pending_views(stores, now, grace, stores.log.unread()), backlog, now, grace)


class Monitor:
    """The last state of the stores. `clock` is monotonic, in seconds."""

    def __init__(self, read: Callable[[], list[Sample]], clock: Callable[[], float]) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._reading: threading.Thread | None = None
        self._samples: list[Sample] = []
        self._read_at = self._next_at = clock()
        self._took = 0.0

    def samples(self, wait: float) -> list[Sample]:
        """The last samples and their age; begins to read new ones if it is time, and waits for them (seconds)."""
        with self._lock:
            if self._reading is None and self._clock() >= self._next_at:
                self._reading = threading.Thread(target=self._refresh, name="monitor", daemon=True)
                self._reading.start()
            reading = self._reading
        if reading is not None:
            reading.join(wait)
        with self._lock:
            age = self._clock() - self._read_at
            return [*self._samples, Sample(STATE_AGE, age), Sample(STATE_SECONDS, self._took)]

    def _refresh(self) -> None:
        started = self._clock()
        samples: list[Sample] = []
        try:
            samples = self._read()
        except AssessError as error:
            _log.warning("the state of the stores could not be read for /metrics: %s", error)
        finally:
            took = self._clock() - started
            with self._lock:
                if samples:  # the samples before stay, and get older
                    self._samples, self._read_at, self._took = samples, started, took
                self._next_at = self._clock() + max(FRESH, SHARE * took)
                self._reading = None
