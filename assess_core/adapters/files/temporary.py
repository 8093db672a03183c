"""Temporary folders, which can hold answers of learners. A full or missing TMPDIR raises an error that says what to do.

A process locks its folders while it lives. So what a killed process left is known, and the next process deletes it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from assess_core.errors import StoreUnavailable

_ENDING: Final = ".tmp"


@contextmanager
def temporary_folder(prefix: str) -> Iterator[str]:
    """A folder that is deleted when its block ends. `prefix` begins with `assess-`.

    Raises `StoreUnavailable` if it cannot be made.
    """
    try:
        _delete_abandoned()
        folder, lock = _locked(prefix)
    except OSError as error:
        raise StoreUnavailable(
            f"there is no room for temporary files ({error.strerror}); free some, or set TMPDIR to another folder"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(prefix: str) -> tuple[str, int]:
    """A new folder, and the open file that locks it."""
    while True:
        folder = tempfile.mkdtemp(prefix=prefix, suffix=_ENDING)
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # another process took it for abandoned before it was locked
            continue
        with suppress(OSError):  # some network file systems cannot lock a folder; then nobody deletes it
            fcntl.flock(lock, fcntl.LOCK_EX)
        if Path(folder).exists():  # as above
            return folder, lock
        os.close(lock)


@cache
def _delete_abandoned() -> None:
    """Delete the folders of killed processes of this user. Once in the life of a process, because it lists TMPDIR."""
    for path in Path(tempfile.gettempdir()).glob(f"assess-*{_ENDING}"):
        with suppress(OSError):  # it is of another user, or locked by a process that lives, or deleted since
            if path.stat().st_uid == os.geteuid():
                _delete_unless_locked(path)


def _delete_unless_locked(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)
