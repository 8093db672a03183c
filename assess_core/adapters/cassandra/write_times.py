"""Write times: Cassandra keeps the value with the highest write time (docs/decisions/0013)."""

import time
from typing import Final

_VERSION: Final = 10**13  # more than the milliseconds from 1970 to 2100, so one more version outweighs any clock
_BASE: Final = -9 * 10**18  # up to 900,000 versions, the time is in the past, so an operator's DELETE takes effect
_MOST: Final = 1_800_000  # versions of a learner in a batch; with more, the later view wins


def receipt_write_time(received_at: int) -> int:
    """For rows and map entries: the earliest receipt (epoch ms) gets the highest write time (us)."""
    return -received_at * 1000


def view_write_time(versions: int) -> int:
    """For derived columns: the view from more versions wins. If both have equally many, the whole later view wins."""
    return _BASE + min(versions, _MOST) * _VERSION + time.time_ns() // 1_000_000


def first_write_time() -> int:
    """For values that are written once: the first writer gets the highest write time (us)."""
    return -(time.time_ns() // 1000)
