"""How far a consumer group is behind, and when its first unread record was received."""

import threading
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import (
    Consumer,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from assess_core.adapters.kafka.client import TIMEOUT, CallbackErrors, Cluster, make, translated
from assess_core.adapters.kafka.records import received_at
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import StoreUnavailable

_READER: Final[dict[str, object]] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "max.partition.fetch.bytes": 1,  # the first batch is always sent whole; this prevents a second one
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 10,
    "allow.auto.create.topics": False,
}


class Lag(NamedTuple):
    """A partition, and how far the consumer group has read it."""

    partition: int
    start: int
    """The first offset that the topic still has."""
    end: int
    """The offset of the next record that will be written."""
    committed: int | None
    """The offset at which the group continues; None if it never committed one."""

    @property
    def next(self) -> int:
        """The next offset to fold; the start of the partition if the committed offset no longer exists."""
        return self.committed if self.committed is not None and self.start <= self.committed <= self.end else self.start

    @property
    def records(self) -> int:
        """How many offsets are unread; some may have no record."""
        return self.end - self.next

    @property
    def lost(self) -> int:
        """How many offsets were deleted before they were folded."""
        return 0 if self.committed is None else max(0, self.start - self.committed)


class First(NamedTuple):
    """The first unread record of a partition."""

    partition: int
    offset: int
    received_at: int | None
    """By the broker's clock (epoch ms); None if the senders stamp the records."""


def lag(cluster: Cluster, url: KafkaUrl) -> list[Lag]:
    """The lag of each partition, in some ms. Raises `StoreUnavailable`, and `BadSettings` if the topic is missing."""
    partitions = cluster.partitions()
    # positions first, ends last: a record that is folded in between counts as unread, not as folded
    committed = cluster.committed(partitions)
    starts = _offsets(cluster, url.topic, partitions, OffsetSpec.earliest())
    ends = _offsets(cluster, url.topic, partitions, OffsetSpec.latest())
    return [Lag(each, starts[each], ends[each], committed.get(each)) for each in partitions]


def _offsets(cluster: Cluster, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
    asked = {TopicPartition(topic, partition): spec for partition in partitions}
    found = cluster.results(lambda admin: admin.list_offsets(asked, request_timeout=TIMEOUT))
    return {each.partition: offset.offset for each, offset in found.items()}


class Reader:
    """Reads single records. Threads may share it; one call runs at a time."""

    def __init__(self, url: KafkaUrl) -> None:
        self._url = url
        self._callback_errors = CallbackErrors()
        settings = url.client({**_READER, "group.id": url.group, "error_cb": self._callback_errors})
        self._consumer = make(Consumer, settings, url)
        self._lock = threading.Lock()

    def first(self, waiting: Sequence[Lag]) -> list[First]:
        """The first unread record of each partition; partitions without an unread record are left out.

        Offsets without a record belong to transactions, or to records that compaction removed.
        """
        if not waiting:
            return []
        with self._lock:
            try:
                self._consumer.assign([TopicPartition(self._url.topic, each.partition, each.next) for each in waiting])
                return self._read({each.partition for each in waiting})
            except KafkaException as error:
                raise translated(error.args[0], self._url, self._callback_errors.take()) from error
            finally:
                self._consumer.unassign()

    def _read(self, partitions: set[int]) -> list[First]:
        found: dict[int, First | None] = {}
        until = time.monotonic() + TIMEOUT
        while found.keys() != partitions:
            if time.monotonic() > until:
                texts = [each.str() for each in self._callback_errors.take()]
                why = self._url.without_secrets(texts[-1] if texts else "no answer")
                raise StoreUnavailable(f"Kafka at {self._url.brokers} delivers no records: {why}; start it")
            for message in self._consumer.consume(len(partitions), 0.01):
                partition = message.partition()
                if partition is not None and partition not in found and self._is_answer(message):
                    found[partition] = _first(message)
        return [each for each in found.values() if each is not None]

    def _is_answer(self, message: Message) -> bool:
        """Whether a message is a record or the end of its partition. Other messages are errors, which this collects."""
        error = message.error()
        if error is None or error.name() == "_PARTITION_EOF":
            return True
        self._callback_errors(error)
        return False


def _first(message: Message) -> First | None:
    partition, offset = message.partition(), message.offset()
    if message.error() is not None or partition is None or offset is None:
        return None
    return First(partition, offset, received_at(message))
