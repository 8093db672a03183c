"""Filters Dagster's output: it shows warnings, errors, and one line for each run that ended."""

import re
from typing import Final

_RECORD: Final = re.compile(r"(?:\x1b\[\d+m)?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}(?:\x1b\[0m)? - (?P<rest>.*)")
_COLOUR: Final = re.compile(r"\x1b\[\d+m")
_LEVEL: Final = re.compile(r"(?P<logger>\S+) - (?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) - (?P<text>.*)")
_ENDED: Final = re.compile(r"\S+ - (?P<run>[0-9a-f-]{36}) - \d+ - RUN_(?P<how>SUCCESS|FAILURE|CANCELED) - ")
_SHOWN: Final = ("WARNING", "ERROR", "CRITICAL")
# a new instance has no cursors, and our definitions use features that Dagster calls beta: neither needs an action
_EXPECTED: Final = re.compile(r"No cursor for event type |.*: (?:Beta|Preview)Warning: ")
_WORDS: Final = {"SUCCESS": "succeeded", "FAILURE": "failed", "CANCELED": "was cancelled"}


class DagsterLines:
    """Decides line by line what is shown; a line without a time belongs to the record above it."""

    def __init__(self) -> None:
        self._shown = True  # lines before the first record are from Python itself, such as a missing module

    def __call__(self, line: str) -> str | None:
        """The line as it is shown, or None."""
        record = _RECORD.match(line)
        if record is None:
            return line if self._shown and line.strip() else None
        found = _LEVEL.match(_COLOUR.sub("", record["rest"]))
        if found is None:
            self._shown = True
            return line
        if ended := _ENDED.match(found["text"]):
            self._shown = False
            return f"run {ended['run'][:8]} {_WORDS[ended['how']]}"
        self._shown = found["level"] in _SHOWN and not _EXPECTED.match(found["text"])
        return line if self._shown else None
