"""Reports in a folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from assess_core.adapters.files.atomic_write import atomic_write, translated
from assess_core.ports.findings import Finding, Level

_PRIVATE_FOLDER: Final = 0o700


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
