"""The one retry policy: exponential backoff with jitter, up to a deadline.

Adapters and shells choose which errors are temporary and how long to wait; tenacity does the rest.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying

FIRST_WAIT = 0.1  # seconds; most leader elections and busy databases recover within it
LONGEST_WAIT = 2.0


def retrying(
    is_temporary: Callable[[BaseException], bool],
    *,
    deadline_seconds: float | None,
    first_wait: float = FIRST_WAIT,
    longest_wait: float = LONGEST_WAIT,
    notify: Callable[[BaseException, float], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> "Retrying":
    """A retry policy: `retrying(is_temporary, deadline_seconds=10)(call)` returns what `call()` returns.

    A permanent error is raised immediately. A temporary error is raised when the next wait would pass the deadline, and
    never if `deadline_seconds` is None. Each wait is random, so that clients of a restarted server do not retry at the
    same time. It is between half of `first_wait` and a bound that doubles from `first_wait` to `longest_wait`.
    `notify` gets the error and the wait in seconds, before each wait.
    """

    # imported here: tenacity imports asyncio, which takes 0.05 s, and many commands never retry
    from tenacity import Retrying, retry_if_exception, stop_before_delay, stop_never, wait_random_exponential

    def before_sleep(state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        if notify is not None and error is not None:
            notify(error, state.upcoming_sleep)

    return Retrying(
        retry=retry_if_exception(is_temporary),
        stop=stop_never if deadline_seconds is None else stop_before_delay(deadline_seconds),
        wait=wait_random_exponential(multiplier=first_wait, min=first_wait / 2, max=longest_wait),
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )
