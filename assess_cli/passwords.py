"""Passwords of zip files. They are not arguments of commands, because other users can read those."""

from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 4096


def first_line(file: Path) -> str:
    """The first line of a file."""
    with file.open("rb") as opened:
        return opened.readline(_MOST_BYTES).decode("utf-8", "replace").rstrip("\r\n")
