"""Write times: Cassandra keeps the value with the highest one (docs/decisions/0013)."""

import time
from typing import Final

_VERSION: Final = 10**13  # more than the milliseconds from 1970 to 2100, so a version outweighs any clock
_BASE: Final = -9 * 10**18  # with up to 900,000 versions the time is in the past, so an operator's DELETE reaches it
_MOST: Final = 1_800_000  # versions of a learner in a batch; above, the later view wins


def of_receipt(received_at: int) -> int:
    """For rows and map entries: the earliest receipt (epoch ms) gets the highest write time (us)."""
    return -received_at * 1000


def of_view(versions: int) -> int:
    """For derived columns: the view from more versions wins; of two from as many, the later one wins as a whole."""
    return _BASE + min(versions, _MOST) * _VERSION + time.time_ns() // 1_000_000


def of_first() -> int:
    """For values that are written once: the first writer gets the highest write time (us)."""
    return -(time.time_ns() // 1000)
