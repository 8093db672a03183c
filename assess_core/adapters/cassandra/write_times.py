"""With which write times Cassandra is told things: it keeps what has the highest one (docs/decisions/0013)."""

import time
from typing import Final

_VERSION: Final = 10**13  # more than the milliseconds from 1970 to 2100: a version counts for more than any clock
_BASE: Final = -9 * 10**18  # up to 900,000 versions stay in the past, where a DELETE of an operator reaches them
_MOST: Final = 1_800_000  # versions of a learner in a batch; from there on the later view stays


def of_receipt(received_at: int) -> int:
    """For rows and map entries: the earliest receipt (epoch ms) has the highest write time (us)."""
    return -received_at * 1000


def of_view(versions: int) -> int:
    """For what is derived: a view from more versions replaces one from fewer; of equals the later stays, whole."""
    return _BASE + min(versions, _MOST) * _VERSION + time.time_ns() // 1_000_000


def of_first() -> int:
    """For what is written once: the first writer has the highest write time (us)."""
    return -(time.time_ns() // 1000)
