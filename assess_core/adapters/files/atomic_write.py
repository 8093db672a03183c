"""A file that appears whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assess_core.errors import ReportFailed, StoreUnavailable

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, which takes its place when it is whole and on the disk; else it goes.

    Raises `StoreUnavailable` where there is no room, `ReportFailed` where nothing can be written.
    """
    temporary = path.with_name(f".exhaust-{secrets.token_hex(8)}.tmp")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _NO_ROOM:
            message = f"no room for {path} ({error.strerror}); free some and run it again, nothing was left behind"
            raise StoreUnavailable(message) from error
        reason = error.strerror or str(error)
        raise ReportFailed(f"cannot write {path}: {reason}; name a file in a folder that you may write to") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
