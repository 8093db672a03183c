"""What every way into the log owes: a folder's, and a topic's."""

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
    """A way into a log of its own, and what that log has: receipt and value, in the order of a learner's messages."""

    intake: Intake
    read: Callable[[], list[tuple[int, bytes]]]


@pytest.fixture(params=["folder", "kafka"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """An empty log of every kind that there is."""
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


def test_what_is_acknowledged_is_in_the_log_unchanged_and_in_order(way: Way) -> None:
    sent = messages("a", "é\U0001f600", "\\n", *map(str, range(50)))
    way.intake.append(sent).result(PATIENCE)

    assert [value for _, value in way.read()] == [message.value for message in sent]


def test_each_call_is_acknowledged_for_itself(way: Way) -> None:
    taken = [way.intake.append(messages(str(n))) for n in range(100)]
    for one in taken:
        one.result(PATIENCE)
    assert len(way.read()) == 100


def test_a_learners_messages_keep_their_order(way: Way) -> None:
    for n in range(20):
        way.intake.append(messages(str(n)))
    way.intake.append(messages("last")).result(PATIENCE)
    assert [json.loads(value)["text"] for _, value in way.read()] == [*map(str, range(20)), "last"]


def test_what_was_taken_cannot_be_taken_back(way: Way) -> None:
    """Whoever waits no longer gives its future up; those who acknowledge must not break on it."""
    taken = [way.intake.append(messages(str(n))) for n in range(20)]
    assert not any(one.cancel() for one in taken)
    for one in taken:
        one.result(PATIENCE)
    way.intake.append(messages("after")).result(PATIENCE)
    assert len(way.read()) == 21


def test_nothing_is_acknowledged_at_once(way: Way) -> None:
    way.intake.append([]).result(PATIENCE)
    assert way.read() == []


def test_receipts_are_of_now_and_do_not_go_back(way: Way) -> None:
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


def test_too_much_at_once_is_refused_and_what_was_taken_is_kept(way: Way) -> None:
    large = [Message("u1", json.dumps({"n": n, "text": "x" * 4000}).encode()) for n in range(200)]
    taken: list[Future[None]] = []

    def flood() -> None:
        for _ in range(200):
            taken.append(way.intake.append(large))  # noqa: PERF401 what came before the refusal counts

    with pytest.raises(Overloaded, match="send them again in some seconds"):
        flood()
    for one in taken:
        one.result(PATIENCE)
    assert len(way.read()) >= len(taken) * len(large)
    way.intake.append(messages("after")).result(PATIENCE)


def test_closing_waits_for_what_was_taken_and_takes_no_more(way: Way) -> None:
    taken = [way.intake.append(messages(str(n))) for n in range(50)]
    way.intake.close()

    assert all(one.done() for one in taken)
    assert len(way.read()) == 50
    with pytest.raises(StoreUnavailable, match="is being closed"):
        way.intake.append(messages("late"))
