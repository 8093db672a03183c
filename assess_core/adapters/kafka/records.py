"""Converts messages of a topic to records of the log."""

from typing import Any, Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from assess_core.domain.events import Record

TRACE: Final = "traceparent"
"""The header of the trace to which a record belongs."""
_LONGEST: Final = 64
CHUNK: Final = 100
"""Messages that are taken from the consumer in one call."""


def received_at(message: Message) -> int | None:
    """When the broker received a message (epoch ms); None if the senders stamp the records."""
    kind, at = message.timestamp()
    return at if kind == TIMESTAMP_LOG_APPEND_TIME else None


def to_record(message: Message) -> Record | None:
    """The record of a message; None if the message is an error of the client."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if message.error() is not None or topic is None or partition is None or offset is None:
        return None
    # a record without a value becomes a failed event; it must not be dropped
    return Record(topic, partition, offset, message.value() or b"", received_at(message), trace=_trace(message))


def _trace(message: Message) -> str:
    """The header of the trace. Any program can write headers, so a long or strange one is left out."""
    headers: Any = message.headers() or ()
    for name, value in headers:
        if name == TRACE and isinstance(value, bytes) and len(value) <= _LONGEST and value.isascii():
            return value.decode()
    return ""
