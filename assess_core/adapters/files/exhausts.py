"""Reports in a folder."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from assess_core.adapters.files.atomic_write import atomic_write, temporaries, translated
from assess_core.adapters.files.decoding import decoded
from assess_core.errors import LinkExpired, ReportFailed
from assess_core.ports.erasures import Text
from assess_core.ports.findings import Finding, Level
from assess_core.ports.reports import StoredReport

_PRIVATE_FOLDER: Final = 0o700
_CHUNK: Final = 256 * 1024
GONE: Final = "the report does not exist any more; submit its request again"


class FolderExhausts:
    """`ports.Exhausts` in a folder, which the first report creates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> str:
        return str(self._folder / name)

    @contextmanager
    def atomic_write(self, name: str) -> Iterator[Path]:
        path = self._folder / name
        with translated(path):
            path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            yield temporary

    def read(self, name: str) -> StoredReport:
        path = self._folder / name
        try:
            with translated(path):
                file = path.open("rb")
        except ReportFailed as error:
            if not path.exists():
                raise LinkExpired(GONE) from error
            raise
        return StoredReport(os.fstat(file.fileno()).st_size, _chunks(file))

    def delete(self, name: str) -> None:
        path = self._folder / name
        with translated(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=False)
            else:
                path.unlink(missing_ok=True)

    def delete_temporaries(self) -> None:
        with translated(self._folder):
            for path in temporaries(self._folder, 0):
                path.unlink(missing_ok=True)

    def texts(self) -> Iterator[tuple[str, Iterator[Text]]]:
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            yield str(path.relative_to(self._folder)), decoded(path, path.name)

    def examine(self) -> Iterator[Finding]:
        folder = self._folder
        place = next(place for place in (folder, *folder.parents) if place.exists())
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            yield Finding(Level.BAD, "exhausts", f"{folder} cannot be written", f"let this user write {place}")
        elif place != folder:
            message = f"{folder} does not exist yet; the first command that writes to it creates it"
            yield Finding(Level.OK, "exhausts", message)
        else:
            yield Finding(Level.OK, "exhausts", str(folder))


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
