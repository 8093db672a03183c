"""Servers that are down and restart: the stream waits, continues and loses nothing, and no valid event fails."""

import json
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.commands import Commands, printed
from tests.e2e.servers import create_topics, following, produce, received, sample_items, wait_until_read
from tests.e2e.test_servers import assert_same, failed_in, failed_of, wanted_of
from tests.servers import Instance

OUTAGE = 30.0  # seconds


@pytest.mark.parametrize("name", ["kafka", "cassandra-1"])
def test_the_stream_waits_for_a_killed_server_and_loses_nothing(
    killed_cassandra: Instance, killed_kafka: Instance, tmp_path: Path, name: str
) -> None:
    servers = killed_kafka  # the same instance as the one of Cassandra
    topic = f"outage_{uuid4().hex[:12]}"
    brokers = servers.env["ASSESS_LOG"].removeprefix("kafka://").partition("/")[0]
    create_topics(brokers, topic, f"{topic}.failed")
    (tmp_path / "assess").mkdir()
    stores = {
        "ASSESS_HOT_STORE": f"{servers.env['ASSESS_HOT_STORE'].rpartition('/')[0]}/{topic}",
        "ASSESS_LOG": f"kafka://{brokers}/{topic}?group={topic}",
        "ASSESS_LAKE": "",
        "ASSESS_EXHAUSTS": "",
    }
    assess = Commands(tmp_path / "assess", {**servers.env, **stores})
    assess.run("schema", "apply", "--shards", "3")  # every shard of a slice is read
    values = [json.dumps(item).encode() for item in sample_items(2000, seed=9)]
    with following(assess) as stream:
        produce(brokers, topic, values[:1000])
        wait_until_read(assess)
        if name != "kafka":
            produce(brokers, topic, values[1000:])
        servers.kill(name)
        time.sleep(OUTAGE)
        assert stream.poll() is None, "the stream ended instead of waiting"
        servers.up()
        if name == "kafka":
            produce(brokers, topic, values[1000:])
        wait_until_read(assess)

    log, tables = received(brokers, topic), assess.tables()
    wanted = wanted_of(log)
    assert len(log) == len(values)
    assert_same(tables, printed(wanted))
    assert failed_in(tables) == failed_of(log, wanted)
