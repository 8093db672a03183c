"""Reports on the terminal how fast events are folded."""

import time
from collections.abc import Callable
from typing import Final

from assess_core.domain.counts import counted
from assess_core.ports.log import Notify
from assess_core.usecases.folding import Folded
from stream.steps import DecodedBatch

_EVERY: Final = 10.0  # seconds


class Pace:
    """Counts folded events and reports the pace at most every ten seconds, and only when events arrive."""

    def __init__(self, notify: Notify, now: Callable[[], float] = time.monotonic) -> None:
        self._notify, self._now = notify, now
        self._since = now()
        self._events = self._failed = 0

    def __call__(self, batch: DecodedBatch, folded: Folded) -> None:
        """Count a folded batch."""
        self._events += len(batch.events)
        self._failed += folded.failed
        seconds = self._now() - self._since
        if seconds < _EVERY:
            return
        failed = f", {self._failed:,} of them failed" if self._failed else ""
        self._notify(
            f"{counted(self._events, 'event')} folded in {seconds:.0f} s, {self._events / seconds:,.0f} "
            f"a second{failed}"
        )
        self._since = self._now()
        self._events = self._failed = 0
