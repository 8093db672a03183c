"""What a store says of itself when somebody asks how it is: `assess doctor` prints it."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """Whether a finding needs anybody."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """One thing that was looked at."""

    level: Level
    what: str
    message: str
    action: str | None = None
    """What to type or change; None where nothing is to be done."""
