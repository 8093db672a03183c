"""`python -m stream tail` on a Kafka topic: several processes, kills at any moment, and brokers that are down."""

import signal
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.settings import Settings
from tests.kafka_topics import Topic, create_topic, records
from tests.properties.tables import tables
from tests.servers import Instance, pause
from tests.stream.kafka import expected, fill, sample_values
from tests.stream.processes import PATIENCE, stop, tailing, wait_until


@pytest.fixture
def topic(kafka_brokers: str) -> Topic:
    return make_topic(kafka_brokers)


def make_topic(brokers: str) -> Topic:
    name = f"stream-{uuid4()}"
    create_topic(brokers, name)
    create_topic(brokers, f"{name}.failed", partitions=1)
    return Topic(brokers, name)


def following(settings: Settings, topic: Topic, options: str = "") -> Settings:
    return settings._replace(log=topic.url(options))


def folded(topic: Topic) -> Callable[[], bool]:
    """Whether every record is in the hot store."""
    log = topic.log
    return lambda: log.unread() is None


def test_every_record_of_the_topic_is_in_the_tables(settings: Settings, topic: Topic) -> None:
    hot = SqliteHot(settings.hot_store)
    fill(topic, sample_values(600))
    with tailing(following(settings, topic)) as process:
        wait_until(folded(topic))
        assert stop(process) == (0, "")
    assert tables(hot) == expected(topic)
    published = [each.value for each in records(topic.brokers, f"{topic.name}.failed")]
    assert sorted(published) == sorted(event.raw for event in hot.failed())


def test_killed_processes_leave_the_same_tables_as_one_that_was_not_killed(settings: Settings, topic: Topic) -> None:
    """Two processes share four partitions. One is killed in the middle, and the other one while it takes over."""
    hot = SqliteHot(settings.hot_store)
    follow = following(settings, topic)
    log = topic.log
    fill(topic, sample_values(500, seed=1))
    with tailing(follow) as one:
        wait_until(lambda: any(each.committed for each in log.lag()))
        with tailing(follow) as two:
            wait_until(lambda: members(topic) == 2)
            fill(topic, sample_values(2000, seed=2))
            wait_until(lambda: unread(topic) < 1800)
            one.kill()
            assert one.wait() == -signal.SIGKILL
            # the broker has detected the kill, and the other process takes over
            wait_until(lambda: members(topic) == 1)
            pause(two.pid)  # so that it cannot fold the next records before it is killed
            fill(topic, sample_values(500, seed=3))
            two.kill()
            assert two.wait() == -signal.SIGKILL
    assert log.unread() is not None
    with tailing(follow) as three:
        wait_until(folded(topic))
        assert stop(three) == (0, "")
    assert tables(hot) == expected(topic)


def members(topic: Topic) -> int:
    admin = topic.admin()
    [future] = admin.describe_consumer_groups([f"g-{topic.name}"]).values()
    return len(future.result(30).members)


def unread(topic: Topic) -> int:
    return sum(each.records for each in topic.log.lag())


def test_a_missing_topic_ends_the_stream_with_a_message(settings: Settings, kafka_brokers: str) -> None:
    log = f"kafka://{kafka_brokers}/nowhere?group=g"
    with tailing(settings._replace(log=log)) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert errors.decode().startswith(
        f"assess: ASSESS_LOG: Kafka at {kafka_brokers} has no topic 'nowhere'; kafka-topics"
    )


def test_the_stream_loses_no_event_if_the_broker_hangs_or_is_killed(settings: Settings, killed_kafka: Instance) -> None:
    hot = SqliteHot(settings.hot_store)
    topic = make_topic(killed_kafka.env["ASSESS_LOG"].split("/")[2])
    fill(topic, sample_values(300, seed=1))
    with tailing(following(settings, topic)) as process:
        wait_until(lambda: any(each.committed for each in topic.log.lag()))
        killed_kafka.pause("kafka")
        time.sleep(8)  # longer than the session timeout of 6 s
        killed_kafka.resume("kafka")
        fill(topic, sample_values(300, seed=2))
        wait_until(folded(topic), lambda: (topic.log.lag(), process.poll()))
        fill(topic, sample_values(300, seed=3))
        killed_kafka.kill("kafka")
        time.sleep(1)
        killed_kafka.up()
        fill(topic, sample_values(300, seed=4))
        wait_until(folded(topic), lambda: (topic.log.lag(), process.poll()))
        code, errors = stop(process)
    assert code == 0, errors
    assert tables(hot) == expected(topic)


def test_the_stream_can_be_stopped_while_the_broker_hangs(settings: Settings, killed_kafka: Instance) -> None:
    topic = make_topic(killed_kafka.env["ASSESS_LOG"].split("/")[2])
    fill(topic, sample_values(100))
    with tailing(following(settings, topic)) as process:
        wait_until(folded(topic))
        killed_kafka.pause("kafka")
        started = time.monotonic()
        code, _ = stop(process)
        assert code == 0
        assert time.monotonic() - started < 12  # `assess up` kills the stream after 15 s
        killed_kafka.resume("kafka")
