"""Writes to a Kafka topic: an idempotent producer, whose records are acknowledged by all in-sync replicas."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from assess_core.adapters.kafka.client import CallbackErrors, make, translated
from assess_core.adapters.kafka.records import TRACE
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import AssessError, BadRequest, Overloaded, StoreUnavailable
from assess_core.ports.log import Message

SCHEMA_VERSION: Final = b"1"
"""Version of the message format: an item of `assessments` as `PATCH /v1/content/state/update` accepts it."""
MOST_WAITING: Final = 10_000  # records; at 2-3 kB each about 25 MB, which a broker stores in a second
_MOST_KILOBYTES: Final = 64 * 1024
_DELIVERY: Final = 10_000  # ms until a record counts as not stored; clients wait 30 s and should get an answer earlier
_LARGEST: Final = 2 * 1024 * 1024  # twice the largest body; the broker decides what the topic accepts


class KafkaIntake:
    """A `ports.Intake` into a topic. A learner's records go to one partition, which keeps their order."""

    def __init__(self, url: KafkaUrl) -> None:
        """Raises `BadSettings` for options that Kafka's client refuses."""
        self._url = url
        self._callback_errors = CallbackErrors()
        settings = {
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 0,  # the default of 5 ms would double the time to an acknowledgement
            "delivery.timeout.ms": _DELIVERY,
            "topic.metadata.propagation.max.ms": 5000,  # ms to wait for a topic that does not exist
            "queue.buffering.max.messages": MOST_WAITING,
            "queue.buffering.max.kbytes": _MOST_KILOBYTES,
            "message.max.bytes": _LARGEST,
            "partitioner": "murmur2_random",  # the partitioner of other Kafka clients
            "error_cb": self._callback_errors,
        }
        self._producer: Producer = make(Producer, url.client(settings), url)
        self._closing = threading.Event()
        self._acknowledged = threading.Thread(target=self._poll, name="log-acknowledgements", daemon=True)
        self._acknowledged.start()

    def append(self, messages: Sequence[Message]) -> "Future[None]":
        if self._closing.is_set():
            raise StoreUnavailable("this server is shutting down; send it again to another server")
        waiting = _Unacknowledged(len(messages), self._failure)
        received_at = b"%d" % (time.time_ns() // 1_000_000)
        if len(self._producer) + len(messages) > MOST_WAITING:
            raise _overloaded()
        for message in messages:
            headers: list[tuple[str, str | bytes | None]] = [
                ("schema_version", SCHEMA_VERSION),
                ("received_at", received_at),
                ("request_id", message.request_id),
            ]
            if message.trace:
                headers.append((TRACE, message.trace))
            try:
                self._producer.produce(
                    self._url.topic,
                    message.value,
                    message.user_id.encode(),
                    headers=headers,
                    on_delivery=waiting.acknowledge,
                )
            except BufferError:
                raise _overloaded() from None
            except KafkaException as error:
                waiting.acknowledge(error.args[0], None)
        return waiting.done

    def close(self) -> None:
        self._closing.set()
        self._acknowledged.join()
        self._producer.flush(_DELIVERY / 1000)

    def _poll(self) -> None:
        while not self._closing.is_set():
            try:
                self._producer.poll(0.1)
            except Exception:  # noqa: BLE001 a callback failed: without this thread no record would be acknowledged
                self._closing.wait(0.1)

    def _failure(self, error: KafkaError) -> AssessError:
        if error.name() == "MSG_SIZE_TOO_LARGE":
            return BadRequest("an assessment is larger than the topic accepts; send fewer answers in one assessment")
        return StoreUnavailable(str(translated(error, self._url, self._callback_errors.take())))


def _overloaded() -> Overloaded:
    return Overloaded("the queue in front of Kafka is full; send the request again in some seconds")


class _Unacknowledged:
    """The records of one call that are not acknowledged yet."""

    def __init__(self, records: int, failure: Callable[[KafkaError], AssessError]) -> None:
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()  # an accepted message cannot be cancelled
        self._left = records
        self._failure = failure
        self._failed: KafkaError | None = None
        self._lock = threading.Lock()  # if the client refuses a record immediately, another thread reports it
        if not records:
            self.done.set_result(None)

    def acknowledge(self, error: KafkaError | None, _record: KafkaMessage | None) -> None:
        """Count a record as stored (no error), or as not known to be stored."""
        with self._lock:
            self._left -= 1
            self._failed = self._failed or error
            last = not self._left
        if last and self._failed is None:
            self.done.set_result(None)
        elif last and self._failed is not None:
            self.done.set_exception(self._error(self._failed))

    def _error(self, failed: KafkaError) -> Exception:
        try:
            return self._failure(failed)
        except Exception as error:  # noqa: BLE001 the caller must get an answer in any case
            return StoreUnavailable(
                f"Kafka did not store an event ({failed.name()}; {type(error).__name__}: {error}); send it again"
            )
