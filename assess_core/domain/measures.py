"""What is measured: every metric of the product, its kind and its labels.

A label has few values: never an id of a learner, a batch or a request. So the number of series is bounded.
"""

from bisect import bisect_left
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import Final, NamedTuple


class Kind(StrEnum):
    """How samples of a metric are combined."""

    COUNTER = "counter"
    """Samples are added."""
    GAUGE = "gauge"
    """The last sample counts."""
    HISTOGRAM = "histogram"
    """Samples are counted by size."""


class Measure(NamedTuple):
    """A metric."""

    name: str
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """The upper bounds of a histogram's buckets, without infinity."""


class Sample(NamedTuple):
    """A value of a metric."""

    measure: Measure
    value: float
    labels: tuple[str, ...] = ()
    """The values of the metric's labels, in their order."""


class Cell(NamedTuple):
    """One stored number of a metric."""

    name: str
    labels: tuple[str, ...]
    part: str = ""
    """Of a histogram: `le=BOUND`, the samples in that bucket alone, or `sum`."""


SUM: Final = "sum"
_FAST: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_LONG: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)

REQUESTS: Final = Measure(
    "assess_http_requests",
    Kind.COUNTER,
    "Requests of the API. The route is a template. Status 499: the client left before the answer.",
    ("method", "route", "status"),
)
REQUEST_SECONDS: Final = Measure(
    "assess_http_request_seconds", Kind.HISTOGRAM, "How long requests of the API took.", ("route",), _FAST
)
EVENTS: Final = Measure(
    "assess_events",
    Kind.COUNTER,
    "Events that were folded, by outcome: `stored`, `repeated`, `recomputed`, `failed`, `erased`.",
    ("outcome",),
)
FOLD_SECONDS: Final = Measure(
    "assess_fold_seconds",
    Kind.HISTOGRAM,
    "How long folding a batch of events took, waits for the store included.",
    (),
    _LONG,
)
RUN_SECONDS: Final = Measure(
    "assess_run_seconds",
    Kind.HISTOGRAM,
    "How long steps of Dagster and commands took, by outcome: `done` or `failed`.",
    ("step", "outcome"),
    _LONG,
)
REPORT_SECONDS: Final = Measure(
    "assess_report_seconds", Kind.HISTOGRAM, "How long writing a report took.", ("report",), _LONG
)
BALANCED_AT: Final = Measure(
    "assess_balance_at_seconds",
    Kind.GAUGE,
    "When the last balance sheet that was `balanced` or `unbalanced` was drawn up (Unix time).",
    ("result",),
)
BALANCE: Final = Measure("assess_balance_versions", Kind.GAUGE, "The sums of the last balance sheet.", ("column",))
UNREAD: Final = Measure(
    "assess_log_unread",
    Kind.GAUGE,
    "What the stream has not folded yet: records of a Kafka partition, bytes of a folder.",
    ("partition", "unit"),
)
HOT_ROWS: Final = Measure("assess_hot_rows", Kind.GAUGE, "Attempt rows in the hot store.")
SLICES: Final = Measure(
    "assess_slices", Kind.GAUGE, "Slices that can need a step, by state. Cleared slices are not counted.", ("state",)
)
FAILED_SLICES: Final = Measure("assess_failed_slices", Kind.GAUGE, "Slices whose last verification failed.")
OLDEST: Final = Measure(
    "assess_oldest_unverified_seconds",
    Kind.GAUGE,
    "The age of the oldest closed slice that is not verified, since it closed; 0 if there is none.",
)
STATE_AGE: Final = Measure(
    "assess_state_age_seconds",
    Kind.GAUGE,
    "The age of the numbers that were read from the stores, or of the process if it could not read them yet: at least "
    "30 s pass between two reads.",
)
STATE_SECONDS: Final = Measure(
    "assess_state_read_seconds", Kind.GAUGE, "How long reading these numbers from the stores took; 0 before."
)

MEASURES: Final = {
    measure.name: measure
    for measure in (
        *(REQUESTS, REQUEST_SECONDS, EVENTS, FOLD_SECONDS, RUN_SECONDS, REPORT_SECONDS, BALANCED_AT, BALANCE),
        *(UNREAD, HOT_ROWS, SLICES, FAILED_SLICES, OLDEST, STATE_AGE, STATE_SECONDS),
    )
}
"""Every metric, by name."""


def changes(sample: Sample) -> Iterator[tuple[Cell, float]]:
    """The numbers that a sample changes: those of a gauge are replaced, all others are added."""
    name, labels = sample.measure.name, sample.labels
    if sample.measure.kind is Kind.HISTOGRAM:
        yield Cell(name, labels, parts(sample.measure)[bisect_left(sample.measure.bounds, sample.value)]), 1.0
        yield Cell(name, labels, SUM), sample.value
    else:
        yield Cell(name, labels), sample.value


def bucket(bound: float | None) -> str:
    """The part of a histogram for a bound; None is infinity."""
    return "le=+Inf" if bound is None else f"le={bound}"


@cache
def parts(measure: Measure) -> tuple[str, ...]:
    """The parts of a histogram's buckets, from the lowest bound to infinity."""
    return tuple(bucket(bound) for bound in (*measure.bounds, None))
