"""Findings about the state of a store or a source; `assess doctor` prints them."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """Whether a finding needs action."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(NamedTuple):
    """The result of one check."""

    level: Level
    what: str
    message: str
    action: str | None = None
    """What to type or change; None if nothing needs to be done."""
