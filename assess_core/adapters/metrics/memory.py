"""The numbers of one process, in its memory."""

import threading
from bisect import bisect_left
from typing import Final

from assess_core.domain.measures import MEASURES, SUM, Cell, Kind, Sample, parts
from assess_core.ports.meter import Numbers

_Key = tuple[str, tuple[str, ...]]
_PARTS: Final = {
    name: (*parts(measure), SUM) if measure.kind is Kind.HISTOGRAM else ("",) for name, measure in MEASURES.items()
}


class MemoryMeter:
    """Counts in memory. Every request of the API is recorded here, so the numbers of a metric are a list."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[_Key, list[float]] = {}

    def record(self, *samples: Sample) -> None:
        """See `Meter.record`."""
        with self._lock:
            for measure, value, labels in samples:
                key = (measure.name, labels)
                numbers = self._numbers.get(key)
                if numbers is None:
                    numbers = self._numbers[key] = [0.0] * len(_PARTS[measure.name])
                if measure.kind is Kind.HISTOGRAM:
                    numbers[bisect_left(measure.bounds, value)] += 1
                    numbers[-1] += value
                elif measure.kind is Kind.COUNTER:
                    numbers[0] += value
                else:
                    numbers[0] = value

    def numbers(self) -> Numbers:
        """See `Meter.numbers`."""
        with self._lock:
            return {
                Cell(name, labels, part): number
                for (name, labels), numbers in self._numbers.items()
                for part, number in zip(_PARTS[name], numbers, strict=True)
                if number or not part
            }
