"""The threads of long questions. Other threads of the machine get a processor before them.

A long question uses all cores. Linux gives each thread its own priority (its *nice* value), and the threads of a
DuckDB connection begin with that of the thread that opens it. So scores are answered while batches are read.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Final, TypeVar

NICER: Final = 10
"""How much higher the nice value is than that of the process: under load, such a thread gets a tenth of a core."""

T = TypeVar("T")


class LongThreads:
    """Threads that answer long questions and nothing else: a thread cannot get its priority back."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count, "assess-long", lower_priority)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns. If this is cancelled, work that did not begin never does; other work ends by itself."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, copy_context().run, work)


def lower_priority() -> None:
    """Lower the priority of the current thread, and of all threads that it starts. Only Linux has such priorities."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox can forbid the call; then the thread stays as it is
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICER)
