"""The sink: writes each batch to the hot store as a whole, then commits its positions."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TypeVar

from bytewax.outputs import DynamicSink, StatelessSinkPartition
from opentelemetry.trace import SpanKind

from assess_core import tracing
from assess_core.domain.measures import EVENTS, FOLD_SECONDS, Sample
from assess_core.errors import AssessError
from assess_core.ports.hot_store import HotStore
from assess_core.ports.log import LogBatch, Notify
from assess_core.ports.meter import Meter
from assess_core.usecases.folding import Checks, Folded, fold
from stream.runs import Run
from stream.steps import DecodedBatch

_Result = TypeVar("_Result")


class Target(NamedTuple):
    """The store for batches, and the checks of their events."""

    hot: HotStore
    checks: Checks
    waiting: Notify | None = None
    """Reports an unavailable store, for which the run then waits. If None, an unavailable store ends the run."""
    meter: Meter | None = None

    def fold(self, batch: DecodedBatch, run: Run) -> Folded:
        """Write the batch into the store, then commit its positions. Raises `AssessError`."""
        feed = batch.feed
        meanwhile = _nothing if feed is None else feed.heartbeat
        started = time.perf_counter()
        with traced(batch.batch):
            folded = self._call(lambda: fold(batch.events, self.hot, self.checks), run, meanwhile)
        seconds = time.perf_counter() - started
        if feed is not None:
            self._call(lambda: feed.done(batch.batch, folded.rejected), run, meanwhile)
        if self.meter is not None:
            self.meter.record(Sample(FOLD_SECONDS, seconds), *_outcomes(folded))
        return folded

    def _call(self, call: Callable[[], _Result], run: Run, meanwhile: Callable[[], None]) -> _Result:
        return call() if self.waiting is None else run.call_until_available(call, self.waiting, meanwhile)


@contextmanager
def traced(batch: LogBatch) -> Iterator[None]:
    """A span around the fold of a batch, and one in the trace of each of its first 100 events that have one."""
    if not tracing.is_on():
        yield
        return
    traces = [record.trace for record in batch.records if tracing.is_parent(record.trace)][: tracing.MOST_EVENTS]
    with ExitStack() as stack:
        made = stack.enter_context(tracing.span(tracing.FOLD_BATCH, SpanKind.CONSUMER, links=traces))
        if made is not None:
            made.set_attribute("messaging.batch.message_count", len(batch.records))
        for trace in traces:
            stack.enter_context(tracing.span(tracing.FOLD_EVENT, SpanKind.CONSUMER, trace))
        yield


def _outcomes(folded: Folded) -> Iterator[Sample]:
    counts = (folded.stored, folded.repeated, folded.recomputed, folded.failed, folded.erased)
    for outcome, count in zip(("stored", "repeated", "recomputed", "failed", "erased"), counts, strict=True):
        yield Sample(EVENTS, count, (outcome,))


def _nothing() -> None:
    """A heartbeat for files, which have no group membership."""


class FoldSink(DynamicSink[DecodedBatch]):
    """Folds each batch and calls `done` with the result; the first `AssessError` ends the run."""

    def __init__(self, target: Target, run: Run, done: Callable[[DecodedBatch, Folded], None]) -> None:
        self._target, self._run, self._done = target, run, done

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[DecodedBatch]:
        return _Fold(self._target, self._run, self._done)


class _Fold(StatelessSinkPartition[DecodedBatch]):
    def __init__(self, target: Target, run: Run, done: Callable[[DecodedBatch, Folded], None]) -> None:
        self._target, self._run, self._done = target, run, done

    def write_batch(self, items: list[DecodedBatch]) -> None:
        for batch in items:
            if self._run.failed:
                return  # no position may be committed after a batch that was not folded
            try:
                folded = self._target.fold(batch, self._run)
            except AssessError as error:
                self._run.fail(error)
            else:
                self._done(batch, folded)
