"""Positions on their way to the consumer group, from a thread: librdkafka's call hangs for as long as a broker does."""

from collections.abc import Callable, Collection
from threading import Thread

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition


class Aside:
    """A call in a thread that nobody has to wait for."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.error: KafkaError | None = None
        self._call = call
        self._thread = Thread(target=self._run, name="kafka-aside", daemon=True)
        self._thread.start()

    def is_over(self, wait: float) -> bool:
        """Whether it returned, within so many seconds."""
        self._thread.join(wait)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._call()
        except KafkaException as error:
            self.error = error.args[0]


class Commits:
    """One commit at a time, the newest position of each partition; what failed is sent again.

    Two at once could arrive in the other order and leave the group behind what was folded.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._due: dict[int, TopicPartition] = {}
        self._sent: dict[int, TopicPartition] = {}
        self._sending: Aside | None = None

    def add(self, position: TopicPartition) -> None:
        """Everything before it is in the hot store."""
        self._due[position.partition] = position

    def forget(self, partitions: Collection[int]) -> None:
        """Others commit from here on."""
        for partition in partitions:
            self._due.pop(partition, None)
            self._sent.pop(partition, None)

    def send(self, wait: float) -> KafkaError | None:
        """Send what is due, and wait so many seconds for the answer; why it was not taken, if it was not."""
        if self._sending is None and self._due:
            self._sent, self._due = self._due, {}
            offsets = list(self._sent.values())
            self._sending = Aside(lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        if self._sending is None or not self._sending.is_over(wait):
            return None
        error, self._sending = self._sending.error, None
        if error is not None:
            self._due = self._sent | self._due
        self._sent = {}
        return error
