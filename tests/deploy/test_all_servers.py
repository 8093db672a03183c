"""Cassandra, Kafka and S3 in one instance of `deploy/local/servers`: the one that other tests kill too."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from assess_core.adapters.kafka.log import KafkaLog
from assess_core.ports.findings import Level
from tests.deploy.test_servers import WAIT, bucket
from tests.servers import S3, TOOL, Instance, NotUp, up_or_skip

ALL: Final = ("cassandra-1", "kafka", "s3")
AWS: Final = ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def one(killed_servers: Instance) -> Instance:
    """All servers."""
    up_or_skip(killed_servers, "cassandra", "kafka", "s3")
    return killed_servers


def brokers(env: Mapping[str, str]) -> str:
    return env["ASSESS_LOG"].removeprefix("kafka://").partition("/")[0]


@contextmanager
def cql(env: Mapping[str, str]) -> Iterator[Any]:
    from cassandra.cluster import Cluster

    host, _, port = env["ASSESS_HOT_STORE"].removeprefix("cassandra://").partition("/")[0].rpartition(":")
    cluster = Cluster([host], port=int(port))
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def write(env: Mapping[str, str], text: str) -> None:
    """Write a text to each server and wait for the acknowledgement."""
    with cql(env) as session:
        session.execute("CREATE KEYSPACE IF NOT EXISTS kept WITH replication = {'class': 'SimpleStrategy'}")
        session.execute("CREATE TABLE IF NOT EXISTS kept.texts (text text PRIMARY KEY)")
        session.execute("INSERT INTO kept.texts (text) VALUES (%s)", [text])
    producer = Producer({"bootstrap.servers": brokers(env), "acks": "all"})
    producer.produce("assess", text, partition=3)
    assert producer.flush(WAIT) == 0
    bucket(env).put_object(Bucket="assess", Key=f"kept/{text}", Body=text.encode())


def read(env: Mapping[str, str]) -> list[set[str]]:
    """The texts that each server holds."""
    with cql(env) as session:
        rows = {row.text for row in session.execute("SELECT text FROM kept.texts")}
    consumer = Consumer({"bootstrap.servers": brokers(env), "group.id": "reader"})
    _, end = consumer.get_watermark_offsets(TopicPartition("assess", 3), timeout=WAIT)
    consumer.assign([TopicPartition("assess", 3, 0)])
    records = {(message.value() or b"").decode() for message in consumer.consume(end, WAIT)}
    consumer.close()
    listed = bucket(env).list_objects_v2(Bucket="assess", Prefix="kept/")
    return [rows, records, {entry["Key"].removeprefix("kept/") for entry in listed.get("Contents", [])}]


def test_another_server_can_be_added_later(killed_servers: Instance) -> None:
    up_or_skip(killed_servers, "cassandra", "kafka")
    before = killed_servers.env
    assert before.keys() == {"ASSESS_HOT_STORE", "ASSESS_LOG"}, "an earlier test started S3 here"
    killed_servers.up("s3")
    added = {"ASSESS_LAKE", "ASSESS_EXHAUSTS", *AWS}
    assert killed_servers.env == before | {name: killed_servers.env[name] for name in added}


def test_the_output_of_up_sets_all_variables_in_a_shell(one: Instance) -> None:
    up = shlex.join([sys.executable, str(TOOL), "up", "--data", str(one.folder)])
    script = f'eval "$({up})"; env'
    done = subprocess.run(["bash", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    env = dict(line.partition("=")[::2] for line in done.stdout.decode().splitlines())
    assert {name: env[name] for name in one.env} == one.env
    assert set(one.env) == {
        *("ASSESS_HOT_STORE", "ASSESS_LOG", "ASSESS_LAKE", "ASSESS_EXHAUSTS"),
        *AWS,
    }


def test_the_topics_have_the_partitions_and_settings_that_assess_needs(one: Instance) -> None:
    admin = AdminClient({"bootstrap.servers": brokers(one.env)})
    topics = admin.list_topics(timeout=WAIT).topics
    assert {name: len(topics[name].partitions) for name in ("assess", "assess.failed")} == {
        "assess": 4,
        "assess.failed": 1,
    }
    found = {finding.what: finding for finding in KafkaLog(one.env["ASSESS_LOG"]).examine()}
    assert [what for what, finding in found.items() if finding.level is not Level.OK] == ["topic"]
    assert "replication 1" in found["topic"].message


def test_two_instances_run_side_by_side_and_are_independent(one: Instance, s3: S3) -> None:
    assert one.env["AWS_ENDPOINT_URL"] != s3.env["AWS_ENDPOINT_URL"]
    bucket(one.env).put_object(Bucket="assess", Key="mine", Body=b"1")
    assert "Contents" not in bucket(s3.env).list_objects_v2(Bucket="assess", Prefix="mine")


def test_acknowledged_data_and_addresses_survive_kill_9(one: Instance) -> None:
    write(one.env, "kept")
    before = one.env
    for name in ALL:
        one.kill(name)
    assert not one.running(*ALL)
    started = time.monotonic()
    one.up()
    print(f"all up again after {time.monotonic() - started:.1f} s")
    assert one.env == before
    assert all("kept" in texts for texts in read(one.env))


def test_the_number_of_nodes_is_fixed_at_the_first_start(one: Instance) -> None:
    with pytest.raises(NotUp, match="has 1 nodes, which cannot change; use another --data for 3"):
        one.up("cassandra", nodes=3)


def test_nodetool_runs_on_a_node(one: Instance) -> None:
    assert "\nUN  127." in one.nodetool("status")
    with pytest.raises(NotUp, match="node 2 does not run in"):
        one.nodetool("status", node=2)
