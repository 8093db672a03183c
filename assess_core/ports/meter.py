"""Where measurements go. Measuring never fails and never delays the work that is measured by more than a second."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from assess_core.domain.measures import Cell, Sample

Numbers = Mapping[Cell, float]
"""The numbers of all metrics that were recorded."""


class Meter(Protocol):
    """Combines samples into numbers. Threads can share it."""

    def record(self, *samples: Sample) -> None:
        """Add these samples, together. A sample may be lost; nothing is ever raised."""
        ...

    def numbers(self) -> Numbers:
        """The numbers so far; empty if they cannot be read."""
        ...


Exposition = Callable[[Sequence[Numbers]], bytes]
"""The text for Prometheus of some `Numbers`."""


class Meters(NamedTuple):
    """The meters of a process that shows metrics."""

    own: Meter
    """Of this process."""
    shared: Meter
    """Of all processes of this home folder."""
    expose: Exposition
