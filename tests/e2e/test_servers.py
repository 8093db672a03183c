"""The whole loop on Cassandra, Kafka and S3: the tables equal the oracle's, the files equal the embedded ones."""

import json
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assess_core.adapters.cassandra.hot_store import CassandraHot
from tests import oracle
from tests.e2e.commands import Commands, printed
from tests.e2e.servers import (
    Received,
    api,
    following,
    produce,
    received,
    sample_items,
    send,
    twin,
    wait_until,
    wait_until_read,
)

POISON = [b"{nonsense", b'{"userId": 5}', b""]


def topic_of(assess: Commands) -> tuple[str, str]:
    """The brokers and the topic of an installation."""
    parts = urlsplit(assess.settings.log)
    return parts.netloc, parts.path.removeprefix("/")


def wanted_of(log: list[Received]) -> dict[str, Any]:
    """The oracle's tables for a topic. `failed_of` gives the positions of its failed events."""
    return oracle.tables([("events.jsonl", number, record.line) for number, record in enumerate(log, 1)])


def failed_of(log: list[Received], wanted: dict[str, Any]) -> list[tuple[int, int, str]]:
    """Partition, offset and value of the records that fail according to the oracle."""
    failed = sorted(log[number - 1] for _, number, _ in wanted["failed"])
    return [(record.partition, record.offset, record.value.decode()) for record in failed]


def failed_in(tables: dict[str, Any]) -> list[tuple[int, int, str]]:
    """Partition, offset and value of the printed failed events."""
    return [(row["partition"], row["offset"], row["raw"]) for row in tables["failed"]]


def test_events_sent_by_http_give_the_same_tables_and_reports_as_embedded(on_servers: Commands, tmp_path: Path) -> None:
    assess = on_servers
    brokers, topic = topic_of(assess)
    items = sample_items(300, seed=3)
    with api(assess) as client, following(assess):
        send(client, items)
        produce(brokers, topic, POISON)
        wait_until_read(assess)
        log = received(brokers, topic)
        sent = [record for record in log if record.value not in POISON]
        wanted = wanted_of(log)
        batches = sorted({key[2] for key in wanted["attempts"]})[:2]  # a report in a bucket takes 0.3 s
        user, assessment, course, batch = min(wanted["summaries"])
        request = {"userId": user, "assessmentId": assessment, "courseId": course, "batchId": batch}

        def score() -> object:
            return client.post("/v2/view/assess/read", json={"request": request}).json()["result"]

        tables, reports, scored = assess.tables(), assess.reports(batches), score()
        embedded = twin(tmp_path / "embedded", sent)

        assert sorted(json.loads(record.value)["attemptId"] for record in sent) == sorted(
            item["attemptId"] for item in items
        )
        assert_same(tables, printed(wanted))
        assert failed_in(tables) == failed_of(log, wanted)
        assert {row["topic"] for row in tables["failed"]} == {topic}
        assert_same(tables, embedded.tables())
        assert reports == embedded.reports(batches)

        versions = sum(map(len, wanted["attempts"].values()))
        archived, verified, cleared = assess.put_away()

        assert sum(slice_["appended"] for slice_ in archived) == versions
        assert sum(slice_["versions"] for slice_ in verified) == versions
        assert sum(slice_["cleared"] for slice_ in cleared) == versions

    again = assess.settings.log.replace("?group=", "?group=again_")
    with api(assess) as client, following(assess, again):
        wait_until_read(assess, again)

        assert assess.table("attempts", "--tier", "hot") == []
        assert assess.tables() == tables
        assert assess.reports(batches) == reports
        assert score() == scored


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Compare the tables without failed events row by row, so that the first difference is shown."""
    for name in ("attempts", "summaries", "activity"):
        for row, wanted_row in zip(found[name], wanted[name], strict=False):
            assert row == wanted_row, name
        assert len(found[name]) == len(wanted[name]), name


def test_two_streams_that_are_killed_in_turn_give_the_tables_of_the_oracle(on_servers: Commands) -> None:
    assess = on_servers
    brokers, topic = topic_of(assess)
    values = [json.dumps(item).encode() for item in sample_items(3000, seed=5)]
    hot = CassandraHot(assess.settings.hot_store)

    def rows() -> int:
        return sum(hot.counts(hot.slices()).values())

    def more_than(stored: int) -> bool:
        return rows() > stored

    produce(brokers, topic, values[:1500])
    with following(assess) as first, following(assess) as second:
        wait_until(lambda: more_than(0))
        first.kill()
        produce(brokers, topic, values[1500:])
        time.sleep(3)  # less than the session timeout of 6 s, so the group has not yet noticed the first kill
        second.kill()
        stored = rows()
        with following(assess) as third, following(assess) as fourth:
            wait_until(lambda: more_than(stored))
            fourth.kill()
            wait_until_read(assess)
            third.send_signal(signal.SIGTERM)
            assert third.wait(60) == 0

    log, tables = received(brokers, topic), assess.tables()
    wanted = wanted_of(log)
    assert_same(tables, printed(wanted))
    assert failed_in(tables) == failed_of(log, wanted)
