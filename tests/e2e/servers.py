"""Helpers for the loop on servers: topics, a client, a stream process, and the log as received."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from assess_core.domain.samples import sample_events
from assess_core.errors import StoreUnavailable
from assess_core.wiring import open_stores
from tests.e2e.commands import Commands
from tests.forked import Forked

PARTITIONS: Final = 4
PATIENCE: Final = 120.0  # seconds; usually a few are enough
_REQUEST: Final = 5  # assessments per request


class Received(NamedTuple):
    """A record of the topic."""

    partition: int
    offset: int
    at: int
    value: bytes

    @property
    def line(self) -> bytes:
        """The record as a line of an embedded log, with its receipt."""
        return b'{"receivedAt":%d,"value":%b}' % (self.at, self.value)


def create_topics(brokers: str, *names: str) -> None:
    """Create topics whose records have the broker's time."""
    admin = AdminClient({"bootstrap.servers": brokers})
    config = {"message.timestamp.type": "LogAppendTime"}
    topics = [NewTopic(name, num_partitions=PARTITIONS, replication_factor=1, config=config) for name in names]
    for future in admin.create_topics(topics, request_timeout=30).values():
        future.result(30)


def sample_items(events: int, seed: int = 0) -> list[dict[str, Any]]:
    """The sample events that a Sunbird client could send, in the order of the log."""
    lines = [line for line in sample_events(events, seed) if not line.startswith(b"{nonsense")]
    items = []
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        item = message.get("value", message) if isinstance(message, dict) else None
        if isinstance(item, dict) and _is_complete(item):
            items.append(item)
    return items


def _is_complete(item: dict[str, Any]) -> bool:
    ids = ("userId", "courseId", "batchId", "contentId", "attemptId")
    return all(isinstance(item.get(name), str) and item[name].strip() for name in ids) and (
        "assessmentTs" in item and isinstance(item.get("events"), list)
    )


@contextmanager
def api(assess: Commands) -> Iterator[httpx.Client]:
    """`assess api` on a free port."""
    process = assess.start("api", "--port", "0")
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("API on "):
                address = line.split()[2].removesuffix("/graphiql")
                break
        else:
            raise AssertionError("the API did not start")
        with httpx.Client(base_url=address, timeout=PATIENCE) as client:
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def send(client: httpx.Client, items: Sequence[dict[str, Any]]) -> None:
    """Send items to the write API, several in each request. All must be acknowledged."""
    for start in range(0, len(items), _REQUEST):
        some = items[start : start + _REQUEST]
        body = {"request": {"userId": some[0]["userId"], "assessments": some}}
        answer = client.patch("/v1/content/state/update", json=body)
        assert answer.status_code == 200, answer.text
        result = answer.json()["result"]
        assert all(result[item["batchId"]] == "SUCCESS" for item in some), result


def produce(brokers: str, topic: str, values: Iterable[bytes]) -> None:
    """Write records directly to the topic."""
    producer = Producer({"bootstrap.servers": brokers, "acks": "all"})
    for number, value in enumerate(values):
        producer.produce(topic, value, key=str(number))
        producer.poll(0)
    assert producer.flush(PATIENCE) == 0


def received(brokers: str, topic: str) -> list[Received]:
    """All records of the topic, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found, ended = list[Received](), set[int]()
    while len(ended) < PARTITIONS:
        message = consumer.poll(PATIENCE)
        assert message is not None, "the broker does not answer"
        error, partition, offset = message.error(), message.partition(), message.offset()
        assert partition is not None
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error  # noqa: SLF001 this is its public name
            ended.add(partition)
        else:
            assert offset is not None
            found.append(Received(partition, offset, message.timestamp()[1], message.value() or b""))
    consumer.close()
    return sorted(found)


@contextmanager
def following(assess: Commands, log: str | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `python -m stream tail`. It is killed at the end if it still runs."""
    env = {**assess.env, **assess.settings.env(), **({"ASSESS_LOG": log} if log else {})}
    with (assess.folder / "stream.log").open("ab") as errors:
        process = Forked[bytes](["-m", "stream", "tail"], env=env, stderr=errors)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "the condition did not become true"
        time.sleep(0.1)


@contextmanager
def environment(assess: Commands) -> Iterator[None]:
    """Set the AWS variables in this process too."""
    original = dict(os.environ)
    os.environ |= {name: value for name, value in assess.env.items() if name.startswith("AWS_")}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= original


def wait_until_read(assess: Commands, log: str | None = None) -> None:
    """Wait until the stream has folded the whole log."""
    settings = assess.settings if log is None else assess.settings._replace(log=log)
    with environment(assess):
        stores = open_stores(settings)

        def read() -> bool:
            try:
                return stores.log.unread() is None
            except StoreUnavailable:
                return False

        wait_until(read)


def twin(folder: Path, log: Sequence[Received]) -> Commands:
    """An embedded installation that has read the same log with the same receipts."""
    embedded = Commands(folder)
    folder.mkdir()
    (folder / "events.jsonl").write_bytes(b"".join(record.line + b"\n" for record in log))
    embedded.run("ingest", "events.jsonl")
    return embedded
