"""Signals while servers start: never handled between the start of a process and the write of its pid."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """Raises `Interrupted` for these signals; while `held`, the exception is delayed."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: int | None = None
        for number in _SIGNALS:
            signal.signal(number, self._note)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay `Interrupted` until the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting is not None:
            raise Interrupted(self._waiting)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._waiting = number
        if not self._held:
            for known in _SIGNALS:  # stopping the servers must not be interrupted
                signal.signal(known, signal.SIG_IGN)
            raise Interrupted(number)
