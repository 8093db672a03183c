"""A member of the consumer group: yields batches of records, and commits their positions after they are stored."""

from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    Message,
    TopicPartition,
)

from assess_core.adapters.kafka.client import (
    APPEND_TIME,
    MISSING,
    CallbackErrors,
    Cluster,
    alter_command,
    make,
    translated,
)
from assess_core.adapters.kafka.commits import BackgroundCall, Commits
from assess_core.adapters.kafka.failed import FailedTopic
from assess_core.adapters.kafka.records import CHUNK, to_record
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.domain.events import FailedEvent, Record
from assess_core.ports.log import BATCH_BYTES, BATCH_RECORDS, LogBatch, Notify

_LOOK: Final = 0.25  # seconds to wait for the first record; signals are handled afterwards
_MORE: Final = 0.005  # seconds to wait for more records
_ANSWER: Final = 5.0  # seconds to wait for a commit, and for leaving the group
_CONSUMER: Final[dict[str, object]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # `_seek_to_beginnings` does this, after a message
    "partition.assignment.strategy": "cooperative-sticky",  # members continue to read while another one joins
    "session.timeout.ms": 6000,  # ms until other members take over after a kill -9
    "heartbeat.interval.ms": 1000,
    "fetch.queue.backoff.ms": 5,  # with the default of 1000, reading a backlog takes four times as long
    "queued.max.messages.kbytes": 32 * 1024,
    "socket.timeout.ms": 10_000,  # ms until a request to a hanging broker fails
    "allow.auto.create.topics": False,
}


class KafkaFeed:
    """A `ports.Feed` of the partitions that the group assigns to this process.

    A position is committed after its batch is in the hot store, and only for partitions that this process still owns.
    After a rebalance, a kill or a lost commit, records are delivered again, but none is skipped.
    """

    def __init__(self, url: KafkaUrl, cluster: Cluster, notify: Notify, worker: int = 0) -> None:
        self._url = url
        self._cluster = cluster
        self._notify = notify
        self._callback_errors = CallbackErrors()
        member = {} if url.member is None else {"group.instance.id": url.member + (f"-{worker}" if worker else "")}
        settings = url.client({**_CONSUMER, **member, "group.id": url.group, "error_cb": self._callback_errors})
        self._consumer = make(Consumer, settings, url)
        self._failed = FailedTopic(url, cluster, notify)
        self._commits = Commits(self._consumer)
        self._epochs: dict[int, int | None] = {}  # leader epoch of the last record, to detect a truncated log
        self._held: list[Message] = []  # for the next batch: too many bytes for this one, or arrived during a heartbeat
        self._paused = False
        self._beginning: set[int] = set()  # partitions to be read from their beginning
        self._notified: set[str] = set()  # messages since the last record
        self._clocks_notified = False
        self._consumer.subscribe([url.topic], on_revoke=self._on_revoke, on_lost=self._on_lost)

    def batches(self) -> Iterator[LogBatch]:
        wait = _LOOK
        while (batch := self._next(wait)) is not None:
            yield batch
            wait = 0.0

    def done(self, batch: LogBatch, failed: Sequence[FailedEvent]) -> None:
        """Raises `StoreUnavailable` if the topic of failed events does not answer; then nothing is committed."""
        self._failed.publish(failed)
        mine = {each.partition for each in self._consumer.assignment()}
        for record in batch.records:
            if record.partition in mine:
                epoch = self._epochs[record.partition]
                self._commits.add(
                    TopicPartition(self._url.topic, record.partition, record.offset + 1, leader_epoch=epoch)
                )
        self._commit(_ANSWER)

    def heartbeat(self) -> None:
        """A process that does not poll blocks every rebalance, and the group removes it after 5 minutes."""
        assigned = self._consumer.assignment()
        if assigned:
            self._consumer.pause(assigned)
        self._paused = True
        message = self._consumer.poll(0)
        if message is not None:  # from a newly assigned partition
            self._held.append(message)

    def close(self) -> None:
        self._commit(_ANSWER)
        # if there is no answer, the group notices after 6 s that this process has left
        BackgroundCall(self._consumer.close).has_ended(_ANSWER)
        self._failed.close()

    # --- records ---

    def _next(self, wait: float) -> LogBatch | None:
        self._resume()
        self._commit(0)  # retries a commit that failed in `done`
        records: list[Record] = []
        size, asked = 0, 1
        messages, self._held = self._held or self._consumer.consume(1, wait), []
        while messages:
            for read, message in enumerate(messages, 1):
                record = self._record(message)
                if record is not None:
                    records.append(record)
                    size += len(record.raw)
                if size >= BATCH_BYTES:
                    self._held = messages[read:]
                    break
            if len(messages) < asked or len(records) >= BATCH_RECORDS or size >= BATCH_BYTES:
                break
            asked = min(CHUNK, BATCH_RECORDS - len(records))
            messages = self._consumer.consume(asked, _MORE)
        for error in self._callback_errors.take():
            self._report(error)
        self._seek_to_beginnings()
        if not records:
            return None
        self._notified.clear()
        return LogBatch(records, {}, size)

    def _record(self, message: Message) -> Record | None:
        """The record of a message; None if the message is an event of the consumer."""
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None or partition is None or offset is None:
            if error is not None:
                self._report(error, partition, offset)
            return None
        record = to_record(message)
        if record is not None and record.received_at is None and not self._clocks_notified:
            self._clocks_notified = True
            self._notify(
                f"the senders stamp the records of {self._url.topic}, so the newest clock of an event is used as its "
                f"receipt; {alter_command(self._url, self._url.topic, APPEND_TIME)}"
            )
        self._epochs[partition] = message.leader_epoch()
        return record

    # --- events of the consumer ---

    def _report(self, error: KafkaError, partition: int | None = None, offset: int | None = None) -> None:
        """Report an event of the consumer. Raises errors that waiting does not resolve."""
        if error.name() == "_AUTO_OFFSET_RESET" and partition is not None:
            self._require_beginning(partition, offset)
        elif error.name() == "_FATAL" or error.name().endswith("AUTHORIZATION_FAILED"):
            raise translated(error, self._url)
        elif error.name() in MISSING:
            self._notify_once(f"{self._cluster.missing(self._url.topic)}; waiting for it")
        else:
            self._notify_once(f"Kafka: {self._url.without_secrets(error.str())} ({error.name()}); continuing")

    def _require_beginning(self, partition: int, offset: int | None) -> None:
        """Note that a partition must be read from its beginning; `offset` is its lost position, None if it had none."""
        if offset is not None and offset >= 0:
            self._notify(
                f"partition {partition} of {self._url.topic} does not have offset {offset}, the next one to fold: "
                "its records were deleted before they were folded (see retention.ms), or the topic was recreated; "
                "continuing from the beginning of the partition"
            )
        self._beginning.add(partition)

    def _seek_to_beginnings(self) -> None:
        """Move all these partitions to their beginnings in one call. Separate calls take a second each."""
        mine = self._beginning & {each.partition for each in self._consumer.assignment()}
        self._beginning.clear()
        if mine:
            beginnings = [TopicPartition(self._url.topic, partition, OFFSET_BEGINNING) for partition in sorted(mine)]
            self._consumer.incremental_unassign(beginnings)
            self._consumer.incremental_assign(beginnings)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commits.forget([each.partition for each in partitions])

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._on_revoke(consumer, partitions)
        names = ", ".join(str(each.partition) for each in partitions)
        self._notify(f"partitions {names} were assigned to other members; their uncommitted records are repeated")

    def _notify_once(self, text: str) -> None:
        if text not in self._notified:
            self._notified.add(text)
            self._notify(text)

    # --- positions ---

    def _commit(self, wait: float) -> None:
        error = self._commits.send(wait)
        if error is not None:
            self._notify_once(f"positions are not committed yet: {error}; trying again")

    def _resume(self) -> None:
        if self._paused:
            self._consumer.resume(self._consumer.assignment())
            self._paused = False
