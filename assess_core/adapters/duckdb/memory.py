"""The memory that DuckDB may use: one budget for all connections of this process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from assess_core.errors import StoreUnavailable
from assess_core.ports.cancelling import checkpoint

MOST: Final = 1_000_000_000
"""The maximum for one connection. A report of a million answers is as fast as with 16 GB; larger ones spill to disk."""
LEAST: Final = 64_000_000
"""The minimum for a query; DuckDB fails with less."""
_THREAD_BYTES: Final = 125_000_000
"""The memory a thread of DuckDB should have: it reads up to 2,048 attempts with all their answers at a time."""
_OUTSIDE: Final = 400_000_000
"""What a process needs beside DuckDB: 150 MB for Python and its libraries, the rest for Arrow and a Delta write."""
_WAIT_SECONDS: Final = 30.0
_CHECK_SECONDS: Final = 0.5
"""How often a waiting read checks whether its client went away."""


class MemoryBudget:
    """Divides a number of bytes among connections. Any thread may call."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._changed = threading.Condition()

    def resize(self, total: int) -> None:
        """Change the total, for connections that are opened from now on."""
        with self._changed:
            self._total = total
            self._changed.notify_all()

    @contextmanager
    def share(self, wait: float = _WAIT_SECONDS) -> Iterator[int]:
        """The bytes that one more connection may use: half of what is free, so that another one finds some.

        Waits for a share; raises `StoreUnavailable` if none becomes free.
        """
        share = self._take(wait)
        try:
            yield share
        finally:
            with self._changed:
                self._used -= share
                self._changed.notify_all()

    def _take(self, wait: float) -> int:
        deadline = time.monotonic() + wait
        with self._changed:
            while True:
                least = min(LEAST, self._total)
                free = self._total - self._used
                if free >= least:
                    share = min(MOST, max(least, free // 2))
                    self._used += share
                    return share
                checkpoint()
                self._changed.wait(min(_CHECK_SECONDS, max(0.0, deadline - time.monotonic())))
                if time.monotonic() >= deadline and self._total - self._used < least:
                    raise StoreUnavailable(
                        f"other reports and reads used all {self._total // 1_000_000:,} MB of memory for {wait:.0f} s; "
                        "try again later, or raise ASSESS_MEMORY"
                    )


def for_duckdb(memory: int) -> int:
    """The part of the memory of a process that DuckDB may use: all but 400 MB, and at least half."""
    return max(memory // 2, memory - _OUTSIDE)


def most_threads(share: int) -> int:
    """The number of DuckDB's threads that have room in a share."""
    return max(1, share // _THREAD_BYTES)


def available_memory(root: Path = Path("/")) -> int:
    """The bytes that this process may use: the machine's, or the limit of its control group if that is lower."""
    limits = [psutil.virtual_memory().total]
    for name in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes", *_own_group(root)):
        try:
            limits.append(int((root / name).read_text()))
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
    return min(limits)


def _own_group(root: Path) -> list[str]:
    """The files with the limits of this process's group and of those above it (cgroup v2, outside a container)."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    group = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), "")
    folders = [Path(group), *Path(group).parents] if group else []
    return [f"sys/fs/cgroup/{folder}/memory.max" for folder in folders]


BUDGET: Final = MemoryBudget(for_duckdb(available_memory() // 2))
"""By default a process may use half of the available memory; the rest is for other processes and the page cache."""
