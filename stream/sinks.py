"""Where batches go: folded into the hot store as a whole, and only then their positions."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from assess_core.errors import AssessError
from assess_core.ports.hot_store import HotStore
from assess_core.ports.log import Notify
from assess_core.usecases.folding import Checks, Folded, fold
from stream.runs import Run
from stream.steps import DecodedBatch

_Result = TypeVar("_Result")


class Target(NamedTuple):
    """Where batches are folded to."""

    hot: HotStore
    checks: Checks
    waiting: Notify | None = None
    """Hears that a store is away and is waited for; None: that ends the run."""

    def fold(self, batch: DecodedBatch, run: Run) -> Folded:
        """Have the batch in the store, then its positions. Raises `AssessError`."""
        taken, feed = batch.taken.batch, batch.taken.feed
        meanwhile = _nothing if feed is None else feed.heartbeat
        folded = self._patiently(lambda: fold(batch.events, self.hot, self.checks), run, meanwhile)
        if feed is not None:
            self._patiently(lambda: feed.done(taken, folded.rejected), run, meanwhile)
        return folded

    def _patiently(self, call: Callable[[], _Result], run: Run, meanwhile: Callable[[], None]) -> _Result:
        return call() if self.waiting is None else run.patiently(call, self.waiting, meanwhile)


def _nothing() -> None:
    """What is to be done for no feed."""


class FoldSink(DynamicSink[DecodedBatch]):
    """Folds each batch and says what became of it; at the first error of ours the run ends."""

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
                return  # positions must not run over a batch that was not folded
            try:
                folded = self._target.fold(batch, self._run)
            except AssessError as error:
                self._run.fail(error)
            else:
                self._done(batch, folded)
