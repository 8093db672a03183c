"""Decode and score sample events through the dataflow: file, source, decode step, a sink that only counts.

The limit is a plain loop that decodes and scores the lines of the same file without Bytewax. For orientation, msgspec
alone decodes the lines into typed values and discards them. Rates are per second of CPU time, because nothing waits
here and other programs of the machine must not count; they are medians.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import msgspec
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from assess_core.adapters.files.named_files import NamedFiles
from assess_core.domain.events import Record, RecordKind, decode
from assess_core.domain.samples import sample_events
from stream.flow import build_flow
from stream.runs import Run
from stream.sources import FilesSource
from stream.steps import DecodedBatch

_ROUNDS: Final = 5  # ours, limit and msgspec take turns, because the speed of the machine varies


class Measured(NamedTuple):
    """Events per second of CPU time."""

    ours: float
    limit: float
    msgspec: float

    @property
    def ratio(self) -> float:
        return self.ours / self.limit


class _Counted(DynamicSink[DecodedBatch]):
    """Counts the records that reach it."""

    def __init__(self) -> None:
        self.events = 0

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[DecodedBatch]:
        return _Counter(self)


class _Counter(StatelessSinkPartition[DecodedBatch]):
    def __init__(self, counted: _Counted) -> None:
        self._counted = counted

    def write_batch(self, items: list[DecodedBatch]) -> None:
        self._counted.events += sum(len(batch.events) for batch in items)


def _ours(path: Path) -> int:
    run, counted = Run(), _Counted()
    run.run(build_flow(FilesSource(NamedFiles([str(path)], print), run), counted))
    return counted.events


def _limit(path: Path) -> int:
    topic, count = str(path), 0
    with path.open("rb") as file:
        for line in file:
            count += 1
            decode(Record(topic, 0, count, line, kind=RecordKind.LINE))
    return count


class _Item(msgspec.Struct):
    params: list[dict[str, Any]]
    id: str
    maxscore: float
    type: str
    title: str


class _Data(msgspec.Struct):
    item: _Item
    resvalues: list[dict[str, Any]]
    score: float | str
    duration: float


class _Answer(msgspec.Struct):
    ets: int
    edata: _Data


class _Event(msgspec.Struct):
    userId: str  # noqa: N815 the wire's names
    courseId: str  # noqa: N815
    batchId: str  # noqa: N815
    attemptId: str  # noqa: N815
    assessmentTs: int  # noqa: N815
    events: list[_Answer]
    contentId: str = ""  # noqa: N815


class _Line(msgspec.Struct):
    receivedAt: int  # noqa: N815
    value: _Event


def _msgspec(path: Path) -> int:
    lines, events, count = msgspec.json.Decoder(_Line), msgspec.json.Decoder(_Event), 0
    with path.open("rb") as file:
        for line in file:
            count += 1
            try:
                (lines if line.startswith(b'{"receivedAt"') else events).decode(line)
            except msgspec.DecodeError:
                continue
    return count


def _rate(run: Callable[[Path], int], path: Path, events: int) -> float:
    started = time.process_time()
    assert run(path) == events
    return events / (time.process_time() - started)


def main(events: int = 50_000) -> Measured:
    """Measure and print."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("wb") as file:
            file.writelines(sample_events(events))
        turns = [[_rate(run, path, events) for run in (_ours, _limit, _msgspec)] for _ in range(_ROUNDS)]
    found = Measured(*map(median, zip(*turns, strict=True)))
    print(
        f"decode and score through the dataflow: {found.ours:,.0f} events/s, limit (the same in a plain loop) "
        f"{found.limit:,.0f} events/s, {found.ratio:.2f} of the limit; msgspec alone {found.msgspec:,.0f} events/s, "
        f"the dataflow {found.ours / found.msgspec:.2f} of it, the loop {found.limit / found.msgspec:.2f}"
    )
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
