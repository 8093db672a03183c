"""The numbers of one process, in its memory."""

import threading

from assess_core.domain.measures import Cell, Kind, Sample, changes
from assess_core.ports.meter import Numbers


class MemoryMeter:
    """Counts in memory: a sample takes some microseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[Cell, float] = {}

    def record(self, *samples: Sample) -> None:
        """See `Meter.record`."""
        with self._lock:
            for sample in samples:
                is_gauge = sample.measure.kind is Kind.GAUGE
                for cell, value in changes(sample):
                    self._numbers[cell] = value if is_gauge else self._numbers.get(cell, 0.0) + value

    def numbers(self) -> Numbers:
        """See `Meter.numbers`."""
        with self._lock:
            return dict(self._numbers)
