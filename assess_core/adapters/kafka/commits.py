"""Commits positions of the consumer group in a thread, because librdkafka's call hangs for as long as a broker does."""

from collections.abc import Callable, Collection
from threading import Thread

from confluent_kafka import Consumer, KafkaException, TopicPartition


class Aside:
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.error: str | None = None
        """Why the call failed; None while it runs, and after it succeeded."""
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
            self.error = f"{error.args[0].str()} ({error.args[0].name()})"
        except Exception as error:  # noqa: BLE001 a call that failed in any way did not commit
            self.error = f"{type(error).__name__}: {error}"


class Commits:
    """One commit at a time, with the newest position of each partition. A failed commit is sent again.

    Two commits at once could arrive in the wrong order, and the group would be behind what was folded.
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
        """Other members commit these partitions from now on."""
        for partition in partitions:
            self._due.pop(partition, None)
            self._sent.pop(partition, None)

    def send(self, wait: float) -> str | None:
        """Send what is due and wait up to so many seconds for the answer. Returns why a commit failed, or None."""
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
