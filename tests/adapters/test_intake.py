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

PATIENCE = 60  # seconds; a broker's first answer takes 1 s


class IntakeCase(NamedTuple):
    """An intake, and a function that reads receipts and values of its log in the order of a learner's messages."""

    intake: Intake
    read: Callable[[], list[tuple[int, bytes]]]


@pytest.fixture(params=["folder", "kafka"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IntakeCase]:
    """An empty log, once for every kind."""
    if request.param == "folder":
        intake: Intake = FolderIntake(tmp_path / "log", lambda: time.time_ns() // 1_000_000)
        yield IntakeCase(intake, lambda: receipts(tmp_path / "log"))
    else:
        from assess_core.adapters.kafka.intake import KafkaIntake
        from assess_core.adapters.kafka.url import KafkaUrl
        from tests.kafka_topics import create_topic, records

        brokers, topic = request.getfixturevalue("kafka_brokers"), f"intake-{uuid4()}"
        create_topic(brokers, topic)
        intake = KafkaIntake(KafkaUrl.parse(f"kafka://{brokers}/{topic}?group=g"))
        yield IntakeCase(intake, lambda: [(record.at, record.value) for record in records(brokers, topic)])
    intake.close()


def messages(*texts: str, user: str = "u1") -> list[Message]:
    return [Message(user, json.dumps({"text": text}).encode(), "request-1") for text in texts]


def test_acknowledged_messages_are_in_the_log_unchanged_and_in_order(case: IntakeCase) -> None:
    sent = messages("a", "é\U0001f600", "\\n", *map(str, range(50)))
    case.intake.append(sent).result(PATIENCE)

    assert [value for _, value in case.read()] == [message.value for message in sent]


def test_each_call_is_acknowledged_separately(case: IntakeCase) -> None:
    futures = [case.intake.append(messages(str(n))) for n in range(100)]
    for one in futures:
        one.result(PATIENCE)
    assert len(case.read()) == 100


def test_a_learners_messages_keep_their_order(case: IntakeCase) -> None:
    for n in range(20):
        case.intake.append(messages(str(n)))
    case.intake.append(messages("last")).result(PATIENCE)
    assert [json.loads(value)["text"] for _, value in case.read()] == [*map(str, range(20)), "last"]


def test_an_accepted_message_cannot_be_cancelled(case: IntakeCase) -> None:
    """A caller that stops waiting cancels its future; the acknowledging thread must not fail because of it."""
    futures = [case.intake.append(messages(str(n))) for n in range(20)]
    assert not any(one.cancel() for one in futures)
    for one in futures:
        one.result(PATIENCE)
    case.intake.append(messages("after")).result(PATIENCE)
    assert len(case.read()) == 21


def test_an_empty_call_is_acknowledged_immediately(case: IntakeCase) -> None:
    case.intake.append([]).result(PATIENCE)
    assert case.read() == []


def test_receipts_have_the_current_time_and_never_decrease(case: IntakeCase) -> None:
    before = time.time_ns() // 1_000_000
    for n in range(10):
        case.intake.append(messages(str(n))).result(PATIENCE)
    received = [at for at, _ in case.read()]
    assert received == sorted(received)
    assert EARLIEST < before - 5_000 < received[0] <= received[-1] < before + 60_000


def test_several_threads_can_share_an_intake(case: IntakeCase) -> None:
    def send(thread: int) -> None:
        for n in range(50):
            case.intake.append(messages(f"{thread}-{n}", user=f"u{thread}")).result(PATIENCE)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert {json.loads(value)["text"] for _, value in case.read()} == {f"{t}-{n}" for t in range(4) for n in range(50)}


def test_a_full_queue_refuses_new_messages_and_stores_the_accepted_ones(case: IntakeCase) -> None:
    large = [Message("u1", json.dumps({"n": n, "text": "x" * 4000}).encode()) for n in range(200)]
    futures: list[Future[None]] = []

    def flood() -> None:
        for _ in range(2000):  # a fast broker keeps up with some hundreds
            futures.append(case.intake.append(large))  # noqa: PERF401 the futures from before the refusal are needed

    with pytest.raises(Overloaded, match="again in some seconds"):
        flood()
    for one in futures:
        one.result(PATIENCE)
    assert len(case.read()) >= len(futures) * len(large)
    case.intake.append(messages("after")).result(PATIENCE)


def test_closing_waits_for_accepted_messages_and_refuses_new_ones(case: IntakeCase) -> None:
    futures = [case.intake.append(messages(str(n))) for n in range(50)]
    case.intake.close()

    assert all(one.done() for one in futures)
    assert len(case.read()) == 50
    with pytest.raises(StoreUnavailable, match="is shutting down"):
        case.intake.append(messages("late"))
