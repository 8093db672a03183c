"""The sources of batches: files, which are read from their start, and the log, which is followed."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from bytewax.inputs import DynamicSource, StatelessSourcePartition

from assess_core.errors import AssessError
from assess_core.ports.log import EventFiles, Feed, LogBatch
from stream.runs import Run
from stream.steps import Delivery

# time between two scans of a folder; a scan of 1,000 files takes 8 ms; a Kafka consumer waits by itself
POLL: Final = timedelta(seconds=0.25)


class FilesSource(DynamicSource[Delivery]):
    """The events of files. Each file is read by exactly one worker."""

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
    """The events in the log and new events, until the run ends.

    `follow(worker, workers)` opens a feed. It is called during the run, so that its errors end the run normally.
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
        self._polled_at = datetime.now(UTC)

    def next_batch(self) -> list[Delivery]:
        if self._batches is None:
            self._polled_at = datetime.now(UTC)
            self._batches = self._poll()
        batch = _next(self._batches, self._run)
        if self._run.ending:
            raise StopIteration
        if batch is None:
            self._batches = None
            return []
        return [Delivery(batch, self._feed)]

    def next_awake(self) -> datetime | None:
        return self._polled_at + POLL if self._batches is None else None

    def _poll(self) -> Iterator[LogBatch]:
        if self._feed is None:
            self._feed = self._follow()
        yield from self._feed.batches()


def _next(batches: Iterator[LogBatch], run: Run) -> LogBatch | None:
    """The next batch; None after the last one, or when the run must end."""
    if run.ending:
        return None
    try:
        return next(batches, None)
    except AssessError as error:
        run.fail(error)
        return None
