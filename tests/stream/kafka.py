"""A Kafka topic that processes of the stream follow, and the tables that the oracle expects."""

import json
from collections.abc import Iterable
from typing import Any, Final

from assess_core.domain.samples import sample_events
from tests import oracle
from tests.kafka_topics import Topic, produce, records

PARTITIONS: Final = 4


def sample_values(events: int, seed: int = 0) -> list[bytes]:
    """Sample events as a client sends them, without receipts, because the broker adds those."""
    return [_bare(line.rstrip(b"\n")) for line in sample_events(events, seed)]


def _bare(line: bytes) -> bytes:
    try:
        message = json.loads(line)
    except ValueError:
        return line
    value = message.get("value", message)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def fill(topic: Topic, values: Iterable[bytes]) -> None:
    """Write values to the partitions in turn."""
    for partition, part in enumerate(_in_turn(list(values))):
        produce(topic.brokers, topic.name, part, partition)


def _in_turn(values: list[bytes]) -> list[list[bytes]]:
    return [values[partition::PARTITIONS] for partition in range(PARTITIONS)]


def expected(topic: Topic) -> dict[str, Any]:
    """The tables after all records of the topic were folded, by any process and any number of times."""
    lines = [
        (topic.name, stored.offset, _with_receipt(stored.at, stored.value), stored.value)
        for stored in records(topic.brokers, topic.name)
    ]
    tables = oracle.tables([(name, offset, line) for name, offset, line, _ in lines])
    raws = {(name, offset, line): raw for name, offset, line, raw in lines}
    return {**tables, "failed": {(name, offset, raws[name, offset, line]) for name, offset, line in tables["failed"]}}


def _with_receipt(at: int, value: bytes) -> bytes:
    """The record as a line of an embedded log. Invalid JSON is not changed."""
    try:
        json.loads(value)
    except ValueError:
        return value
    return b'{"receivedAt":%d,"value":%b}' % (at, value)
