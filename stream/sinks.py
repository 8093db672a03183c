"""Where batches go: folded into the hot store as a whole, and only then their positions."""

from collections.abc import Callable
from typing import NamedTuple

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from assess_core.errors import AssessError
from assess_core.folding import Checks, Folded, fold
from assess_core.ports import HotStore, Say
from stream.runs import Run
from stream.steps import DecodedBatch


class Target(NamedTuple):
    """Where batches are folded to."""

    hot: HotStore
    checks: Checks
    waiting: Say | None = None
    """Hears that a store is away and is waited for; None: that ends the run."""

    def fold(self, batch: DecodedBatch, run: Run) -> Folded:
        """Have the batch in the store, then its positions. Raises `AssessError`."""
        if self.waiting is None:
            return self._fold(batch)
        return run.patiently(lambda: self._fold(batch), self.waiting)

    def _fold(self, batch: DecodedBatch) -> Folded:
        folded = fold(batch.events, self.hot, self.checks)
        if batch.taken.feed is not None:
            batch.taken.feed.done(batch.taken.batch, folded.set_aside)
        return folded


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
