"""How far a consumer group has come, and when the first record was received that it has not folded."""

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

from assess_core.adapters.kafka.client import TIMEOUT, Cluster, Heard, make, translated
from assess_core.adapters.kafka.records import received_at
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import StoreUnavailable

_READER: Final[dict[str, object]] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "max.partition.fetch.bytes": 1,  # the first batch comes whole whatever this is, the second does not
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 10,
    "allow.auto.create.topics": False,
}


class Lag(NamedTuple):
    """A partition, as the consumer group left it."""

    partition: int
    start: int
    """The first offset that the topic still holds."""
    end: int
    """The offset that the next record gets."""
    committed: int | None
    """The offset that the group goes on from; None when it never committed one."""

    @property
    def next(self) -> int:
        """What is folded next: from the start where what was to be next is not there."""
        return self.committed if self.committed is not None and self.start <= self.committed <= self.end else self.start

    @property
    def records(self) -> int:
        """How many offsets are to be folded; some may hold no record."""
        return self.end - self.next

    @property
    def lost(self) -> int:
        """How many offsets were deleted before they were folded."""
        return 0 if self.committed is None else max(0, self.start - self.committed)


class First(NamedTuple):
    """The first record of a partition that is not folded."""

    partition: int
    offset: int
    received_at: int | None
    """By the broker's clock (epoch ms); None where the topic has the senders' clocks."""


def lag(cluster: Cluster, url: KafkaUrl) -> list[Lag]:
    """By partition. Raises `StoreUnavailable`, and `BadSettings` when there is no such topic; takes some ms."""
    partitions = cluster.partitions()
    # positions first, ends last: a record folded in between counts as unread, never the other way round
    committed = cluster.committed(partitions)
    starts = _offsets(cluster, url.topic, partitions, OffsetSpec.earliest())
    ends = _offsets(cluster, url.topic, partitions, OffsetSpec.latest())
    return [Lag(each, starts[each], ends[each], committed.get(each)) for each in partitions]


def _offsets(cluster: Cluster, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
    asked = {TopicPartition(topic, partition): spec for partition in partitions}
    found = cluster.results(lambda admin: admin.list_offsets(asked, request_timeout=TIMEOUT))
    return {each.partition: offset.offset for each, offset in found.items()}


class Reader:
    """Reads single records; may be shared by threads, which then wait for one another."""

    def __init__(self, url: KafkaUrl) -> None:
        self._url = url
        self._heard = Heard()
        settings = url.client({**_READER, "group.id": url.group, "error_cb": self._heard})
        self._consumer = make(Consumer, settings, url)
        self._lock = threading.Lock()

    def first(self, waiting: Sequence[Lag]) -> list[First]:
        """The first record that is to be folded of each partition; one whose offsets hold none is left out.

        Offsets without a record are those of transactions, and of what compaction took away.
        """
        if not waiting:
            return []
        with self._lock:
            try:
                self._consumer.assign([TopicPartition(self._url.topic, each.partition, each.next) for each in waiting])
                return self._read({each.partition for each in waiting})
            except KafkaException as error:
                raise translated(error.args[0], self._url, self._heard.take()) from error
            finally:
                self._consumer.unassign()

    def _read(self, partitions: set[int]) -> list[First]:
        found: dict[int, First | None] = {}
        until = time.monotonic() + TIMEOUT
        while found.keys() != partitions:
            if time.monotonic() > until:
                heard = [each.str() for each in self._heard.take()]
                why = self._url.without_secrets(heard[-1] if heard else "no answer")
                raise StoreUnavailable(f"Kafka at {self._url.brokers} gives no records: {why}; start it")
            for message in self._consumer.consume(len(partitions), 0.01):
                partition = message.partition()
                if partition is not None and partition not in found and self._is_answer(message):
                    found[partition] = _first(message)
        return [each for each in found.values() if each is not None]

    def _is_answer(self, message: Message) -> bool:
        """Whether it is a record, or the end of its partition; other news is waited over."""
        error = message.error()
        if error is None or error.name() == "_PARTITION_EOF":
            return True
        self._heard(error)
        return False


def _first(message: Message) -> First | None:
    partition, offset = message.partition(), message.offset()
    if message.error() is not None or partition is None or offset is None:
        return None
    return First(partition, offset, received_at(message))
