"""Ending work whose answer is no longer wanted: a client went away, or the deadline has passed.

A shell runs a question inside `cancellable`; adapters that work for long call `checkpoint` between batches, or register
a way to be interrupted with `interruptible`. Outside of `cancellable` both do nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from assess_core.errors import DeadlineExceeded


class Cancellation:
    """Whether a question was given up. Any thread may cancel it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupts: set[Callable[[], None]] = set()
        self.reason: str | None = None

    def cancel(self, reason: str) -> None:
        """Give the question up; work on it ends as soon as it can. `reason` is a sentence for the client."""
        with self._lock:
            self.reason = reason
            interrupts = list(self._interrupts)
        for interrupt in interrupts:
            interrupt()

    def check(self) -> None:
        """Raises `DeadlineExceeded` if the question was given up."""
        if self.reason is not None:
            raise DeadlineExceeded(self.reason)

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` when the question is given up inside the block. Raises `DeadlineExceeded`."""
        with self._lock:
            self._interrupts.add(interrupt)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._interrupts.discard(interrupt)


_current: Final[ContextVar[Cancellation | None]] = ContextVar("cancellation", default=None)


@contextmanager
def cancellable(cancellation: Cancellation) -> Iterator[None]:
    """Work of this block, in this thread, ends when the question is given up."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def checkpoint() -> None:
    """Raises `DeadlineExceeded` if the question that is worked on was given up."""
    cancellation = _current.get()
    if cancellation is not None:
        cancellation.check()


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt`, from another thread, when the question that is worked on is given up inside the block."""
    cancellation = _current.get()
    if cancellation is None:
        yield
        return
    with cancellation.interruptible(interrupt):
        yield
