"""The dataflow in the test process, on lists and files."""

import io
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
from bytewax.testing import TestingSink, TestingSource

from assess_core.adapters.files import log_lines
from assess_core.adapters.files.facts import JsonFacts
from assess_core.adapters.files.log import FolderLog
from assess_core.adapters.files.log_files import find
from assess_core.adapters.files.log_lines import read_files
from assess_core.adapters.files.named_files import NamedFiles
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import Accepted, FailedEvent, Record, decode
from assess_core.domain.reasons import Reason
from assess_core.domain.samples import sample_events
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadLog, StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import LogBatch, Position, Positions
from assess_core.usecases.folding import Checks, Folded, Tally
from stream.flow import build_flow
from stream.pace import Pace
from stream.runs import Run
from stream.sinks import FoldSink, Target
from stream.sources import FilesSource, TailSource
from stream.steps import DecodedBatch, Delivery
from tests.factories import event, record, text
from tests.properties.tables import tables

UNCHECKED = Checks(NoFacts())
BATCH = 250
"""Records of a batch in these tests, which take less time with small batches."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "BATCH_RECORDS", BATCH)


class Unavailable:
    """Positions whose store is unavailable for some of the calls."""

    def __init__(self, positions: Positions, unavailable: Iterable[bool]) -> None:
        self._positions, self._unavailable = positions, iter(unavailable)

    def positions(self) -> dict[str, Position]:
        return self._positions.positions()

    def commit(self, positions: Mapping[str, Position]) -> None:
        if next(self._unavailable, False):
            raise StoreUnavailable("the store is down")
        self._positions.commit(positions)


def ingest(paths: Iterable[Path], hot: MemoryHot, checks: Checks = UNCHECKED) -> Tally:
    """Does the same as `python -m stream ingest`, on a store in memory."""
    run, tally = Run(), Tally()
    source = FilesSource(NamedFiles(map(str, paths), print), run)

    def count(batch: DecodedBatch, folded: Folded) -> None:
        tally.add(folded)

    run.run(build_flow(source, FoldSink(Target(hot, checks), run, count)))
    return tally


def follow(
    folder: Path, hot: MemoryHot, positions: Positions, until: int, waiting: list[str] | None = None
) -> list[Folded]:
    """Does the same as `python -m stream tail`, until this many batches are folded."""
    run = Run()
    folded: list[Folded] = []

    def count(batch: DecodedBatch, of_batch: Folded) -> None:
        folded.append(of_batch)
        if len(folded) == until:
            run.end()

    source = TailSource(partial(FolderLog(folder, positions).feed, print), run)
    target = Target(hot, UNCHECKED, None if waiting is None else waiting.append)
    run.run(build_flow(source, FoldSink(target, run, count)))
    return folded


def sample_log(folder: Path, events: int) -> Path:
    folder.mkdir()
    path = folder / "events.jsonl"
    path.write_bytes(b"".join(sample_events(events)))
    return path


def events(folded: Folded) -> int:
    return folded.stored + folded.repeated + folded.recomputed + folded.failed + folded.erased


def ends(hot: MemoryHot) -> dict[str, tuple[int, int]]:
    return {topic: (position.line, position.byte) for topic, position in hot.positions().items()}


# --- wiring ---


def test_a_batch_of_records_becomes_a_batch_of_decoded_events() -> None:
    batch = LogBatch([record(), record(b"nonsense", offset=2)], {"events.jsonl": Position(3, 90)}, 90)
    out: list[DecodedBatch] = []
    Run().run(build_flow(TestingSource([Delivery(batch)]), TestingSink(out)))
    [decoded] = out
    good, bad = decoded.events
    assert isinstance(good, Accepted)
    assert isinstance(bad, FailedEvent)
    assert (bad.reason, bad.raw, bad.offset) == (Reason.NOT_JSON, b"nonsense", 2)
    assert (decoded.batch, decoded.feed) == (batch, None)


def test_each_batch_is_one_item_of_the_flow() -> None:
    batches = [Delivery(LogBatch([record(offset=n)], {}, 1)) for n in range(1, 30)]
    out: list[DecodedBatch] = []
    Run().run(build_flow(TestingSource(batches), TestingSink(out)))
    assert len(out) == 29
    assert [decoded.record.offset for batch in out for decoded in batch.events if isinstance(decoded, Accepted)] == [
        *range(1, 30)
    ]


def test_every_event_is_counted_once(tmp_path: Path) -> None:
    lines = [event(), event(), event(attempt="t2"), event(answers=[]), event(content="other"), event(batch="")]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(map(text, lines)))
    checks = Checks(JsonFacts(leaf_nodes_={"c1": frozenset(["a1"])}))
    tally = ingest([path], MemoryHot(), checks)
    assert (tally.stored, tally.repeated, tally.recomputed, tally.failed) == (2, 1, 1, 2)
    assert tally.events == 6


def test_the_flow_gives_the_same_tables_as_folding_line_by_line(tmp_path: Path) -> None:
    path = sample_log(tmp_path / "log", 60)
    in_batches, one_by_one = MemoryHot(), MemoryHot()
    ingest([path], in_batches)
    for batch in read_files(find([str(path)], print), print):
        for each in batch.records:
            fold_one(each, one_by_one)
    assert tables(in_batches) == tables(one_by_one)


def fold_one(one: Record, hot: MemoryHot) -> None:
    run = Run()
    source = TestingSource([Delivery(LogBatch([one], {}, len(one.raw)))])
    run.run(build_flow(source, FoldSink(Target(hot, UNCHECKED), run, lambda batch, folded: None)))


def test_the_files_are_divided_among_the_workers(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.json").write_bytes(str(n).encode())
    source = FilesSource(NamedFiles([str(tmp_path)], print), Run())
    shares = [source.build("assess.log", worker, 2).next_batch() for worker in range(2)]
    assert [[record.raw for delivery in share for record in delivery.batch.records] for share in shares] == [
        [b"0", b"2", b"4"],
        [b"1", b"3"],
    ]


# --- positions and crashes ---


def test_ingest_stores_no_position(tmp_path: Path) -> None:
    hot = MemoryHot()
    path = sample_log(tmp_path / "log", 50)
    first, again = ingest([path], hot), ingest([path], hot)
    assert hot.positions() == {}
    assert (again.events, again.stored) == (50, 0)
    assert again.repeated == first.stored + first.repeated


def test_positions_are_committed_after_their_batch(tmp_path: Path) -> None:
    hot = MemoryHot()
    path = sample_log(tmp_path / "log", BATCH + 10)
    follow(path.parent, hot, hot, until=2)
    assert ends(hot) == {str(path): (BATCH + 11, path.stat().st_size)}


def test_a_crash_between_write_and_commit_repeats_one_batch_and_changes_nothing(tmp_path: Path) -> None:
    hot, undisturbed = MemoryHot(), MemoryHot()
    path = sample_log(tmp_path / "log", 3 * BATCH)
    with pytest.raises(StoreUnavailable):
        follow(path.parent, hot, Unavailable(hot, [False, True]), until=3)
    assert hot.positions()[str(path)].line == BATCH + 1
    second, third = follow(path.parent, hot, hot, until=2)
    assert (events(second), second.stored) == (BATCH, 0)
    assert (events(third), third.stored > 200) == (BATCH, True)
    ingest([path], undisturbed)
    assert tables(hot) == tables(undisturbed)


def test_nothing_is_folded_after_a_batch_that_failed(tmp_path: Path) -> None:
    hot = MemoryHot()
    path = sample_log(tmp_path / "log", 3 * BATCH)
    with pytest.raises(StoreUnavailable, match="the store is down"):
        follow(path.parent, hot, Unavailable(hot, [True]), until=3)
    assert hot.positions() == {}
    assert max(event.offset for event in hot.failed()) < BATCH


def test_no_position_is_committed_after_a_failed_batch_also_if_both_arrive_together() -> None:
    hot, run = MemoryHot(), Run()
    feed = FolderLog(Path("log"), Unavailable(hot, [True])).feed(print)
    batches = [Delivery(LogBatch([record(offset=n)], {"log": Position(n + 1, 0)}, 1), feed) for n in (1, 2)]
    target = Target(hot, UNCHECKED)
    together = TestingSource(batches, batch_size=2)
    with pytest.raises(StoreUnavailable):
        run.run(build_flow(together, FoldSink(target, run, lambda batch, folded: None)))
    assert hot.positions() == {}


def test_the_stream_waits_for_a_store_that_is_down_and_no_event_fails(tmp_path: Path) -> None:
    hot, undisturbed, waiting = MemoryHot(), MemoryHot(), list[str]()
    path = sample_log(tmp_path / "log", 100)
    follow(path.parent, hot, Unavailable(hot, [True]), until=1, waiting=waiting)
    assert [text.partition(" in ")[0] for text in waiting] == ["the store is down; trying again"]
    ingest([path], undisturbed)
    assert tables(hot) == tables(undisturbed)
    assert ends(hot) == {str(path): (101, path.stat().st_size)}


class OneBatch:
    """A feed of one batch that counts its heartbeats. Its topic can be down when `done` is called."""

    def __init__(self, batch: LogBatch, unavailable: Iterable[bool] = ()) -> None:
        self._batches, self._unavailable = [batch], iter(unavailable)
        self.heartbeats, self.failed = 0, list[FailedEvent]()

    def batches(self) -> Iterator[LogBatch]:
        while self._batches:
            yield self._batches.pop()

    def done(self, batch: LogBatch, failed: Sequence[FailedEvent]) -> None:
        if next(self._unavailable, False):
            raise StoreUnavailable("the topic of failed events is down")
        self.failed += failed

    def heartbeat(self) -> None:
        self.heartbeats += 1

    def close(self) -> None:
        return


def follow_one(feed: OneBatch, target: Target) -> list[Folded]:
    run, folded = Run(), list[Folded]()

    def count(batch: DecodedBatch, of_batch: Folded) -> None:
        folded.append(of_batch)
        run.end()

    run.run(build_flow(TailSource(lambda worker, workers: feed, run), FoldSink(target, run, count)))
    return folded


def test_the_heartbeat_of_the_feed_continues_while_its_batch_waits_for_a_store() -> None:
    outages, waiting = [True], list[str]()

    class Hot(MemoryHot):
        def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
            if outages and outages.pop():
                raise StoreUnavailable("the store is down")
            super().add_slices(slices)

    feed = OneBatch(LogBatch([record(), record(b"nonsense", offset=2)], {}, 1))
    [folded] = follow_one(feed, Target(Hot(), UNCHECKED, waiting.append))
    assert [text.partition(" in ")[0] for text in waiting] == ["the store is down; trying again"]
    assert 2 <= feed.heartbeats <= 6
    assert (folded.stored, [event.offset for event in feed.failed]) == (1, [2])


def test_a_batch_is_not_folded_again_because_its_commit_failed() -> None:
    hot, waiting = MemoryHot(), list[str]()
    feed = OneBatch(LogBatch([record()], {}, 1), unavailable=[True])
    [folded] = follow_one(feed, Target(hot, UNCHECKED, waiting.append))
    assert [text.partition(" in ")[0] for text in waiting] == ["the topic of failed events is down; trying again"]
    assert (folded.stored, folded.repeated) == (1, 0)
    assert feed.heartbeats


def test_a_log_that_cannot_be_followed_ends_the_run_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    def nowhere(worker: int, workers: int) -> OneBatch:
        raise BadLog("there is no such log")

    run = Run()
    sink = FoldSink(Target(MemoryHot(), UNCHECKED), run, lambda batch, folded: None)
    with pytest.raises(BadLog):
        run.run(build_flow(TailSource(nowhere, run), sink))
    assert capfd.readouterr().err == ""


def test_the_pace_is_reported_every_ten_seconds_and_only_while_events_arrive() -> None:
    printed, clock = list[str](), iter([0.0, 4.0, 11.0, 11.0, 12.0, 31.0, 31.0])
    pace = Pace(printed.append, lambda: next(clock))
    batch = DecodedBatch([decode(record())] * 50, LogBatch([], {}, 0))
    for _ in range(4):
        pace(batch, Folded(50, 0, 0, [], [], set()))
    assert printed == ["100 events folded in 11 s, 9 a second", "100 events folded in 20 s, 5 a second"]


def test_events_before_a_damaged_file_are_folded(tmp_path: Path) -> None:
    hot = MemoryHot()
    path = sample_log(tmp_path / "log", 60)
    (path.parent / "events.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(BadLog, match=r"events\.jsonl\.gz' is damaged after line 0"):
        ingest([path.parent], hot)
    assert hot.slices()


def test_an_error_of_a_store_ends_the_flow_without_a_panic_of_bytewax(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = sample_log(tmp_path / "log", 10)
    with pytest.raises(StoreUnavailable):
        follow(path.parent, MemoryHot(), Unavailable(MemoryHot(), [True]), until=1)
    assert capfd.readouterr().err == ""


def test_the_source_reads_at_most_one_batch_ahead_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = io.BytesIO(b"x\n" * 10 * BATCH)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(lines))
    run = Run()
    folded: list[int] = []

    def count(batch: DecodedBatch, of_batch: Folded) -> None:
        folded.append(events(of_batch))
        assert lines.tell() <= 2 * (sum(folded) + BATCH)

    source = FilesSource(NamedFiles(["-"], print), run)
    run.run(build_flow(source, FoldSink(Target(MemoryHot(), UNCHECKED), run, count)))
    assert folded == [BATCH] * 10
