"""Where batches come from: files from their start, or a folder that is followed."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from assess_core.errors import AssessError
from assess_core.logs import Batch, LogFile, Say, Tail, read_files
from stream.runs import Run

POLL: Final = timedelta(seconds=0.25)  # a look at 1,000 files takes 8 ms


class FilesSource(DynamicSource[Batch]):
    """The events of some files, each file read by one of the workers; ends after them."""

    def __init__(self, files: Sequence[LogFile], run: Run, say: Say) -> None:
        self._files, self._run, self._say = files, run, say

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Batch]:
        return _Files(read_files(self._files[worker_index::worker_count], self._say), self._run)


class _Files(StatelessSourcePartition[Batch]):
    def __init__(self, batches: Iterator[Batch], run: Run) -> None:
        self._batches, self._run = batches, run

    def next_batch(self) -> list[Batch]:
        batch = _next(self._batches, self._run)
        if batch is None:
            raise StopIteration
        return [batch]


class TailSource(DynamicSource[Batch]):
    """What is in a folder and what comes into it, until the run is to end.

    `follow(worker, workers)` opens the folder's share of a worker, at the positions to which it was folded.
    """

    def __init__(self, follow: Callable[[int, int], Tail], run: Run) -> None:
        self._follow, self._run = follow, run

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Batch]:
        return _Tail(self._follow(worker_index, worker_count), self._run)


class _Tail(StatelessSourcePartition[Batch]):
    def __init__(self, tail: Tail, run: Run) -> None:
        self._tail, self._run = tail, run
        self._batches = tail.batches()
        self._awake: datetime | None = None

    def next_batch(self) -> list[Batch]:
        batch = _next(self._batches, self._run)
        if self._run.ending:
            raise StopIteration
        if batch is None:
            self._batches = self._tail.batches()
            self._awake = datetime.now(UTC) + POLL
            return []
        self._awake = None
        return [batch]

    def next_awake(self) -> datetime | None:
        return self._awake


def _next(batches: Iterator[Batch], run: Run) -> Batch | None:
    """The next batch; None after the last one, and when the run is to end."""
    if run.ending:
        return None
    try:
        return next(batches, None)
    except AssessError as error:
        run.fail(error)
        return None
