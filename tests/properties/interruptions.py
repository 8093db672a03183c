"""Stores with a boundary around every effect, at which a test crashes the work or lets other work run first."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

Store = TypeVar("Store")
NEVER: Final = 1 << 60
"""More boundaries than any test reaches."""


class Crash(Exception):
    """Simulates a killed process."""


class Fuse:
    """Raises `Crash` after a number of calls and at every later call, because a killed process writes nothing more."""

    def __init__(self, calls: int = NEVER) -> None:
        self.left = calls
        self.calls = 0

    def __call__(self) -> None:
        if self.left <= 0:
            raise Crash
        self.left -= 1
        self.calls += 1


class At:
    """Runs other work at one of its calls, counted from 0."""

    def __init__(self, call: int, work: Callable[[], object]) -> None:
        self._call = call
        self._work = work

    def __call__(self) -> None:
        self._call -= 1
        if self._call == -1:
            self._work()

    @property
    def has_run(self) -> bool:
        return self._call < 0


def until_crash(work: Callable[[], object]) -> None:
    """Run the work until it crashes or ends."""
    with suppress(Crash):
        work()


_PARTS: Final = ("register", "corrected_totals")
"""Parts of a store with effects of their own."""


class _Watched:
    """Calls `boundary` before and after every call of a store, and before every yielded item.

    Within a transaction it calls `inside`: no other writer can go first there.
    """

    def __init__(self, store: Any, boundary: Callable[[], None], inside: Callable[[], None]) -> None:
        self._store = store
        self._boundary = boundary
        self._inside = inside

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        outside = self._boundary
        outside()
        with self._store.transaction() as alone:
            if alone:
                self._boundary = self._inside
            try:
                yield alone
            finally:
                self._boundary = outside
        outside()

    def _now(self) -> None:
        """The boundary of this moment: a part of the store has effects inside and outside of transactions."""
        self._boundary()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name in _PARTS:
            return watched(found, self._now)
        if not callable(found):
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._boundary()
            result = found(*args, **named)
            if isinstance(result, Iterator):
                return self._each(result)
            self._boundary()
            return [self._each(shard) for shard in result] if name == "scan" else result

        return call

    def _each(self, items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            self._boundary()
            yield item


def watched(store: Store, boundary: Callable[[], None], inside: Callable[[], None] = lambda: None) -> Store:
    """The store with a boundary around each of its effects, and another around each effect within a transaction."""
    return cast(Store, _Watched(store, boundary, inside))


class Turns:
    """Runs several pieces of work, one at a time, and switches only at calls of `boundary`.

    `schedule` lists which work continues and for how many boundaries. After its end the pieces finish in sequence.
    Two writers therefore interleave in the same way each time.
    """

    def __init__(self, schedule: Sequence[tuple[int, int]]) -> None:
        self._schedule = list(schedule)
        self._turn = threading.Condition()
        self._running: list[int] = []
        self._now = -1
        self._left = 0
        self._local = threading.local()

    def boundary(self) -> None:
        """The work calls this before an effect, and other work can then run first. Other callers are ignored."""
        me: int | None = getattr(self._local, "me", None)
        if me is None:
            return
        with self._turn:
            self._left -= 1
            if self._left < 0:
                self._choose()
            self._wait(me)

    def run(self, *work: Callable[[], object]) -> list[Exception | None]:
        """Run the work to its end. Returns the exception of each piece, or None."""
        raised: list[Exception | None] = [None] * len(work)
        self._running = list(range(len(work)))

        def one(me: int) -> None:
            self._local.me = me
            with self._turn:
                self._wait(me)
            try:
                work[me]()
            except Exception as error:  # noqa: BLE001 the test checks it
                raised[me] = error
            finally:
                with self._turn:
                    self._running.remove(me)
                    self._choose()

        threads = [threading.Thread(target=one, args=(me,), daemon=True) for me in range(len(work))]
        for thread in threads:
            thread.start()
        with self._turn:
            self._choose()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a piece of work waits for a turn that never comes"
        return raised

    def _choose(self) -> None:
        while self._schedule:
            who, boundaries = self._schedule.pop(0)
            if who in self._running:
                self._now, self._left = who, boundaries
                break
        else:
            self._now, self._left = (self._running[0] if self._running else -1), NEVER
        self._turn.notify_all()

    def _wait(self, me: int) -> None:
        self._turn.wait_for(lambda: self._now == me)
