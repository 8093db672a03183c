"""Messages of a topic as records of the log."""

from typing import Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from assess_core.domain.events import Record

CHUNK: Final = 100  # records; of at most 1 MB by default, so a batch exceeds its bytes by 100 MB at most


def received_at(message: Message) -> int | None:
    """When the broker received it (epoch ms); None if the topic has its senders' clocks."""
    kind, at = message.timestamp()
    return at if kind == TIMESTAMP_LOG_APPEND_TIME else None


def to_record(message: Message) -> Record | None:
    """None for a message that is an error of the client, not a record."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if message.error() is not None or topic is None or partition is None or offset is None:
        return None
    # a record without a value becomes a failed event; it must not vanish
    return Record(topic, partition, offset, message.value() or b"", received_at(message))
