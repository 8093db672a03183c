"""The stream from Kafka into Cassandra, one process and two, beside the driver alone and the ancestor's pattern.

    python -m benchmarks.stream_kafka BROKERS cassandra://HOST:PORT/KEYSPACE [EVENTS]

The keyspace belongs to the benchmark, which empties it and creates new topics. The ceiling is a process that reads,
decodes and commits records and stores nothing. A process is measured from its first commit, so its start is excluded.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final, NamedTuple
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from assess_core.adapters.kafka.log import KafkaLog
from assess_core.domain.events import decode
from assess_core.domain.samples import sample_events
from benchmarks.cassandra_limits import ancestor, bare_driver, empty_store, sample_batches

_USER: Final = re.compile(rb'"userId":"([^"]+)"')
_ROUNDS: Final = 3  # all take turns, because the speed of the machine varies
_PARTITIONS: Final = 4
_LOOK: Final = 0.05  # seconds between two reads of the positions, which take some ms each
_PATIENCE: Final = 600.0


class Measured(NamedTuple):
    """Events per second."""

    ceiling: float
    """The rate of one process that stores nothing."""
    one: float
    two: float
    driver: float
    """(a): the driver that sends the same writes."""
    ancestor: float
    """(b)."""


def _topic(brokers: str, events: int) -> str:
    """Create a topic with this many sample events; returns the URL of its log."""
    name = f"benchmark-{uuid4()}"
    topics = [
        NewTopic(each, partitions, 1, config={"message.timestamp.type": "LogAppendTime"})
        for each, partitions in ((name, _PARTITIONS), (f"{name}.failed", 1))
    ]
    admin = AdminClient({"bootstrap.servers": brokers})
    for future in admin.create_topics(topics).values():
        future.result(_PATIENCE)
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "linger.ms": 50})
    for number, line in enumerate(sample_events(events)):
        # as the write API does: a learner's events are in one partition, so two processes rarely fold the same learner
        learner = _USER.search(line)
        producer.produce(name, line.rstrip(b"\n"), key=learner[1] if learner else str(number))
        producer.poll(0)
        if len(producer) > 50_000:
            producer.flush(_PATIENCE)
    producer.flush(_PATIENCE)
    return f"kafka://{brokers}/{name}?group={name}"


def _ceiling(log: str, events: int) -> float:
    feed = KafkaLog(f"{log}-ceiling").feed(print)
    taken, started = 0, 0.0
    while taken < events:
        for batch in feed.batches():
            started = started or time.perf_counter()
            for record in batch.records:
                decode(record)
            feed.done(batch, [])
            taken += len(batch.records)
    took = time.perf_counter() - started
    feed.close()
    return events / took


@contextmanager
def _streams(log: str, hot: str, processes: int) -> Iterator[None]:
    env = {**os.environ, "ASSESS_LOG": log, "ASSESS_HOT_STORE": hot}
    running = [subprocess.Popen([sys.executable, "-m", "stream", "tail"], env=env) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(_PATIENCE)


def _folded(log: KafkaLog) -> int:
    return sum(each.committed or 0 for each in log.lag())


def _streamed(log: str, hot: str, processes: int, events: int) -> float:
    empty_store(hot)
    positions = KafkaLog(log)
    with _streams(log, hot, processes):
        # two processes share the topic once each has committed
        while sum(bool(each.committed) for each in positions.lag()) < _PARTITIONS:
            time.sleep(_LOOK)
        first, started = _folded(positions), time.perf_counter()
        while (last := _folded(positions)) < events:
            time.sleep(_LOOK)
        return (last - first) / (time.perf_counter() - started)


def _round(brokers: str, hot: str, events: int) -> Measured:
    log = _topic(brokers, events)
    batches = sample_batches(min(events, 20_000))
    return Measured(
        _ceiling(log, events),
        _streamed(f"{log}-1", hot, 1, events),
        _streamed(f"{log}-2", hot, 2, events),
        bare_driver(hot, batches).cost.rate,
        ancestor(hot),
    )


def main(arguments: Sequence[str]) -> Measured:
    """Measure and print."""
    brokers, hot, *rest = arguments
    events = int(rest[0]) if rest else 40_000
    turns = [_round(brokers, hot, events) for _ in range(_ROUNDS)]
    found = Measured(*map(median, zip(*turns, strict=True)))
    print(
        f"Kafka to Cassandra: {found.one:,.0f} events/s by one process, {found.two:,.0f} by two; the driver alone with "
        f"the same writes {found.driver:,.0f} ({found.one / found.driver:.2f} and {found.two / found.driver:.2f}), "
        f"the ancestor's pattern {found.ancestor:,.0f} ({found.one / found.ancestor:.0f} and "
        f"{found.two / found.ancestor:.0f} times); only read, decoded and committed {found.ceiling:,.0f}"
    )
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
