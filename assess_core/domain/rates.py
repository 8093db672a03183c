"""Rates of requests, as settings write them: `600/minute`."""

import re
from typing import Final, NamedTuple

from assess_core.domain.counts import counted
from assess_core.errors import BadSettings

OFF: Final = "off"
_RATE: Final = re.compile(r"([1-9]\d{0,6})/(second|minute|hour)\Z", re.ASCII)
_NUMBER: Final = re.compile(r"[1-9]\d{0,6}\Z", re.ASCII)
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
_UNITS: Final = {seconds: name for name, seconds in _SECONDS.items()}


class Rate(NamedTuple):
    """At most `requests` in each window of `seconds`."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.requests}/{_UNITS[self.seconds]}"

    @property
    def sentence(self) -> str:
        """`600 requests per minute`."""
        return f"{counted(self.requests, 'request')} per {_UNITS[self.seconds]}"


def parse_rate(text: str, what: str) -> Rate | None:
    """Read a rate; None for `off`. Raises `BadSettings`."""
    if text == OFF:
        return None
    found = _RATE.match(text)
    if not found:
        raise BadSettings(f"{what}: {text[:40]!r} is not a rate; write e.g. 600/minute, or off")
    return Rate(int(found[1]), _SECONDS[found[2]])


def parse_most(text: str, what: str) -> int | None:
    """Read the most requests at the same time; None for `off`. Raises `BadSettings`."""
    if text == OFF:
        return None
    if not _NUMBER.match(text):
        raise BadSettings(f"{what}: {text[:40]!r} is not a number of requests; write e.g. 16, or off")
    return int(text)
