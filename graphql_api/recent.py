"""Which learners may be read by the thread of the event loop: those that a thread of a lane read a moment ago.

A read of the embedded store takes 10 us if the pages of the file are in memory, and as long as the disk likes if they
are not. Nothing tells beforehand. But a page that was read a minute ago is in memory, unless memory is very short. So
the disk is met by threads of the lane, and the event loop goes on meanwhile.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from threading import Lock
from typing import Final, TypeVar

MOST_LEARNERS: Final = 20_000
SECONDS: Final = 60.0
"""How long pages are expected to stay in memory."""
SLOW: Final = 0.1
"""Seconds after which a read has surely waited for something. Then every learner is read by a thread first again."""

T = TypeVar("T")
Q = TypeVar("Q")


class RecentlyRead:
    """Learners whose last read by a thread was quick, with the time until which that counts. Threads can share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.now = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self._changing = Lock()

    def has(self, user_ids: Collection[str]) -> bool:
        """Whether a thread read all of them a moment ago."""
        now, until = self.now(), self._until
        return bool(user_ids) and all(until.get(user_id, 0.0) > now for user_id in user_ids)

    def check(self, started: float) -> None:
        """After a read by the thread of the event loop: if it was slow, all learners are forgotten."""
        if self.now() - started > SLOW:
            with self._changing:
                self._until.clear()

    def noting(self, user_ids: Collection[str], question: Callable[[Q], T], asked: Q) -> T:
        """Ask by a thread, and remember these learners if the answer was quick."""
        started = self.now()
        answer = question(asked)
        now = self.now()
        if now - started <= SLOW:
            with self._changing:
                for user_id in user_ids:
                    self._until.pop(user_id, None)
                    self._until[user_id] = now + SECONDS
                while len(self._until) > MOST_LEARNERS:
                    self._until.popitem(last=False)
        return answer
