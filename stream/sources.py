"""Where batches come from: files, read from their start, or the log, which is followed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from assess_core.errors import AssessError
from assess_core.ports.log import EventFiles, Feed, LogBatch
from stream.runs import Run
from stream.steps import Delivery

POLL: Final = timedelta(seconds=0.25)  # from look to look, at a log that waits by itself at once; 1,000 files take 8 ms


class FilesSource(DynamicSource[Delivery]):
    """The events of some files, each file read by one of the workers; ends after them."""

    def __init__(self, files: EventFiles, run: Run) -> None:
        self._files, self._run = files, run

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Delivery]:
        return _Files(self._files.batches(worker_index, worker_count), self._run)


class _Files(StatelessSourcePartition[Delivery]):
    def __init__(self, batches: Iterator[LogBatch], run: Run) -> None:
        self._batches, self._run = batches, run

    def next_batch(self) -> list[Delivery]:
        batch = _next(self._batches, self._run)
        if batch is None:
            raise StopIteration
        return [Delivery(batch)]


class TailSource(DynamicSource[Delivery]):
    """What is in the log and what comes into it, until the run is to end.

    `follow(worker, workers)` opens a feed; it is called in the run, so that what it raises ends that in order.
    """

    def __init__(self, follow: Callable[[int, int], Feed], run: Run) -> None:
        self._follow, self._run = follow, run

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSourcePartition[Delivery]:
        return _Tail(lambda: self._follow(worker_index, worker_count), self._run)


class _Tail(StatelessSourcePartition[Delivery]):
    def __init__(self, follow: Callable[[], Feed], run: Run) -> None:
        self._follow, self._run = follow, run
        self._feed: Feed | None = None
        self._batches: Iterator[LogBatch] | None = None
        self._looked = datetime.now(UTC)

    def next_batch(self) -> list[Delivery]:
        if self._batches is None:
            self._looked = datetime.now(UTC)
            self._batches = self._look()
        batch = _next(self._batches, self._run)
        if self._run.ending:
            raise StopIteration
        if batch is None:
            self._batches = None
            return []
        return [Delivery(batch, self._feed)]

    def next_awake(self) -> datetime | None:
        return self._looked + POLL if self._batches is None else None

    def _look(self) -> Iterator[LogBatch]:
        if self._feed is None:
            self._feed = self._follow()
        yield from self._feed.batches()


def _next(batches: Iterator[LogBatch], run: Run) -> LogBatch | None:
    """The next batch; None after the last one, and when the run is to end."""
    if run.ending:
        return None
    try:
        return next(batches, None)
    except AssessError as error:
        run.fail(error)
        return None
