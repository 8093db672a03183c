"""The topic of failed events: each record holds the whole event, with the reason in its headers."""

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from assess_core.adapters.kafka.client import MISSING, CallbackErrors, Cluster, make
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.domain.events import FailedEvent
from assess_core.errors import StoreUnavailable
from assess_core.ports.log import Notify

_DELIVERED_WITHIN: Final = 10.0  # seconds; after that `done` is called again for the whole batch
_PRODUCER: Final[dict[str, object]] = {
    "acks": "all",
    "enable.idempotence": True,
    "delivery.timeout.ms": int(_DELIVERED_WITHIN * 1000),
    "message.max.bytes": 1_000_000_000,  # the broker decides which records are too large
    "topic.metadata.propagation.max.ms": 2000,  # a missing topic is reported after 2 s, not after 30 s
}


class FailedTopic:
    """Writes failed events to a topic. An event may be written twice (see docs/formats.md), but is never dropped."""

    def __init__(self, url: KafkaUrl, cluster: Cluster, notify: Notify) -> None:
        self._url = url
        self._cluster = cluster
        self._notify = notify
        self._callback_errors = CallbackErrors()
        self._producer: Producer | None = None  # connects at the first failure, because events rarely fail

    def publish(self, events: Sequence[FailedEvent]) -> None:
        """Write events to the topic. Raises `StoreUnavailable` if the topic did not acknowledge all of them."""
        if not events:
            return
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                return
            if error.name() == "MSG_SIZE_TOO_LARGE":
                self._notify(self._too_large(message))
            else:
                errors.append(error)

        try:
            for event in events:
                self._produce(event, delivered)
            if self._connected().flush(_DELIVERED_WITHIN + 1) or errors:
                raise self._unavailable(errors)
        except KafkaException as error:
            raise self._unavailable([error.args[0]]) from error

    def close(self) -> None:
        """Nothing is pending, because `publish` waits for all acknowledgements."""
        self._producer = None

    def _produce(self, event: FailedEvent, delivered: Callable[[KafkaError | None, Message], None]) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", event.reason.value),
            ("message", event.message),
            ("topic", event.topic),
            ("partition", str(event.partition)),
            ("offset", str(event.offset)),
        ]
        producer = self._connected()
        while True:
            try:
                producer.produce(self._url.failed, event.raw, headers=headers, on_delivery=delivered)
            except BufferError:  # the client's queue is full
                producer.poll(0.1)
            else:
                return

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = make(
                Producer, self._url.client({**_PRODUCER, "error_cb": self._callback_errors}), self._url
            )
        return self._producer

    def _unavailable(self, errors: Sequence[KafkaError]) -> StoreUnavailable:
        # after a fatal error a client cannot be used; the next `publish` sends all events with a new client
        self._producer = None
        if any(error.name() in MISSING for error in errors):
            return StoreUnavailable(f"failed events cannot be published: {self._cluster.missing(self._url.failed)}")
        texts = [error.str() for error in (*errors, *self._callback_errors.take())]
        why = self._url.without_secrets(texts[-1] if texts else "no answer")
        return StoreUnavailable(f"failed events cannot be written to the topic {self._url.failed!r}: {why}")

    def _too_large(self, message: Message) -> str:
        return (
            f"a failed event of {len(message.value() or b''):,} bytes is too large for the topic {self._url.failed!r}; "
            "it is only in the hot store (assess failed list); raise max.message.bytes of the topic"
        )
