"""Decode and score events through the dataflow: file, source, decode step, a sink that only counts.

The limit is msgspec alone, which decodes the same lines into typed values and discards them. The peer is a plain loop
that decodes and scores the lines without Bytewax.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from assess_core.adapters.files.named_files import NamedFiles
from assess_core.domain.events import Record, RecordKind, decode
from benchmarks.data import events, reference_events
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn
from stream.flow import build_flow
from stream.runs import Run
from stream.sources import FilesSource
from stream.steps import DecodedBatch

_EVENTS: Final = 50_000


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


def _dataflow(path: Path) -> int:
    run, counted = Run(), _Counted()
    run.run(build_flow(FilesSource(NamedFiles([str(path)], print), run), counted))
    return counted.events


def _loop(path: Path) -> int:
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


_SIDES: Final = {"dataflow": _dataflow, "loop": _loop, "msgspec": _msgspec}


@contextmanager
def _reading(name: str, path: Path) -> Iterator[Work]:
    yield partial(_SIDES[name], path)


def _row(name: str, lines: Iterable[bytes], count: int, size: Size, note: str) -> Row:
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("wb") as file:
            file.writelines(lines)
        runs = in_turn(size, {side: partial(alone, _reading, side, path) for side in _SIDES})
    assert {run.result for side in runs.values() for run in side} == {count}, "a side lost events"
    return Row(
        name,
        "events/s",
        Side("dataflow", count, runs["dataflow"]),
        Side("the same in a plain loop", count, runs["loop"]),
        Side("bare msgspec, typed", count, runs["msgspec"]),
        note,
    )


def decode_row(size: Size) -> Row:
    """Events of 7.7 kB with 10 answers."""
    count = size.of(_EVENTS)
    return _row("decode", events(count), count, size, "")


def reference_row(size: Size) -> Row:
    """The reference events. Raises `Missing`."""
    count = size.of(_EVENTS)
    note = "Project Sunbird's own test events, repeated; they are smaller, and some fail"
    return _row("decode-reference", reference_events(count), count, size, note)
