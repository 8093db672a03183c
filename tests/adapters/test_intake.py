"""The contract of every intake: into a folder, and into a topic."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from assess_core.adapters.files.intake import FolderIntake
from assess_core.domain.moments import EARLIEST
from assess_core.errors import Overloaded, StoreUnavailable
from assess_core.ports.log import Intake, Message
from tests.api.writes import receipts

PATIENCE = 60  # seconds; a broker's first answer takes one


class Way(NamedTuple):
    """An intake with its own log, and a reader of that log: receipt and value, in the order of a learner's messages."""

    intake: Intake
    read: Callable[[], list[tuple[int, bytes]]]


@pytest.fixture(params=["folder", "kafka"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """An empty log of every kind."""
    if request.param == "folder":
        intake: Intake = FolderIntake(tmp_path / "log", lambda: time.time_ns() // 1_000_000)
        yield Way(intake, lambda: receipts(tmp_path / "log"))
    else:
        from assess_core.adapters.kafka.intake import KafkaIntake
        from assess_core.adapters.kafka.url import KafkaUrl
        from tests.kafka_topics import create_topic, records

        brokers, topic = request.getfixturevalue("kafka_brokers"), f"intake-{uuid4()}"
        create_topic(brokers, topic)
        intake = KafkaIntake(KafkaUrl.parse(f"kafka://{brokers}/{topic}?group=g"))
        yield Way(intake, lambda: [(record.at, record.value) for record in records(brokers, topic)])
    intake.close()


def messages(*texts: str, user: str = "u1") -> list[Message]:
    return [Message(user, json.dumps({"text": text}).encode(), "request-1") for text in texts]


def test_acknowledged_messages_are_in_the_log_unchanged_and_in_order(way: Way) -> None:
    sent = messages("a", "é\U0001f600", "\\n", *map(str, range(50)))
    way.intake.append(sent).result(PATIENCE)

    assert [value for _, value in way.read()] == [message.value for message in sent]


def test_each_call_is_acknowledged_separately(way: Way) -> None:
    taken = [way.intake.append(messages(str(n))) for n in range(100)]
    for one in taken:
        one.result(PATIENCE)
    assert len(way.read()) == 100


def test_a_learners_messages_keep_their_order(way: Way) -> None:
    for n in range(20):
        way.intake.append(messages(str(n)))
    way.intake.append(messages("last")).result(PATIENCE)
    assert [json.loads(value)["text"] for _, value in way.read()] == [*map(str, range(20)), "last"]


def test_an_accepted_message_cannot_be_cancelled(way: Way) -> None:
    """A caller that stops waiting cancels its future; the acknowledging thread must not fail because of it."""
    taken = [way.intake.append(messages(str(n))) for n in range(20)]
    assert not any(one.cancel() for one in taken)
    for one in taken:
        one.result(PATIENCE)
    way.intake.append(messages("after")).result(PATIENCE)
    assert len(way.read()) == 21


def test_an_empty_call_is_acknowledged_at_once(way: Way) -> None:
    way.intake.append([]).result(PATIENCE)
    assert way.read() == []


def test_receipts_have_the_current_time_and_never_decrease(way: Way) -> None:
    before = time.time_ns() // 1_000_000
    for n in range(10):
        way.intake.append(messages(str(n))).result(PATIENCE)
    received = [at for at, _ in way.read()]
    assert received == sorted(received)
    assert EARLIEST < before - 5_000 < received[0] <= received[-1] < before + 60_000


def test_several_threads_may_use_it(way: Way) -> None:
    def send(thread: int) -> None:
        for n in range(50):
            way.intake.append(messages(f"{thread}-{n}", user=f"u{thread}")).result(PATIENCE)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert {json.loads(value)["text"] for _, value in way.read()} == {f"{t}-{n}" for t in range(4) for n in range(50)}


def test_a_full_queue_refuses_more_and_keeps_what_it_accepted(way: Way) -> None:
    large = [Message("u1", json.dumps({"n": n, "text": "x" * 4000}).encode()) for n in range(200)]
    taken: list[Future[None]] = []

    def flood() -> None:
        for _ in range(2000):  # a fast broker keeps up with some hundreds
            taken.append(way.intake.append(large))  # noqa: PERF401 what came before the refusal counts

    with pytest.raises(Overloaded, match="again in some seconds"):
        flood()
    for one in taken:
        one.result(PATIENCE)
    assert len(way.read()) >= len(taken) * len(large)
    way.intake.append(messages("after")).result(PATIENCE)


def test_closing_waits_for_accepted_messages_and_refuses_more(way: Way) -> None:
    taken = [way.intake.append(messages(str(n))) for n in range(50)]
    way.intake.close()

    assert all(one.done() for one in taken)
    assert len(way.read()) == 50
    with pytest.raises(StoreUnavailable, match="is shutting down"):
        way.intake.append(messages("late"))
