"""A consumer group with several members, and findings about a cluster that is misconfigured."""

import time
from collections.abc import Callable, Iterable
from uuid import uuid4

import pytest

from assess_core.adapters.kafka.log import KafkaLog
from assess_core.errors import BadSettings, StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.ports.log import Feed
from tests.kafka_topics import PATIENCE, Topic, create_topic, take


def finding_about(findings: Iterable[Finding], what: str) -> Finding:
    [finding] = [each for each in findings if each.what == what]
    return finding


# --- a group with several members ---


def test_positions_of_partitions_that_moved_to_another_member_are_not_committed(
    topic: Topic, follow: Callable[..., Feed]
) -> None:
    for partition in range(4):
        topic.produce(*[b"1"] * 5, partition=partition)
    one = follow()
    batches = take(one, 20)
    two = follow()
    until, theirs = time.monotonic() + PATIENCE, set[int]()
    while len(theirs) < 2:  # it gets partitions although the first member waits for a store
        assert time.monotonic() < until
        one.heartbeat()
        for batch in two.batches():
            theirs |= {record.partition for record in batch.records}
    for batch in batches:
        one.done(batch, [])
    assert {each.partition for each in topic.log.lag() if each.committed == 5} == set(range(4)) - theirs
    assert {each.partition for each in topic.log.lag() if each.committed is None} == theirs


def test_the_partitions_of_a_member_that_leaves_move_to_the_others_immediately(
    topic: Topic, follow: Callable[..., Feed]
) -> None:
    one = follow()
    topic.produce(b"1")
    take(one, 1)
    two = KafkaLog(topic.url()).feed(print)
    started = time.monotonic()
    one.close()
    take(two, 1)
    assert time.monotonic() - started < 5  # a member that only stops answering is removed after 6 s
    two.close()


def test_two_members_with_the_same_name_are_reported(topic: Topic, follow: Callable[..., Feed]) -> None:
    one = follow("&group.instance.id=stream-0")
    topic.produce(b"1")
    take(one, 1)
    take(follow("&group.instance.id=stream-0"), 1)
    with pytest.raises(BadSettings, match=r"group\.instance\.id: give each process its own"):
        take(one, 1)


def test_a_member_with_a_name_rejoins_immediately(topic: Topic, follow: Callable[..., Feed]) -> None:
    topic.produce(b"1", b"2")
    one = follow("&group.instance.id=stream-0")
    take(one, 2)
    one.close()  # a member with a name does not leave, so that it keeps its partitions
    started = time.monotonic()
    take(follow("&group.instance.id=stream-0"), 2)
    assert time.monotonic() - started < 5


# --- settings ---


def test_a_missing_topic_is_reported_with_the_command_that_creates_it(kafka_brokers: str) -> None:
    log = KafkaLog(f"kafka://{kafka_brokers}/nowhere?group=g")
    command = "kafka-topics.sh .* --create --topic nowhere .*LogAppendTime"
    with pytest.raises(BadSettings, match=command):
        log.feed(print)
    with pytest.raises(BadSettings, match=command):
        log.unread()
    assert finding_about(log.examine(), "topic").level is Level.BAD


def test_a_missing_failed_topic_is_a_finding(kafka_brokers: str) -> None:
    name = f"alone-{uuid4()}"
    create_topic(kafka_brokers, name)
    finding = finding_about(KafkaLog(f"kafka://{kafka_brokers}/{name}?group=g").examine(), "failed topic")
    assert finding.level is Level.BAD
    assert finding.action == (
        f"kafka-topics.sh --bootstrap-server {kafka_brokers} --create --topic {name}.failed --partitions 1 "
        "--replication-factor 1"
    )


def test_a_single_replica_is_reported_as_a_risk(topic: Topic) -> None:
    finding = finding_about(topic.log.examine(), "topic")
    assert finding.level is Level.WARN
    assert "replication 1" in finding.message


def test_a_compacted_topic_and_a_short_retention_are_reported(kafka_brokers: str) -> None:
    name = f"short-{uuid4()}"
    create_topic(kafka_brokers, name, cleanup_policy="compact,delete", retention_ms="3600000")
    findings = [
        each for each in KafkaLog(f"kafka://{kafka_brokers}/{name}?group=g").examine() if each.what == "retention"
    ]
    assert [each.level for each in findings] == [Level.BAD, Level.WARN]
    assert "compacted" in findings[0].message
    assert "keeps records for 1h" in findings[1].message


def test_a_missing_broker_is_reported_within_seconds() -> None:
    log = KafkaLog("kafka://127.0.0.1:1/t?group=g")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer: .*refused"):
        log.unread()
    assert time.monotonic() - started < 10
    [finding] = log.examine()
    assert finding.level is Level.BAD


def test_an_option_that_the_client_refuses_is_named() -> None:
    with pytest.raises(BadSettings, match=r"sasl\.no\.such\.thing"):
        KafkaLog("kafka://127.0.0.1:1/t?group=g&sasl.no.such.thing=1").unread()


def test_a_rejected_password_is_not_printed(topic: Topic) -> None:
    options = "&security.protocol=SASL_PLAINTEXT&sasl.mechanism=PLAIN&sasl.username=u&sasl.password=hunter2"
    with pytest.raises((BadSettings, StoreUnavailable)) as refused:
        KafkaLog(topic.url(options)).unread()
    assert "hunter2" not in str(refused.value)
