"""Small files that a setting names."""

import errno
import os
import stat
from pathlib import Path

from assess_core.errors import BadSettings


def read_beginning(path: Path, most_bytes: int) -> bytes:
    """The content of a file; of a larger file, one byte more than `most_bytes`.

    Raises `OSError`, also for a pipe or a device: it could keep a process waiting, or give other bytes next time.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return file.read(most_bytes + 1)


def read_setting_file(setting: str, path: Path, most_bytes: int) -> bytes:
    """As `read_beginning`. Raises `BadSettings` if the file cannot be read."""
    try:
        return read_beginning(path, most_bytes)
    except OSError as error:
        raise BadSettings(
            f"{setting}: {str(path)!r} cannot be read: {error.strerror}; check the path and its permissions"
        ) from error
