"""Kafka topics, feeds that read them, and a PostgreSQL server."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from assess_core.adapters.kafka.log import KafkaLog
from assess_core.ports.log import Feed
from tests.kafka_topics import Topic, create_topic
from tests.postgres import Postgres, postgres


@pytest.fixture
def topic(kafka_brokers: str) -> Topic:
    name = f"kafka-{uuid4()}"
    create_topic(kafka_brokers, name)
    create_topic(kafka_brokers, f"{name}.failed", partitions=1)
    return Topic(kafka_brokers, name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A server for names. Its tests are one group, so it starts once."""
    with postgres() as started:
        yield started


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def follow(topic: Topic, messages: list[str]) -> Iterator[Callable[..., Feed]]:
    """Opens feeds of the topic. They are closed after the test."""
    opened: list[Feed] = []

    def feed(options: str = "") -> Feed:
        opened.append(KafkaLog(topic.url(options)).feed(messages.append))
        return opened[-1]

    yield feed
    for each in opened:
        each.close()
