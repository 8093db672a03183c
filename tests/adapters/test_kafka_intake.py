"""Properties that only the Kafka intake has: keys, headers, topics that refuse a record, a broker that hangs."""

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from assess_core.adapters.kafka.intake import KafkaIntake
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import BadRequest, BadSettings, StoreUnavailable
from assess_core.ports.log import Message
from tests.kafka_topics import create_topic, records
from tests.servers import Instance

PATIENCE = 60


def intake_of(brokers: str, topic: str) -> KafkaIntake:
    return KafkaIntake(KafkaUrl.parse(f"kafka://{brokers}/{topic}?group=g"))


@pytest.fixture
def topic(kafka_brokers: str) -> str:
    name = f"intake-{uuid4()}"
    create_topic(kafka_brokers, name)
    return name


@pytest.fixture
def intake(kafka_brokers: str, topic: str) -> Iterator[KafkaIntake]:
    found = intake_of(kafka_brokers, topic)
    yield found
    found.close()


def test_records_are_keyed_by_learner_and_carry_their_origin_in_headers(
    intake: KafkaIntake, kafka_brokers: str, topic: str
) -> None:
    before = time.time_ns() // 1_000_000
    users = [f"u{n % 10}é" for n in range(40)]
    intake.append([Message(user, b'{ "n": 1.0 }', "request-1") for user in users]).result(PATIENCE)

    found = records(kafka_brokers, topic)
    assert sorted(record.key or b"" for record in found) == sorted(user.encode() for user in users)
    assert len({(record.partition, record.key) for record in found}) == 10  # each learner has one partition
    assert len({record.partition for record in found}) > 1
    for record in found:
        assert record.value == b'{ "n": 1.0 }'
        received = record.headers.pop("received_at")
        assert before <= int(received) <= before + 60_000
        assert record.headers == {"schema_version": b"1", "request_id": b"request-1"}


def test_the_largest_body_is_accepted_if_the_topic_accepts_it(kafka_brokers: str) -> None:
    topic = f"intake-{uuid4()}"
    create_topic(kafka_brokers, topic, max_message_bytes=str(2 * 1024 * 1024))
    intake = intake_of(kafka_brokers, topic)
    intake.append([Message("u1", b"x" * 1024 * 1024)]).result(PATIENCE)
    intake.close()
    assert [len(record.value) for record in records(kafka_brokers, topic)] == [1024 * 1024]


def test_a_record_too_large_for_the_topic_is_a_client_error(kafka_brokers: str) -> None:
    topic = f"intake-{uuid4()}"
    create_topic(kafka_brokers, topic, max_message_bytes="1000")
    intake = intake_of(kafka_brokers, topic)
    with pytest.raises(BadRequest, match="larger than the topic accepts"):
        intake.append([Message("u1", b"x" * 2000)]).result(PATIENCE)
    with pytest.raises(BadRequest, match="larger than the topic accepts"):
        intake.append([Message("u1", b"x" * 3 * 1024 * 1024)]).result(PATIENCE)
    intake.append([Message("u1", b"small")]).result(PATIENCE)
    intake.close()
    assert [record.value for record in records(kafka_brokers, topic)] == [b"small"]


def test_a_missing_topic_is_reported_soon(kafka_brokers: str) -> None:
    topic = f"intake-{uuid4()}"
    intake = intake_of(kafka_brokers, topic)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match="has no such topic"):
        intake.append([Message("u1", b"{}")]).result(PATIENCE)
    assert time.monotonic() - started < 15
    create_topic(kafka_brokers, topic)
    for _ in range(10):
        try:
            intake.append([Message("u1", b"{}")]).result(PATIENCE)
            break
        except StoreUnavailable:
            time.sleep(1)
    intake.close()
    assert [record.value for record in records(kafka_brokers, topic)] == [b"{}"]


def test_options_that_librdkafka_does_not_know_are_refused(kafka_brokers: str) -> None:
    url = KafkaUrl.parse(f"kafka://{kafka_brokers}/t?group=g&ssl.nonsense=1")
    with pytest.raises(BadSettings):
        KafkaIntake(url)


def test_a_missing_broker_is_reported_soon() -> None:
    intake = intake_of("127.0.0.1:1", "t")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        intake.append([Message("u1", b"{}")]).result(PATIENCE)
    assert time.monotonic() - started < 15
    intake.close()


def test_a_broker_that_hangs_is_reported_soon_and_loses_no_acknowledged_event(killed_kafka: Instance) -> None:
    brokers = killed_kafka.env["ASSESS_LOG"].split("/")[2]
    topic = f"intake-{uuid4()}"
    create_topic(brokers, topic)
    intake = intake_of(brokers, topic)
    intake.append([Message("u1", b"before")]).result(PATIENCE)

    killed_kafka.pause("kafka")
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        intake.append([Message("u1", b"while")]).result(PATIENCE)
    assert time.monotonic() - started < 15
    killed_kafka.resume("kafka")
    intake.append([Message("u1", b"after")]).result(PATIENCE)

    # with acks=all, the kernel has all acknowledged records, so they survive a killed broker
    killed_kafka.kill("kafka")
    killed_kafka.up()
    found = [record.value for record in records(brokers, topic)]
    assert [value for value in found if value != b"while"] == [b"before", b"after"]
    intake.append([Message("u1", b"again")]).result(PATIENCE)
    intake.close()
