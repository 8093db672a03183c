"""Old archives in files and folders of this machine."""

import os
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
        try:
            content = content_of(Path(file.url), file.url)
        except OSError as error:
            content = Content(f"the file cannot be read: {error.strerror}; check its permissions", None)
        yield content


def _found(path: str) -> list[ArchiveFile]:
    try:
        if not os.path.isdir(path):
            return [_named(path)]
        files: list[ArchiveFile] = []
        for folder, _, names in os.walk(path, onerror=_unreadable):
            found = (os.path.join(folder, name) for name in names)
            files += [_file(file) for file in found if is_archive(os.path.relpath(file, path))]
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
