"""Temporary files of tests in memory, where there is room.

The stores sync their files in almost every test. A test that waits for the disk shows nothing more than one that does
not, because no test switches the machine off.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

import psutil

_FOLDER: Final = Path("/dev/shm")
_ROOM: Final = 8 * 1024**3
"""Bytes: three times what the files of a whole run take."""
_PROCESSES: Final = 8 * 1024**3
"""Bytes of memory that the processes of a run need."""


def use_memory_for_temporary_files() -> None:
    """Set `TMPDIR` for this process and those that it starts, unless it is set."""
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = str(_FOLDER)
        tempfile.tempdir = None  # pytest has asked before, and Python remembers the answer


def _has_room() -> bool:
    if not os.access(_FOLDER, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(_FOLDER)
    # Cassandra runs code that it writes into its folder
    may_run = not found.f_flag & os.ST_NOEXEC
    free = found.f_bavail * found.f_frsize
    return may_run and free >= _ROOM and psutil.virtual_memory().available >= _ROOM + _PROCESSES
