"""The contract of every log: a folder of files, and a Kafka topic."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from assess_core.adapters.files.log import FolderLog
from assess_core.adapters.memory import MemoryHot
from assess_core.ports.log import BATCH_BYTES, BATCH_RECORDS, Feed, Log, LogBatch

PATIENCE = 30.0  # seconds; the first member of a group waits 1 s


class LogCase(NamedTuple):
    """An empty log, and a function that appends lines to it."""

    log: Log
    append: Callable[[Iterable[bytes]], None]
    knows_receipts: bool


@pytest.fixture(params=["folder", "kafka"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> LogCase:
    """An empty log, once for every kind."""
    if request.param == "folder":
        (tmp_path / "log").mkdir()

        def append(lines: Iterable[bytes]) -> None:
            with (tmp_path / "log" / "events.jsonl").open("ab") as file:
                file.writelines(line + b"\n" for line in lines)

        return LogCase(FolderLog(tmp_path / "log", MemoryHot()), append, knows_receipts=False)
    from assess_core.adapters.kafka.log import KafkaLog
    from tests.kafka_topics import create_topic, produce

    brokers, topic = request.getfixturevalue("kafka_brokers"), f"log-{uuid4()}"
    create_topic(brokers, topic)
    create_topic(brokers, f"{topic}.failed", partitions=1)
    log = KafkaLog(f"kafka://{brokers}/{topic}?group={topic}")
    return LogCase(log, lambda lines: produce(brokers, topic, lines), knows_receipts=True)


@pytest.fixture
def feeds(case: LogCase) -> Iterator[Callable[[], Feed]]:
    """Opens feeds; they are closed after the test."""
    opened: list[Feed] = []

    def feed() -> Feed:
        opened.append(case.log.feed(print))
        return opened[-1]

    yield feed
    for each in opened:
        each.close()


def lines(count: int, prefix: str = "") -> list[bytes]:
    return [f"{prefix}{number:06}".encode() for number in range(count)]


def take(feed: Feed, records: int, *, done: bool = True) -> list[LogBatch]:
    """Read batches until this many records arrived."""
    received: list[LogBatch] = []
    until = time.monotonic() + PATIENCE
    while sum(len(batch.records) for batch in received) < records:
        assert time.monotonic() < until, f"only {received} arrived"
        for batch in feed.batches():
            received.append(batch)
            if done:
                feed.done(batch, [])
    return received


def values(batches: Iterable[LogBatch]) -> list[bytes]:
    return [record.raw for batch in batches for record in batch.records]


def test_appended_records_are_delivered_once_and_in_the_order_of_their_partition(
    case: LogCase, feeds: Callable[[], Feed]
) -> None:
    case.append(lines(2500))
    feed = feeds()
    received = take(feed, 2500)
    assert sorted(values(received)) == lines(2500)
    partitions: dict[int, list[bytes]] = {}
    for batch in received:
        for record in batch.records:
            partitions.setdefault(record.partition, []).append(record.raw)
    assert all(part == sorted(part) for part in partitions.values())
    assert [*feed.batches()] == []


def test_batches_are_bounded_by_records_and_by_bytes(case: LogCase, feeds: Callable[[], Feed]) -> None:
    large = b"x" * (BATCH_BYTES // 20)
    case.append([*lines(BATCH_RECORDS + 1), *[large] * 45])
    received = take(feeds(), BATCH_RECORDS + 46)
    retained = [batch for part in case.log.retained().parts for batch in part.batches]
    assert len(received) > 2
    for batch in [*received, *retained]:
        assert len(batch.records) <= BATCH_RECORDS
        assert sum(len(record.raw) for record in batch.records) < BATCH_BYTES + len(large)


def test_a_feed_delivers_records_that_arrive_later(case: LogCase, feeds: Callable[[], Feed]) -> None:
    feed = feeds()
    assert [*feed.batches()] == []
    case.append(lines(10, "a"))
    assert sorted(values(take(feed, 10))) == lines(10, "a")
    case.append(lines(10, "b"))
    assert sorted(values(take(feed, 10))) == lines(10, "b")


def test_a_batch_that_is_not_done_is_delivered_again_to_the_next_feed(case: LogCase, feeds: Callable[[], Feed]) -> None:
    case.append(lines(BATCH_RECORDS + 500))
    first = feeds()
    batch, *more = take(first, BATCH_RECORDS + 500, done=False)
    first.done(batch, [])
    first.close()
    assert more
    rest = take(feeds(), BATCH_RECORDS + 500 - len(batch.records))
    assert sorted(values(rest)) == sorted(values(more))


def test_batches_that_are_done_are_not_delivered_to_the_next_feed(case: LogCase, feeds: Callable[[], Feed]) -> None:
    case.append(lines(100))
    first = feeds()
    take(first, 100)
    first.close()
    case.append(lines(1, "later"))
    assert values(take(feeds(), 1)) == lines(1, "later")


def test_no_record_is_delivered_twice_if_a_batch_waits(case: LogCase, feeds: Callable[[], Feed]) -> None:
    case.append(lines(BATCH_RECORDS + 700))
    feed = feeds()
    received: list[LogBatch] = []
    while sum(len(batch.records) for batch in received) < BATCH_RECORDS + 700:
        for batch in feed.batches():
            for _ in range(20):
                feed.heartbeat()
                time.sleep(0.01)
            feed.done(batch, [])
            received.append(batch)
    assert sorted(values(received)) == lines(BATCH_RECORDS + 700)


def test_an_empty_log_has_nothing_unread(case: LogCase) -> None:
    assert case.log.unread() is None


def test_records_that_are_not_done_are_unread_and_the_log_gives_their_earliest_receipt(
    case: LogCase, feeds: Callable[[], Feed]
) -> None:
    before = time.time_ns() // 1_000_000
    case.append(lines(100))
    after = time.time_ns() // 1_000_000
    unread = case.log.unread()
    assert unread is not None
    if case.knows_receipts:
        assert unread.since is not None
        assert before <= unread.since <= after
        assert "100 records in all" in unread.what
    else:
        assert unread.since is None
    feed = feeds()
    batches = take(feed, 100, done=False)
    assert case.log.unread() == unread
    for batch in batches:
        feed.done(batch, [])
    assert case.log.unread() is None


def test_only_records_after_the_last_done_batch_are_unread(case: LogCase, feeds: Callable[[], Feed]) -> None:
    case.append(lines(40))
    take(feeds(), 40)
    time.sleep(0.01)
    between = time.time_ns() // 1_000_000
    case.append(lines(3))
    unread = case.log.unread()
    assert unread is not None
    assert unread.since is None or unread.since >= between
    assert case.knows_receipts == ("3 records in all" in unread.what)


def test_the_backlog_is_what_is_not_folded_yet(case: LogCase, feeds: Callable[[], Feed]) -> None:
    assert sum(each.unread for each in case.log.backlog()) == 0
    case.append(lines(3))
    [unit] = {each.unit for each in case.log.backlog()}
    assert sum(each.unread for each in case.log.backlog()) == (3 if unit == "records" else 3 * 7)
    take(feeds(), 3)
    assert sum(each.unread for each in case.log.backlog()) == 0


def test_a_record_is_found_by_the_time_when_it_was_received(case: LogCase) -> None:
    case.append(lines(3, "a"))
    records = [record for part in case.log.retained().parts for batch in part.batches for record in batch.records]
    moments = {record.received_at for record in records if record.received_at is not None} or {0}
    found = values(case.log.received_at(moments))
    assert set(found) == set(lines(3, "a"))


def test_no_record_is_received_after_the_end_of_a_log_that_knows_receipts(case: LogCase) -> None:
    case.append(lines(1))
    list(case.log.retained().parts)
    if case.knows_receipts:
        assert values(case.log.received_at({4_000_000_000_000})) == []
