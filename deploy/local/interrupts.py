"""Being told to stop while servers are started: never between a process and the note of its pid."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody asks for the end; `number` is the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """Turns the signals that ask for the end into `Interrupted`, which waits while it is held."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: int | None = None
        for number in _SIGNALS:
            signal.signal(number, self._note)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is in here is done to its end; what was asked for meanwhile is raised after it."""
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
            for known in _SIGNALS:  # the end itself is orderly: once is enough
                signal.signal(known, signal.SIG_IGN)
            raise Interrupted(number)
