"""Commits positions of the consumer group in a thread, because librdkafka's call hangs while a broker hangs."""

from collections.abc import Callable, Collection
from threading import Thread

from confluent_kafka import Consumer, KafkaException, TopicPartition


class BackgroundCall:
    """A call in a separate thread."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.error: str | None = None
        """Why the call failed; None while it runs, and after it succeeded."""
        self._call = call
        self._thread = Thread(target=self._run, name="kafka-aside", daemon=True)
        self._thread.start()

    def has_ended(self, wait: float) -> bool:
        """Wait for at most `wait` seconds; returns whether the call has ended."""
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

    Two concurrent commits could arrive in the wrong order, and the group would continue at an older position.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._due: dict[int, TopicPartition] = {}
        self._sent: dict[int, TopicPartition] = {}
        self._sending: BackgroundCall | None = None

    def add(self, position: TopicPartition) -> None:
        """Add a position to the next commit: everything before it is in the hot store."""
        self._due[position.partition] = position

    def forget(self, partitions: Collection[int]) -> None:
        """Drop positions of partitions that other members commit from now on."""
        for partition in partitions:
            self._due.pop(partition, None)
            self._sent.pop(partition, None)

    def send(self, wait: float) -> str | None:
        """Commit the added positions; wait at most `wait` seconds. Returns the error of a failed commit, or None."""
        if self._sending is None and self._due:
            self._sent, self._due = self._due, {}
            offsets = list(self._sent.values())
            self._sending = BackgroundCall(lambda: self._consumer.commit(offsets=offsets, asynchronous=False))
        if self._sending is None or not self._sending.has_ended(wait):
            return None
        error, self._sending = self._sending.error, None
        if error is not None:
            self._due = self._sent | self._due
        self._sent = {}
        return error
