"""Three Cassandra nodes with every row on each node: the loop continues without errors while one node is down."""

import json
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.commands import Commands, printed
from tests.e2e.servers import create_topics, following, produce, received, sample_items, wait_until_read
from tests.e2e.test_servers import assert_same, failed_in, failed_of, wanted_of
from tests.servers import instance


@pytest.mark.timeout(900)  # three nodes: alone 100 s, beside other tests three times as long
def test_the_loop_loses_and_doubles_nothing_while_nodes_are_killed_and_restarted(
    tmp_path: Path, kafka_brokers: str
) -> None:
    topic = f"cluster_{uuid4().hex[:12]}"
    create_topics(kafka_brokers, topic, f"{topic}.failed")
    items = sample_items(600, seed=11)
    values = [json.dumps(item).encode() for item in items]
    batches = sorted({item["batchId"] for item in items})[:2]
    thirds = [
        values[part::3] for part in range(3)
    ]  # every third item, so that later parts repeat attempts of the first
    with instance(tmp_path / "nodes", "cassandra", nodes=3) as cluster:
        servers = {**cluster.env, "ASSESS_LOG": f"kafka://{kafka_brokers}/{topic}?group={topic}"}
        (tmp_path / "assess").mkdir()
        assess = Commands(tmp_path / "assess", servers)
        assess.run("schema", "apply", "--replication", "3", "--shards", "2")  # every shard of a slice is read
        with following(assess):
            produce(kafka_brokers, topic, thirds[0])
            wait_until_read(assess)

            produce(kafka_brokers, topic, thirds[1])
            cluster.kill("cassandra-2")
            wait_until_read(assess)
            before = assess.tables(), assess.reports(batches)
            assess.put_away()
            assert (assess.tables(), assess.reports(batches)) == before

            produce(kafka_brokers, topic, thirds[2])
            cluster.up()
            wait_until_read(assess)
            cluster.kill("cassandra-3")  # node 1 has the rows that node 2 missed while it was down
            assess.put_away()

        log, tables = received(kafka_brokers, topic), assess.tables()
        wanted = wanted_of(log)
        assert_same(tables, printed(wanted))
        assert failed_in(tables) == failed_of(log, wanted), "an event failed because a node was down"
        assert assess.table("attempts", "--tier", "hot") == []
