"""Defines which files are log files, and how they store events.

A `.jsonl` or `.ndjson` file has one event per line and may be compressed (`.gz`). A `.json` file is one event. Rotated
names are read too: `events.jsonl.1`, `events.jsonl.2.gz`, `events.jsonl-20240205`. A folder stands for its log files,
sorted by name; files in subfolders are not read. `-` is standard input, with one event per line.
"""

import os
import re
import stat
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from assess_core.adapters.files.changes import identity_of
from assess_core.domain.events import STDIN
from assess_core.errors import BadLog
from assess_core.ports.log import Notify

ENDINGS: Final = ".jsonl, .ndjson or .json, also .jsonl.gz or .jsonl.1"
_NAME = re.compile(r"\.(?:(?P<lines>jsonl|ndjson)(?:[.-][0-9]{1,20})?(?P<gz>\.gz)?|json)\Z", re.ASCII | re.IGNORECASE)


class Kind(Enum):
    """How a log file holds its events."""

    LINES = "one event per line"
    ZIPPED = "one event per line, compressed by gzip"
    ONE = "one event"

    @classmethod
    def of(cls, name: str) -> "Kind | None":
        """The kind of a file with this name; None if it is not a log file."""
        found = _NAME.search(name)
        if found is None:
            return None
        if not found["lines"]:
            return cls.ONE
        return cls.ZIPPED if found["gz"] else cls.LINES


class LogFile(NamedTuple):
    """A log file, and how many bytes it had when it was found."""

    path: str
    """As given, for messages and to open the file."""
    topic: str
    """The absolute path without symbolic links, so that a file has one topic under all its names."""
    kind: Kind
    size: int
    identity: tuple[int, int, int]
    """Inode, size, and time of change in ns. If one differs, the content may differ."""


class Found(NamedTuple):
    """What is in a folder."""

    files: list[LogFile]
    ignored: list[str]
    """Names of files and folders that are not read."""


def find(paths: Iterable[str], notify: Notify) -> list[LogFile]:
    """The log files that these paths name, in order. Reports ignored files in a folder through `notify`.

    Raises `BadLog` if a path is missing, cannot be read, or names a file that is not a log file.
    """
    found: list[LogFile] = []
    for path in paths:
        if path == STDIN:
            found.append(LogFile(STDIN, STDIN, Kind.LINES, 0, (0, 0, 0)))
        elif os.path.isdir(path):
            files, ignored = in_folder(path)
            if ignored:
                notify(ignored_text(path, ignored))
            if not files:
                notify(f"{path!r} has no log file ({ENDINGS}), so there are no events in it")
            found += files
        else:
            found.append(_named(path))
    return found


def in_folder(path: str) -> Found:
    """The log files of a folder. Raises `BadLog`."""
    try:
        names = sorted(os.listdir(path), key=os.fsencode)
    except OSError as error:
        raise unreadable(path, error) from error
    real = os.path.realpath(path)
    files: dict[str, LogFile] = {}
    ignored: list[str] = []
    for name in names:
        # many tools write to a hidden name and rename the file when it is complete
        kind = None if name.startswith(".") else Kind.of(name)
        file = _log_file(os.path.join(path, name), os.path.join(real, name), kind) if kind else None
        if file is None:
            ignored.append(name)
        else:
            files.setdefault(file.topic, file)  # a link to another log file of this folder adds no events
    return Found(list(files.values()), ignored)


def ignored_text(folder: str, names: list[str]) -> str:
    """A sentence that names the ignored files of a folder."""
    what = f"{names[0]!r}" if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more"
    return f"not read in {folder!r}, because log files end in {ENDINGS}: {what}"


def is_missing(folder: Path) -> bool:
    """Whether nothing exists at this path. A path without permission is not missing: reading it reports the error."""
    try:
        folder.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def unreadable(path: str, error: OSError) -> BadLog:
    """The error for a path that cannot be read."""
    return BadLog(f"{path!r} cannot be read: {error.strerror or error}; check its name and permissions")


def _named(path: str) -> LogFile:
    try:
        os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from error
    kind = Kind.of(os.path.basename(path))
    file = _log_file(path, os.path.realpath(path), kind) if kind else None
    if file is None:
        raise BadLog(
            f"{path!r} is not a log file ({ENDINGS}); rename it, or give it on standard input: assess ingest - < FILE"
        )
    return file


def _log_file(path: str, full: str, kind: Kind) -> LogFile | None:
    """None if it is not a regular file: a folder, a pipe, a broken link, or a file that was just deleted."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        return None
    real = os.path.realpath(full) if os.path.islink(full) else full
    return LogFile(path, _topic(real), kind, found.st_size, identity_of(found))


def _topic(path: str) -> str:
    """The path, or a `file:` URL if it is not UTF-8, because stores keep text only."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return Path(path).as_uri()
    return path
