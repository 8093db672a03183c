"""Messages of a topic as records of the log."""

from typing import Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from assess_core.domain.events import Record

CHUNK: Final = 100  # of at most 1 MB each as brokers come: what a batch can have beyond its bytes


def received_at(message: Message) -> int | None:
    """When the broker took it (epoch ms); None where the topic has its senders' clocks."""
    kind, at = message.timestamp()
    return at if kind == TIMESTAMP_LOG_APPEND_TIME else None


def to_record(message: Message) -> Record | None:
    """None for what is no record, but an error of the client."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if message.error() is not None or topic is None or partition is None or offset is None:
        return None
    # a record without a value is an event that failed, not one that was not there
    return Record(topic, partition, offset, message.value() or b"", received_at(message))
