"""Old archives in files and folders of this machine."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assess_core.adapters.files.archive_content import content_of
from assess_core.domain.archive_files import ENDINGS, ArchiveFile, is_archive
from assess_core.errors import BadArchives
from assess_core.ports.archive_files import Content

_NAMES: Final = " or ".join(ENDINGS)


class ArchivePaths:
    """`ports.ArchiveFiles` of paths. A folder stands for all files in it and in its subfolders."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Raises `BadArchives` if a path is missing or is not an archive."""
        found = {file.url: file for path in paths for file in _found(path)}
        self.files = sorted(found.values(), key=lambda file: file.order)

    @contextmanager
    def open(self, file: ArchiveFile) -> Iterator[Content]:
        path = Path(file.url)
        try:
            if stat.S_ISREG(path.stat().st_mode):
                content = content_of(path, file.url)
            else:  # a pipe would wait for a writer
                content = Content("it is no regular file; copy it again, or move it away", None)
        except OSError as error:
            content = Content(f"the file cannot be read: {error.strerror}; check its permissions", None)
        yield content


def _files_below(folder: str) -> Iterator[str]:
    """The files in a folder, in its subfolders and in those that links lead to, each folder once. Raises `OSError`."""
    known = {os.path.realpath(folder)}
    for parent, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = {name: os.path.realpath(os.path.join(parent, name)) for name in folders}
        folders[:] = [name for name in folders if real[name] not in known]
        known.update(real.values())
        yield from (os.path.join(parent, name) for name in names)


def _found(path: str) -> list[ArchiveFile]:
    try:
        if not os.path.isdir(path):
            return [_named(path)]
        files = [_file(file) for file in _files_below(path) if is_archive(os.path.relpath(file, path))]
    except OSError as error:
        raise BadArchives(
            f"{str(error.filename or path)!r} cannot be read: {error.strerror}; check its name and permissions"
        ) from error
    if not files:
        raise BadArchives(f"{path!r} has no file that ends in {_NAMES}; name the folder of the archives")
    return files


def _named(path: str) -> ArchiveFile:
    file = _file(path)
    if not path.endswith(ENDINGS) or not os.path.isfile(path):
        raise BadArchives(f"{path!r} is not an archive, which is a file that ends in {_NAMES}; rename it")
    return file


def _file(path: str) -> ArchiveFile:
    found = os.stat(path)
    real = os.path.realpath(path)
    try:
        real.encode()
    except UnicodeEncodeError:
        raise BadArchives(f"{path!r} is not UTF-8; rename it") from None
    return ArchiveFile(real, found.st_size, f"{found.st_size} {found.st_mtime_ns}")


def _unreadable(error: OSError) -> None:
    raise error
