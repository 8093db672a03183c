"""Freed memory, which allocators keep, goes back to the system."""

import ctypes
from typing import Final

import pyarrow as pa

_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)
"""Only glibc has it."""


def return_freed_memory() -> None:
    """Return to the system what Arrow and the C library freed and keep for later. It takes 4 ms.

    Arrow, deltalake and Python allocate and free in different threads, so the free pieces lie between used ones. While
    125,000 attempts were archived, the kept memory grew to 700 MB, whatever the size of a batch.
    """
    pa.default_memory_pool().release_unused()
    if _TRIM is not None:
        _TRIM(0)
