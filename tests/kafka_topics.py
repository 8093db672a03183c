"""Topics for one test, and their records."""

import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from assess_core.adapters.kafka.log import KafkaLog
from assess_core.ports.log import Feed, LogBatch

PATIENCE: Final = 30.0


class Stored(NamedTuple):
    """A record of a topic."""

    partition: int
    at: int
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]
    offset: int


def create_topic(brokers: str, name: str, partitions: int = 4, **config: str) -> None:
    """Create a topic whose records have the broker's time. In `config`, `_` stands for `.`."""
    settings = {"message.timestamp.type": "LogAppendTime"} | {key.replace("_", "."): v for key, v in config.items()}
    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=settings)
    admin = AdminClient({"bootstrap.servers": brokers})  # the client must outlive the future
    admin.create_topics([topic], request_timeout=PATIENCE)[name].result(PATIENCE)


def records(brokers: str, topic: str) -> list[Stored]:
    """All records, partition by partition."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "enable.auto.commit": False})
    try:
        found: list[Stored] = []
        for partition in consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions:
            where = TopicPartition(topic, partition, 0)
            end = _end(consumer, where)
            consumer.assign([where])
            read = 0
            while read < end:
                record = consumer.poll(PATIENCE)
                assert record is not None, f"{topic} ends at {read} of {end}"
                assert record.error() is None, record.error()
                offset = record.offset()
                assert offset is not None
                read = offset + 1
                headers: Any = record.headers() or []
                at, value = record.timestamp()[1], record.value() or b""
                found.append(Stored(partition, at, record.key(), value, dict(headers), offset))
        return found
    finally:
        consumer.close()


def produce(brokers: str, topic: str, values: Iterable[bytes | None], partition: int = -1) -> None:
    """Send values to a topic, in order within each partition. By default they go to several partitions."""
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True, "log_level": 0})
    for number, value in enumerate(values):
        while True:
            try:
                producer.produce(topic, value, key=str(number), partition=partition)
            except BufferError:
                producer.poll(0.1)
            else:
                break
    assert producer.flush(PATIENCE) == 0, f"{topic} did not accept all records"


def _end(consumer: Consumer, where: TopicPartition) -> int:
    """The offset after the last record. Waits, because a new topic can have no leader yet."""
    for _ in range(100):
        try:
            return int(consumer.get_watermark_offsets(where, timeout=PATIENCE)[1])
        except KafkaException:
            time.sleep(0.1)
    raise AssertionError(f"{where} has no leader")


class Topic(NamedTuple):
    """A topic for one test, and its topic for failed events."""

    brokers: str
    name: str

    @property
    def log(self) -> KafkaLog:
        return KafkaLog(self.url())

    def url(self, options: str = "") -> str:
        return f"kafka://{self.brokers}/{self.name}?group=g-{self.name}{options}"

    def produce(self, *values: bytes | None, partition: int = -1) -> None:
        produce(self.brokers, self.name, values, partition)

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.brokers})

    def commit(self, partition: int, offset: int) -> None:
        """Set the committed offset of the group, like an operator."""
        where = TopicPartition(self.name, partition, offset)
        offsets = ConsumerGroupTopicPartitions(f"g-{self.name}", [where])
        admin = self.admin()
        [future] = admin.alter_consumer_group_offsets([offsets]).values()
        future.result(PATIENCE)

    def delete_before(self, partition: int, offset: int) -> None:
        """Delete the records before an offset, like the retention of Kafka."""
        where = TopicPartition(self.name, partition, offset)
        admin = self.admin()
        [future] = admin.delete_records([where]).values()
        future.result(PATIENCE)


def take(feed: Feed, count: int) -> list[LogBatch]:
    """Read batches until they hold this many records, without committing any."""
    found: list[LogBatch] = []
    until = time.monotonic() + PATIENCE
    while sum(len(batch.records) for batch in found) < count:
        assert time.monotonic() < until, f"only {found} arrived"
        found += feed.batches()
    return found
