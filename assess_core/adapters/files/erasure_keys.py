"""The ring of erasure keys: a file with a key in each line, the current one first. Only its owner can read it."""

import re
import secrets
from pathlib import Path
from typing import Final

from assess_core.adapters.files.atomic_write import write_first
from assess_core.adapters.files.changes import ChangingFile
from assess_core.domain.json_text import without_mark
from assess_core.errors import BadSettings

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES: Final = 64 * 1024
_ADVICE: Final = "restore the file of ASSESS_ERASURE_KEYS from its backup"


class KeyFile:
    """A `ports.Keys`. A running process sees a key that another one has added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = ChangingFile(path, _MOST_BYTES, self._parse, self._unreadable)

    def all(self) -> tuple[str, ...]:
        try:
            self._path.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreadable(error) from error
        return self._file.content()

    def create(self) -> tuple[str, ...]:
        try:
            write_first(self._path, f"{secrets.token_hex(32)}\n".encode())
        except OSError as error:
            raise self._unreadable(error) from error
        return self.all()

    def _parse(self, content: bytes) -> tuple[str, ...]:
        lines = without_mark(content).decode("ascii", "replace").split()
        if not lines or len(content) > _MOST_BYTES or not all(map(_KEY.fullmatch, lines)):
            raise BadSettings(
                f"ASSESS_ERASURE_KEYS: {str(self._path)!r} is not a ring of keys, with 64 hex digits in each line; "
                f"{_ADVICE}"
            )
        return tuple(lines)

    def _unreadable(self, error: OSError) -> BadSettings:
        return BadSettings(
            f"ASSESS_ERASURE_KEYS: {str(self._path)!r} cannot be used ({error.strerror}); let this user read and write "
            f"it, or {_ADVICE}"
        )
