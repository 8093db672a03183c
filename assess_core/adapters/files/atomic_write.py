"""Atomic writes: a file appears complete or not at all."""

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from assess_core.errors import ReportFailed, StoreUnavailable, is_full

_TEMPORARY: Final = ".exhaust-{}.tmp"
PRIVATE: Final = 0o600
"""The mode of a new report: it holds personal data."""
_PRIVATE_FOLDER: Final = 0o700


@contextmanager
def atomic_write(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary file, which replaces `path` when it is complete and on disk; on failure it is deleted.

    The file gets `mode`, or 0600. Raises `StoreUnavailable` if the disk is full, `ReportFailed` for other errors.
    """
    temporary = path.with_name(_TEMPORARY.format(secrets.token_hex(8)))
    with translated(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        try:
            temporary.touch(PRIVATE, exist_ok=False)
            yield temporary
            if mode is not None:
                temporary.chmod(stat.S_IMODE(mode))
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def temporaries(folder: Path, seconds: float) -> Iterator[Path]:
    """The temporary files here and below to which nobody has written for so long.

    After an hour, their process was killed: one that lives writes all the time.
    """
    for path in folder.rglob(_TEMPORARY.format("*")):
        with suppress(FileNotFoundError):  # it is complete or deleted since
            if path.stat().st_mtime <= time.time() - seconds:
                yield path


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Translate an error of the operating system into one of ours, which names the file and says what to do."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            message = (
                f"no room for {path} ({error.strerror}); free some space and run it again; no partial file was left"
            )
            raise StoreUnavailable(message) from error
        reason = error.strerror or str(error)
        raise ReportFailed(f"cannot write {path}: {reason}; name a file in a folder that you may write to") from error


def write_first(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet; only its owner can read it. It appears complete, or not at all.

    If several processes do it, the first one wins. Raises `OSError`.

    The bytes are written to `.NAME.new`, which is renamed. Its name is fixed, so the next call finishes or deletes what
    a killed process left. It never has the bytes of the file that is in use.
    """
    path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    while not path.exists() or new.exists():
        with open(os.open(new, os.O_WRONLY | os.O_CREAT, PRIVATE), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(new, file):  # another process renamed or deleted it while this one waited
                continue
            if path.exists():
                new.unlink()
                return
            file.truncate()
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            new.rename(path)
            _sync(path.parent)


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
