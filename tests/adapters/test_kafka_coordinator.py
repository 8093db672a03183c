"""The coordinator of a group is unavailable on a new broker, or because its broker was stopped."""

import multiprocessing
import time

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from assess_core.adapters.kafka.client import translated
from assess_core.adapters.kafka.log import KafkaLog
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import StoreUnavailable
from tests.kafka_topics import PATIENCE
from tests.servers import Instance

_QUERIES = 20


def query_lag_while_the_coordinator_moves(url: str) -> None:
    """Runs in a separate process, because librdkafka used to kill the process."""
    log = KafkaLog(url)
    log.lag()
    admin = AdminClient({"bootstrap.servers": KafkaUrl.parse(url).brokers})
    for _ in range(3):
        # this topic stores the positions of all groups; without it the broker coordinates no group
        admin.delete_topics(["__consumer_offsets"])["__consumer_offsets"].result(PATIENCE)
        for _ in range(_QUERIES):
            assert all(each.committed is None for each in log.lag())
            time.sleep(0.01)


def test_the_lag_query_is_repeated_while_the_coordinator_moves(killed_kafka: Instance) -> None:
    querying = multiprocessing.get_context("spawn").Process(
        target=query_lag_while_the_coordinator_moves, args=(killed_kafka.env["ASSESS_LOG"],)
    )
    querying.start()
    querying.join()
    assert querying.exitcode == 0, (
        "a signal ended the process" if (querying.exitcode or 0) < 0 else "the process raised an error"
    )


def test_the_error_for_a_missing_coordinator_says_to_try_again() -> None:
    error = translated(KafkaError(KafkaError.NOT_COORDINATOR), KafkaUrl.parse("kafka://b1:9092/assess?group=g"))

    assert isinstance(error, StoreUnavailable)
    assert str(error) == "Kafka at b1:9092 has no coordinator of the group yet; try again in some seconds"
