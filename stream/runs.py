"""A run of the flow in this process: how it begins, and the ways in which it ends."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

from bytewax.dataflow import Dataflow
from bytewax.run import cli_main

from assess_core.errors import AssessError, StoreUnavailable
from assess_core.ports.log import Notify

_FIRST_WAIT: Final = 0.5  # seconds; doubled up to the longest
_LONGEST_WAIT: Final = 30.0

_Result = TypeVar("_Result")
# what `python -m bytewax.run` calls, untyped there; without recovery the length of an epoch means nothing
_run: Callable[[Dataflow], None] = cli_main


class Run:
    """Ends when the log ends, when it is asked to, or at the first error of ours; source and sink share it.

    An exception that leaves a source or a sink makes Bytewax's engine panic, with its own stack trace on standard
    error. So errors of ours end the flow in order instead, and are raised when it has ended.
    """

    def __init__(self) -> None:
        self._ending = False
        self._error: AssessError | None = None

    @property
    def ending(self) -> bool:
        """Whether the source is to give nothing more."""
        return self._ending

    @property
    def failed(self) -> bool:
        """Whether the sink is to fold nothing more: positions must not run over a batch that was not folded."""
        return self._error is not None

    def end(self) -> None:
        """Finish the batch at hand, commit it, and end."""
        self._ending = True

    def fail(self, error: AssessError) -> None:
        """End because of an error; the first one counts."""
        self._error = self._error or error
        self._ending = True

    def patiently(
        self, call: Callable[[], _Result], notify: Notify, meanwhile: Callable[[], None] = lambda: None
    ) -> _Result:
        """Call until the store answers, waiting longer each time. Raises `StoreUnavailable` only when told to end.

        `meanwhile` is called about ten times a second as long as it waits.
        """
        wait = _FIRST_WAIT
        while True:
            try:
                return call()
            except StoreUnavailable as error:
                notify(f"{error}; trying again in {wait:g} s")
                self._sleep(wait, meanwhile)
                if self._ending:
                    raise
                wait = min(wait * 2, _LONGEST_WAIT)

    def _sleep(self, seconds: float, meanwhile: Callable[[], None]) -> None:
        # no threading.Event: a signal handler that sets one while this thread is about to wait for it blocks forever
        until = time.monotonic() + seconds
        while not self._ending and time.monotonic() < until:
            meanwhile()
            time.sleep(0.1)

    def run(self, flow: Dataflow) -> None:
        """Run a flow to its end, in this thread. Raises the `AssessError` that ended it."""
        _run(flow)
        if self._error is not None:
            raise self._error


@contextmanager
def ending_on_signals(run: Run) -> Iterator[None]:
    """SIGINT and SIGTERM end the run in order; the same signal again ends the process at once, which loses nothing."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        run.end()

    before = [(number, signal.signal(number, handle)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
