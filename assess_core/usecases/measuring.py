"""Use case: measure how long a step takes, and how it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from assess_core.domain.measures import BALANCE, BALANCED_AT, RUN_SECONDS, Sample
from assess_core.ports.ledger import NUMBERS
from assess_core.ports.meter import Meter
from assess_core.usecases.balance import Balance


@contextmanager
def measured(meter: Meter, step: str) -> Iterator[None]:
    """Record how long the block takes, as `done` or, if it raises, as `failed`."""
    started, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "done"
    finally:
        meter.record(Sample(RUN_SECONDS, time.perf_counter() - started, (step, outcome)))


def balance_samples(found: Balance, now: int) -> list[Sample]:
    """The samples of a balance sheet that was drawn up at `now` (epoch ms)."""
    total = found.total
    return [
        Sample(BALANCED_AT, now / 1000, ("balanced" if found.balanced else "unbalanced",)),
        *(Sample(BALANCE, getattr(total, column), (column,)) for column in NUMBERS),
    ]
