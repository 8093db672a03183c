"""Properties that only the Kafka log has: clocks, missing values, failed events, retention, an audit."""

import time
from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from assess_core.adapters.kafka.lag import Lag
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import Accepted, FailedEvent, decode
from assess_core.domain.reasons import Reason
from assess_core.errors import StoreUnavailable
from assess_core.ports.facts import NoFacts
from assess_core.ports.findings import Finding, Level
from assess_core.ports.log import Feed
from assess_core.usecases.folding import Checks, fold
from tests.factories import event, text
from tests.kafka_topics import PATIENCE, Topic, create_topic, records, take


def fold_and_finish(feed: Feed, count: int, hot: MemoryHot) -> list[FailedEvent]:
    """Fold this many records as the stream does, and return the rejected events."""
    rejected: list[FailedEvent] = []
    for batch in take(feed, count):
        folded = fold(map(decode, batch.records), hot, Checks(NoFacts()))
        feed.done(batch, folded.rejected)
        rejected += folded.rejected
    return rejected


def finding_about(findings: Iterable[Finding], what: str) -> Finding:
    [finding] = [each for each in findings if each.what == what]
    return finding


# --- records ---


def test_the_receipt_of_an_event_is_the_time_of_the_brokers_clock(topic: Topic, follow: Callable[..., Feed]) -> None:
    topic.produce(text(event()))
    [batch] = take(follow(), 1)
    [record] = batch.records
    [stored] = records(topic.brokers, topic.name)
    assert (record.topic, record.partition, record.offset) == (topic.name, stored.partition, 0)
    assert record.received_at == stored.at
    decoded = decode(record)
    assert isinstance(decoded, Accepted)
    assert decoded.version.received_at == stored.at


def test_a_record_without_a_value_is_a_failed_event(topic: Topic, follow: Callable[..., Feed]) -> None:
    topic.produce(None, partition=2)
    [failed] = fold_and_finish(follow(), 1, MemoryHot())
    assert (failed.reason, failed.raw, failed.partition, failed.offset) == (Reason.NOT_JSON, b"", 2, 0)
    assert topic.log.unread() is None


def test_a_rejected_record_is_published_whole_to_the_failed_topic_with_its_position(
    topic: Topic, follow: Callable[..., Feed]
) -> None:
    topic.produce(text(event()), b'{"nonsense', text(event(batch="")), partition=3)
    hot = MemoryHot()
    fold_and_finish(follow(), 3, hot)
    assert [(each.partition, each.offset) for each in hot.failed()] == [(3, 1), (3, 2)]
    published = records(topic.brokers, f"{topic.name}.failed")
    assert [each.value for each in published] == [b'{"nonsense', text(event(batch=""))]
    [message] = [each.message for each in hot.failed() if each.offset == 1]
    assert published[0].headers == {
        "reason": b"not_json",
        "message": message.encode(),
        "topic": topic.name.encode(),
        "partition": b"3",
        "offset": b"1",
    }
    assert topic.log.unread() is None


def test_failed_events_can_be_published_to_another_topic(topic: Topic, follow: Callable[..., Feed]) -> None:
    create_topic(topic.brokers, f"{topic.name}.poison", partitions=1)
    topic.produce(b"nonsense")
    fold_and_finish(follow(f"&failed={topic.name}.poison"), 1, MemoryHot())
    assert [each.value for each in records(topic.brokers, f"{topic.name}.poison")] == [b"nonsense"]
    assert records(topic.brokers, f"{topic.name}.failed") == []


def test_without_a_failed_topic_a_batch_with_rejected_events_is_not_committed(
    topic: Topic, follow: Callable[..., Feed], messages: list[str]
) -> None:
    failed = f"{topic.name}.later"
    topic.produce(b"nonsense")
    feed = follow(f"&failed={failed}")
    assert f"--create --topic {failed} --partitions 1" in messages[0]
    [batch] = take(feed, 1)
    folded = fold(map(decode, batch.records), MemoryHot(), Checks(NoFacts()))
    with pytest.raises(StoreUnavailable, match=f"no topic '{failed}'.*--create --topic {failed}"):
        feed.done(batch, folded.rejected)
    assert topic.log.unread() is not None
    create_topic(topic.brokers, failed, partitions=1)
    feed.done(batch, folded.rejected)
    assert topic.log.unread() is None
    assert b"nonsense" in [each.value for each in records(topic.brokers, failed)]


def test_a_failed_event_too_large_for_its_topic_is_reported_and_blocks_nothing(
    topic: Topic, follow: Callable[..., Feed], messages: list[str]
) -> None:
    small = f"{topic.name}.small"
    create_topic(topic.brokers, small, partitions=1, max_message_bytes="1000")
    topic.produce(b"x" * 2000)
    fold_and_finish(follow(f"&failed={small}"), 1, MemoryHot())
    assert any("2,000 bytes is too large" in each and "max.message.bytes" in each for each in messages)
    assert topic.log.unread() is None


# --- a topic with the clocks of its producers ---


def test_without_append_time_the_events_own_clock_is_used_and_that_is_reported_once(
    kafka_brokers: str, messages: list[str]
) -> None:
    topic = Topic(kafka_brokers, f"created-{uuid4()}")
    create_topic(kafka_brokers, topic.name, message_timestamp_type="CreateTime")
    create_topic(kafka_brokers, f"{topic.name}.failed", partitions=1)
    topic.produce(text(event()), text(event(attempt="t2")))
    unread = topic.log.unread()
    assert unread is not None
    assert unread.since is None
    feed = topic.log.feed(messages.append)
    batches = take(feed, 2)
    assert [record.received_at for batch in batches for record in batch.records] == [None, None]
    feed.close()
    assert len(messages) == 1
    command = f"--entity-name {topic.name} --alter --add-config message.timestamp.type=LogAppendTime"
    assert command in messages[0]
    finding = finding_about(topic.log.examine(), "timestamps")
    assert (finding.level, finding.action is not None and command in finding.action) == (Level.BAD, True)


# --- unread records ---


def test_lag_is_reported_by_partition(topic: Topic, follow: Callable[..., Feed]) -> None:
    topic.produce(*[b"1"] * 5, partition=1)
    topic.produce(*[b"2"] * 3, partition=2)
    feed = follow()
    batches = take(feed, 8)
    for batch in batches:
        feed.done(batch, [])
    topic.produce(*[b"2"] * 4, partition=2)
    lag = topic.log.lag()
    assert lag == [Lag(0, 0, 0, None), Lag(1, 0, 5, 5), Lag(2, 0, 7, 3), Lag(3, 0, 0, None)]
    assert [each.records for each in lag] == [0, 0, 4, 0]


def test_since_is_the_earliest_unread_receipt_of_all_partitions(topic: Topic) -> None:
    topic.produce(b"later", partition=3)
    time.sleep(0.01)
    topic.produce(b"last", partition=0)
    [at] = [each.at for each in records(topic.brokers, topic.name) if each.value == b"later"]
    unread = topic.log.unread()
    assert unread is not None
    assert unread.since == at
    assert unread.what == f"2 partitions of {topic.name}, e.g. partition 0 from offset 0, 2 records in all"


def test_an_empty_partition_holds_back_no_slice(topic: Topic, follow: Callable[..., Feed]) -> None:
    topic.produce(b"1", partition=1)
    feed = follow()
    [batch] = take(feed, 1)
    feed.done(batch, [])
    assert topic.log.unread() is None


def test_offsets_without_a_record_are_not_unread(topic: Topic, follow: Callable[..., Feed]) -> None:
    producer = Producer({"bootstrap.servers": topic.brokers, "transactional.id": topic.name})
    producer.init_transactions(PATIENCE)
    producer.begin_transaction()
    producer.produce(topic.name, b"1", partition=0)
    producer.commit_transaction(PATIENCE)
    feed = follow()
    [batch] = take(feed, 1)
    feed.done(batch, [])
    assert topic.log.lag()[0] == Lag(0, 0, 2, 1)  # the end of the transaction also has an offset
    assert topic.log.unread() is None


# --- retention, recreated topics ---


def test_records_deleted_by_retention_are_reported_and_the_rest_is_folded(
    topic: Topic, follow: Callable[..., Feed], messages: list[str]
) -> None:
    topic.produce(*[b"%d" % number for number in range(10)], partition=0)
    topic.commit(0, 2)
    topic.delete_before(0, 6)
    unread = topic.log.unread()
    assert unread is not None
    assert "partition 0 from offset 6, 4 records in all" in unread.what
    findings = [each for each in topic.log.examine() if each.level is Level.BAD]
    assert [each.message for each in findings] == [
        f"partition 0 of {topic.name}: 4 records from offset 2 deleted before the stream read them"
    ]
    batches = take(follow(), 4)
    assert [record.offset for batch in batches for record in batch.records] == [6, 7, 8, 9]
    assert any("does not have offset 2" in each and "retention.ms" in each for each in messages)


def test_a_recreated_topic_is_read_from_its_start(
    topic: Topic, follow: Callable[..., Feed], messages: list[str]
) -> None:
    topic.produce(b"1", b"2", partition=0)
    topic.commit(0, 1000)
    unread = topic.log.unread()
    assert unread is not None
    assert "partition 0 from offset 0, 2 records in all" in unread.what
    assert len([record for batch in take(follow(), 2) for record in batch.records]) == 2
    assert any("does not have offset 1000" in each for each in messages)


# --- an audit ---


def test_retained_records_are_read_independently_of_the_stream(topic: Topic, follow: Callable[..., Feed]) -> None:
    for partition in range(3):
        topic.produce(*[b"%d" % number for number in range(1500)], partition=partition)
    topic.delete_before(1, 100)
    topic.commit(2, 7)
    retained = topic.log.retained()
    topic.produce(b"later", partition=0)
    assert dict(retained.folded) == {(topic.name, partition): offset for partition, offset in enumerate((0, 100, 7, 0))}
    parts = [(part.cut, [*part.batches]) for part in retained.parts]
    assert [cut for cut, _ in parts] == [False, True, False, False]
    offsets = [[record.offset for batch in batches for record in batch.records] for _, batches in parts]
    assert offsets == [[*range(1501)], [*range(100, 1500)], [*range(1500)], []]
    assert topic.log.lag()[2].committed == 7
