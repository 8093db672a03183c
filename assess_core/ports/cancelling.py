"""Cancels a query when its client has disconnected or its deadline has passed.

A shell runs a query inside `cancellable`. Adapters that work for long call `checkpoint` between batches, or register a
function that interrupts them with `interruptible`. Outside of `cancellable` both do nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from assess_core.errors import DeadlineExceeded


class Cancellation:
    """Cancels one query, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupts: set[Callable[[], None]] = set()
        self.reason: str | None = None

    def cancel(self, reason: str) -> None:
        """Cancel the query; its work ends as soon as it can. `reason` is a sentence for the client."""
        with self._lock:
            self.reason = reason
            interrupts = list(self._interrupts)
        for interrupt in interrupts:
            interrupt()

    def check(self) -> None:
        """Raise `DeadlineExceeded` if the query was cancelled."""
        if self.reason is not None:
            raise DeadlineExceeded(self.reason)

    @contextmanager
    def interruptible(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` if the query is cancelled inside the block. Raises `DeadlineExceeded` if it already was."""
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
    """End the work of this thread inside the block when the query is cancelled."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)


def checkpoint() -> None:
    """Raise `DeadlineExceeded` if the current query was cancelled."""
    cancellation = _current.get()
    if cancellation is not None:
        cancellation.check()


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt`, from another thread, if the current query is cancelled inside the block."""
    cancellation = _current.get()
    if cancellation is None:
        yield
        return
    with cancellation.interruptible(interrupt):
        yield
