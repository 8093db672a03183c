"""The topic that failed events go to as well: whole, with what was wrong in the headers."""

from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from assess_core.adapters.kafka.client import MISSING, Cluster, Heard, make
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.domain.events import FailedEvent
from assess_core.errors import StoreUnavailable
from assess_core.ports.log import Notify

_DELIVERED_WITHIN: Final = 10.0  # seconds; then the batch is done again, from the start of its `done`
_PRODUCER: Final[dict[str, object]] = {
    "acks": "all",
    "enable.idempotence": True,
    "delivery.timeout.ms": int(_DELIVERED_WITHIN * 1000),
    "message.max.bytes": 1_000_000_000,  # the broker decides what is too large
    "topic.metadata.propagation.max.ms": 2000,  # a topic that is not there is said after this, not after 30 s
}


class FailedTopic:
    """Writes failed events to a topic. One may be written twice (see docs/formats.md), none is left out in silence."""

    def __init__(self, url: KafkaUrl, cluster: Cluster, notify: Notify) -> None:
        self._url = url
        self._cluster = cluster
        self._say = notify
        self._heard = Heard()
        self._producer: Producer | None = None  # events rarely fail: connected when the first one does

    def publish(self, events: Sequence[FailedEvent]) -> None:
        """Have them in the topic. Raises `StoreUnavailable` when they are not known to be there."""
        if not events:
            return
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                return
            if error.name() == "MSG_SIZE_TOO_LARGE":
                self._say(self._too_large(message))
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
        """Nothing waits here: `publish` returns when all is there."""
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
            except BufferError:  # as many wait as the client holds
                producer.poll(0.1)
            else:
                return

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = make(Producer, self._url.client({**_PRODUCER, "error_cb": self._heard}), self._url)
        return self._producer

    def _unavailable(self, errors: Sequence[KafkaError]) -> StoreUnavailable:
        # what still waits in this client is published by the next one; a client that had a fatal error is of no use
        self._producer = None
        if any(error.name() in MISSING for error in errors):
            return StoreUnavailable(f"failed events have no topic: {self._cluster.missing(self._url.failed)}")
        heard = [error.str() for error in (*errors, *self._heard.take())]
        why = self._url.without_secrets(heard[-1] if heard else "no answer")
        return StoreUnavailable(f"failed events cannot be written to the topic {self._url.failed!r}: {why}")

    def _too_large(self, message: Message) -> str:
        return (
            f"a failed event of {len(message.value() or b''):,} bytes is too large for the topic {self._url.failed!r}; "
            "it is in the hot store alone (assess failed list): raise max.message.bytes of the topic"
        )
