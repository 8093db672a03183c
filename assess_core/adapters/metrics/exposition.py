"""The text of metrics that Prometheus reads."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from assess_core.domain.measures import MEASURES, SUM, Cell, Kind, Measure, parts
from assess_core.ports.meter import Numbers


class _Of(Collector):
    """The metrics of numbers. The sources record different metrics, so no number has two sources."""

    def __init__(self, read: Callable[[], Iterable[Numbers]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """One family for each metric that has a number."""
        return _Families({cell: value for numbers in self._read() for cell, value in numbers.items()}).all()


class _Families:
    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def all(self) -> Iterator[Metric]:
        labels: dict[str, set[tuple[str, ...]]] = {}
        for cell in self._numbers:
            labels.setdefault(cell.name, set()).add(cell.labels)
        for name, measure in MEASURES.items():
            if name in labels:
                yield self._family(measure, sorted(labels[name]))

    def _family(self, measure: Measure, series: list[tuple[str, ...]]) -> Metric:
        if measure.kind is Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(measure.name, measure.about, labels=measure.labels)
            for labels in series:
                counts = [self._number(measure, labels, part) for part in parts(measure)]
                names = [part.removeprefix("le=") for part in parts(measure)]
                buckets = list(zip(names, accumulate(counts), strict=True))
                histogram.add_metric(labels, buckets, self._number(measure, labels, SUM))
            return histogram
        family = CounterMetricFamily if measure.kind is Kind.COUNTER else GaugeMetricFamily
        found = family(measure.name, measure.about, labels=measure.labels)
        for labels in series:
            found.add_metric(labels, self._number(measure, labels))
        return found

    def _number(self, measure: Measure, labels: tuple[str, ...], part: str = "") -> float:
        return self._numbers.get(Cell(measure.name, labels, part), 0.0)


def registry_of(read: Callable[[], Iterable[Numbers]]) -> CollectorRegistry:
    """The metrics of these numbers, and of this process: its memory, processor time and open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Of(read))
    return registry


def exposition(sources: Sequence[Numbers]) -> bytes:
    """The text of these numbers, and of this process."""
    return generate_latest(registry_of(lambda: sources))
