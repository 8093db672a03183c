"""Where batches go: folded into the hot store as a whole, and only then their positions."""

from collections.abc import Callable

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from assess_core.errors import AssessError
from stream.runs import Run
from stream.steps import DecodedBatch


class FoldSink(DynamicSink[DecodedBatch]):
    """Hands each batch to `fold`, which has it in the store when it returns; at the first error the run ends."""

    def __init__(self, fold: Callable[[DecodedBatch], None], run: Run) -> None:
        self._fold, self._run = fold, run

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[DecodedBatch]:
        return _Fold(self._fold, self._run)


class _Fold(StatelessSinkPartition[DecodedBatch]):
    def __init__(self, fold: Callable[[DecodedBatch], None], run: Run) -> None:
        self._fold, self._run = fold, run

    def write_batch(self, items: list[DecodedBatch]) -> None:
        for batch in items:
            if self._run.failed:
                return
            try:
                self._fold(batch)
            except AssessError as error:
                self._run.fail(error)
