"""Threads around Kafka's clients report every error, also those that do not come from librdkafka."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from assess_core.adapters.kafka.commits import BackgroundCall, Commits
from assess_core.adapters.kafka.intake import KafkaIntake
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import StoreUnavailable
from assess_core.ports.log import Message

PATIENCE = 20
NOWHERE = "kafka://127.0.0.1:1/topic?group=g"


class Producer:
    """Acknowledges records when it is polled, after raising each of the `failures`."""

    def __init__(self, *failures: Exception, error: KafkaError | None = None) -> None:
        self._failures, self._error = list(failures), error
        self._due: list[Callable[[KafkaError | None, None], None]] = []

    def __len__(self) -> int:
        return len(self._due)

    def produce(self, *_arguments: object, on_delivery: Callable[[KafkaError | None, None], None], **_: object) -> None:
        self._due.append(on_delivery)

    def poll(self, seconds: float) -> None:
        time.sleep(0.001)
        if self._failures:
            raise self._failures.pop()
        while self._due:
            self._due.pop(0)(self._error, None)

    def flush(self, seconds: float) -> None:
        return


@pytest.fixture
def intake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Producer], KafkaIntake]]:
    opened: list[KafkaIntake] = []

    def with_producer(producer: Producer) -> KafkaIntake:
        monkeypatch.setattr("assess_core.adapters.kafka.intake.make", lambda *_: producer)
        opened.append(KafkaIntake(KafkaUrl.parse(NOWHERE)))
        return opened[-1]

    yield with_producer
    for each in opened:
        each.close()


def test_an_error_of_a_callback_does_not_end_the_acknowledgements(intake: Callable[[Producer], KafkaIntake]) -> None:
    opened = intake(Producer(RuntimeError("a callback failed"), MemoryError()))
    for _ in range(2):
        opened.append([Message("u1", b"{}")]).result(PATIENCE)


def test_a_caller_gets_an_error_even_if_translating_it_fails(
    intake: Callable[[Producer], KafkaIntake], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no words")

    opened = intake(Producer(error=KafkaError(KafkaError._MSG_TIMED_OUT)))  # noqa: SLF001 a public name of Kafka's
    monkeypatch.setattr("assess_core.adapters.kafka.intake.translated", fail)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"_MSG_TIMED_OUT; ValueError: no words\); send it again"):
            opened.append([Message("u1", b"{}")]).result(PATIENCE)


def test_a_commit_that_fails_in_any_way_is_sent_again() -> None:
    failures, committed = [RuntimeError("Consumer closed")], list[list[TopicPartition]]()

    class Consumer:
        def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> None:
            if failures:
                raise failures.pop()
            committed.append(offsets)

    commits = Commits(Consumer())  # type: ignore[arg-type]
    commits.add(TopicPartition("topic", 3, 17))
    assert commits.send(PATIENCE) == "RuntimeError: Consumer closed"
    assert commits.send(PATIENCE) is None
    assert [[(each.partition, each.offset) for each in offsets] for offsets in committed] == [[(3, 17)]]


def test_a_wait_for_a_call_in_a_thread_ends_at_its_timeout() -> None:
    go_on = threading.Event()
    aside = BackgroundCall(lambda: go_on.wait(PATIENCE))
    assert not aside.has_ended(0.01)
    go_on.set()
    assert aside.has_ended(PATIENCE)
    assert aside.error is None
