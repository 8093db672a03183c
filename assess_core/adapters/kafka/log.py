"""The log as a Kafka topic. A consumer group shares its partitions; records before committed positions are folded."""

from collections.abc import Collection, Iterator
from functools import cached_property

from assess_core.adapters.kafka.client import Cluster
from assess_core.adapters.kafka.feed import KafkaFeed
from assess_core.adapters.kafka.health import examine
from assess_core.adapters.kafka.lag import Lag, Reader, lag
from assess_core.adapters.kafka.retained import received_at, retained
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.domain.counts import counted
from assess_core.domain.slices import Unread
from assess_core.ports.findings import Finding
from assess_core.ports.log import Backlog, Feed, Intake, LogBatch, Notify, Retained


class KafkaLog:
    """A `ports.Log` on Kafka. Raises `BadSettings` for an invalid URL; connects at the first request."""

    def __init__(self, url: str) -> None:
        self._url = KafkaUrl.parse(url)

    def unread(self) -> Unread | None:
        """Takes some ms. `since` is None if the senders stamp the records, because their clocks are in no order."""
        behind = {each.partition: each for each in self.lag() if each.records}
        firsts = sorted(self._reader.first(list(behind.values())))
        if not firsts:
            return None
        partitions = counted(len(firsts), "partition")
        records = sum(behind[each.partition].records for each in firsts)
        received = [each.received_at for each in firsts if each.received_at is not None]
        return Unread(
            f"{partitions} of {self._url.topic}, e.g. partition {firsts[0].partition} from offset {firsts[0].offset}, "
            f"{counted(records, 'record')} in all",
            min(received) if len(received) == len(firsts) else None,
        )

    def backlog(self) -> list[Backlog]:
        return [Backlog(str(each.partition), each.records, "records") for each in self.lag()]

    def ignored(self) -> str | None:
        """Nothing: every record of the topic is read."""
        return None

    def lag(self) -> list[Lag]:
        """How far the group is behind, by partition. Raises `StoreUnavailable`, `BadSettings`."""
        return lag(self._cluster, self._url)

    def feed(self, notify: Notify, worker: int = 0, workers: int = 1) -> Feed:
        """A new member of the group. Raises `StoreUnavailable`, and `BadSettings` if the topic does not exist."""
        self._cluster.partitions()
        if self._cluster.topic(self._url.failed) is None:
            notify(f"{self._cluster.missing(self._url.failed)}; without it the first failed event stops the stream")
        return KafkaFeed(self._url, self._cluster, notify, worker)

    def retained(self) -> Retained:
        return retained(self._url, self.lag)

    def received_at(self, moments: Collection[int]) -> Iterator[LogBatch]:
        return received_at(self._url, self.lag, moments)

    def intake(self) -> Intake:
        from assess_core.adapters.kafka.intake import KafkaIntake

        return KafkaIntake(self._url)

    def examine(self) -> Iterator[Finding]:
        return examine(self._cluster, self._url)

    @cached_property
    def _cluster(self) -> Cluster:
        return Cluster(self._url)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self._url)
