"""Findings about the state of a store or a source; `assess doctor` prints them."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """Whether a finding needs action."""

    OK = "ok"
    """Nothing needs to be done."""
    WARN = "warn"
    """It should be looked at soon."""
    BAD = "bad"
    """Something does not work, or data is in danger. `assess doctor` ends with exit code 1."""


class Finding(NamedTuple):
    """The result of one check."""

    level: Level
    what: str
    message: str
    action: str | None = None
    """What to type or change; None if nothing needs to be done."""
