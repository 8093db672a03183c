"""A group's coordinator that is not available: on a new broker, or because its broker was stopped."""

import multiprocessing
import time
from pathlib import Path

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from assess_core.adapters.kafka.client import translated
from assess_core.adapters.kafka.log import KafkaLog
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import StoreUnavailable
from tests.kafka_topics import PATIENCE
from tests.servers import instance

_ANSWERED = 20


def ask_while_the_coordinator_goes(url: str) -> None:
    """Run in a process of its own, because librdkafka used to kill it."""
    log = KafkaLog(url)
    log.lag()
    admin = AdminClient({"bootstrap.servers": KafkaUrl.parse(url).brokers})
    for _ in range(3):
        # the groups' positions are kept in this topic: without it the broker is no group's coordinator
        admin.delete_topics(["__consumer_offsets"])["__consumer_offsets"].result(PATIENCE)
        for _ in range(_ANSWERED):
            assert all(each.committed is None for each in log.lag())
            time.sleep(0.01)


def test_the_question_is_repeated_while_the_coordinator_moves(tmp_path: Path) -> None:
    with instance(tmp_path / "servers", "kafka") as own:
        asking = multiprocessing.get_context("spawn").Process(
            target=ask_while_the_coordinator_goes, args=(own.env["ASSESS_LOG"],)
        )
        asking.start()
        asking.join()
    assert asking.exitcode == 0, "it ended by a signal" if (asking.exitcode or 0) < 0 else "it raised"


def test_a_missing_coordinator_is_an_error_that_says_to_try_again() -> None:
    said = translated(KafkaError(KafkaError.NOT_COORDINATOR), KafkaUrl.parse("kafka://b1:9092/assess?group=g"))

    assert isinstance(said, StoreUnavailable)
    assert str(said) == "Kafka at b1:9092 has no coordinator of the group yet; try again in some seconds"
