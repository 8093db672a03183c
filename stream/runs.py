"""A run of the flow in this process: how it starts, and how it ends."""

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
from assess_core.retrying import retrying

_FIRST_WAIT: Final = 0.5  # seconds
_LONGEST_WAIT: Final = 30.0

_Result = TypeVar("_Result")
# the function of `python -m bytewax.run`, which has no types; without recovery the epoch interval has no effect
_run: Callable[[Dataflow], None] = cli_main


class Run:
    """Ends at the end of the log, on request, or at the first `AssessError`. Source and sink share it.

    If a source or a sink raises an exception, Bytewax panics and prints its own stack trace. So an `AssessError` first
    ends the flow normally, and is raised after that.
    """

    def __init__(self) -> None:
        self._ending = False
        self._error: AssessError | None = None

    @property
    def ending(self) -> bool:
        """Whether the source must stop."""
        return self._ending

    @property
    def failed(self) -> bool:
        """Whether the sink must stop: no position may be committed after a batch that was not folded."""
        return self._error is not None

    def end(self) -> None:
        """Finish and commit the current batch, then end."""
        self._ending = True

    def fail(self, error: AssessError) -> None:
        """End because of an error; `run` raises the first one."""
        self._error = self._error or error
        self._ending = True

    def call_until_available(
        self, call: Callable[[], _Result], notify: Notify, meanwhile: Callable[[], None] = lambda: None
    ) -> _Result:
        """Repeat the call until the store answers. Raises `StoreUnavailable` only if the run must end during a wait.

        During a wait, `meanwhile` is called about ten times a second.
        """
        errors: list[BaseException] = []

        def report(error: BaseException, seconds: float) -> None:
            errors[:] = [error]
            notify(f"{error}; trying again in {seconds:.1f} s")

        def wait(seconds: float) -> None:
            # no threading.Event: a signal handler that sets it while this thread begins to wait blocks forever
            until = time.monotonic() + seconds
            while not self._ending and time.monotonic() < until:
                meanwhile()
                time.sleep(0.1)
            if self._ending:
                raise errors[0]

        policy = retrying(
            lambda error: isinstance(error, StoreUnavailable),
            deadline_seconds=None,
            first_wait=_FIRST_WAIT,
            longest_wait=_LONGEST_WAIT,
            notify=report,
            sleep=wait,
        )
        return policy(call)

    def run(self, flow: Dataflow) -> None:
        """Run a flow to its end, in this thread. Raises the `AssessError` that ended it."""
        _run(flow)
        if self._error is not None:
            raise self._error


@contextmanager
def ending_on_signals(run: Run) -> Iterator[None]:
    """End the run normally on SIGINT or SIGTERM. The same signal again kills the process, and no event is lost."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        run.end()

    before = [(number, signal.signal(number, handle)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
