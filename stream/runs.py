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
# what `python -m bytewax.run` calls, untyped there; without recovery the length of an epoch means nothing
_run: Callable[[Dataflow], None] = cli_main


class Run:
    """Ends at the end of the log, on request, or at the first `AssessError`; source and sink share it.

    An exception that leaves a source or a sink makes Bytewax panic and print its own stack trace. So an `AssessError`
    ends the flow in order and is raised after that.
    """

    def __init__(self) -> None:
        self._ending = False
        self._error: AssessError | None = None

    @property
    def ending(self) -> bool:
        """Whether the source must give nothing more."""
        return self._ending

    @property
    def failed(self) -> bool:
        """Whether the sink must fold nothing more: no position may be committed after a batch that was not folded."""
        return self._error is not None

    def end(self) -> None:
        """Finish and commit the current batch, then end."""
        self._ending = True

    def fail(self, error: AssessError) -> None:
        """End because of an error; the first one counts."""
        self._error = self._error or error
        self._ending = True

    def call_until_available(
        self, call: Callable[[], _Result], notify: Notify, meanwhile: Callable[[], None] = lambda: None
    ) -> _Result:
        """Call until the store answers. Raises `StoreUnavailable` only if the run is told to end while it waits.

        `meanwhile` is called about ten times a second during a wait.
        """
        errors: list[BaseException] = []

        def tell(error: BaseException, seconds: float) -> None:
            errors[:] = [error]
            notify(f"{error}; trying again in {seconds:.1f} s")

        def wait(seconds: float) -> None:
            # not a threading.Event: a signal handler that sets one while this thread begins to wait blocks forever
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
            notify=tell,
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
    """SIGINT and SIGTERM end the run in order. The same signal again kills the process at once, and nothing is lost."""

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        run.end()

    before = [(number, signal.signal(number, handle)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
