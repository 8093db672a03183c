"""The findings about folders: whether they can be written, who can read them, and the space that is free."""

import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from assess_core.ports.findings import Finding, Level

_LITTLE: Final = 1024**3  # bytes; archiving and compacting a busy week needs twice this
_NONE: Final = 100 * 1024**2  # bytes; SQLite's WAL alone can grow to this size
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def home(folder: Path) -> Iterator[Finding]:
    """Whether the home folder can be used, and whether other users can read it."""
    found = writable("home folder", folder)
    if found.level is Level.OK and not folder.exists():
        message = f"{folder} does not exist, so nothing is stored there"
        yield Finding(Level.WARN, "home folder", message, "assess demo creates one; or name yours with --home")
    else:
        yield found
    # this version creates private folders; these come from another program or an older version
    private = (folder, folder / "log", folder / "lake", folder / "exhausts")
    if open_ones := [path for path in private if _is_open(path)]:
        message = f"other users of this machine can read {', '.join(map(str, open_ones))}; it holds personal data"
        yield Finding(Level.WARN, "privacy", message, f"chmod -R go= {shlex.quote(str(folder))}")


def writable(what: str, folder: Path) -> Finding:
    """Whether a folder can be written, or created."""
    place = _nearest(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding(Level.BAD, what, f"{folder} cannot be written", f"let this user write {place}")
    if place != folder:
        return Finding(Level.OK, what, f"{folder} does not exist yet; the first command that writes to it creates it")
    return Finding(Level.OK, what, str(folder))


def spaces(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """The free space of each file system that we write to, and folders that cannot be created.

    `folders` has the folder of each setting.
    """
    seen = set[int]()
    for setting, folder in folders.items():
        place = _nearest(folder)
        if not place.is_dir():
            yield Finding(Level.BAD, "folders", f"{setting}: {folder} cannot be created, because {place} is a file")
        elif place.stat().st_dev not in seen:
            seen.add(place.stat().st_dev)
            yield _space(setting, folder, shutil.disk_usage(place).free)


def _space(setting: str, folder: Path, free: int) -> Finding:
    message = f"{free / 1024**3:.1f} GiB free for {folder}"
    if free < _NONE:
        return Finding(Level.BAD, "free space", message, f"free some space, or name another folder in {setting}")
    if free < _LITTLE:
        return Finding(Level.WARN, "free space", message, "free some space before the next archive")
    return Finding(Level.OK, "free space", message)


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & _OTHERS)


def _nearest(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
