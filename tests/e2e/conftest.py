"""Installations for the loop: embedded, and on the servers of the test run."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.commands import Commands
from tests.e2e.servers import create_topics
from tests.servers import S3


@pytest.fixture
def assess(tmp_path: Path) -> Commands:
    """An embedded installation."""
    return Commands(tmp_path)


@pytest.fixture
def on_servers(tmp_path: Path, cassandra_url: str, kafka_brokers: str, s3: S3) -> Commands:
    """An installation on Cassandra, Kafka and S3 with its own keyspace, topic and prefix."""
    name = f"e2e_{uuid4().hex[:12]}"
    create_topics(kafka_brokers, name, f"{name}.failed")
    servers = {
        **s3.env,
        "ASSESS_HOT_STORE": f"{cassandra_url}/{name}",
        "ASSESS_LOG": f"kafka://{kafka_brokers}/{name}?group={name}",
        "ASSESS_LAKE": f"{s3.root}/{name}/lake",
        "ASSESS_EXHAUSTS": f"{s3.root}/{name}/exhausts",
    }
    (tmp_path / "servers").mkdir()
    commands = Commands(tmp_path / "servers", servers)
    commands.run("schema", "apply", "--shards", "3")  # every shard of a slice is read
    return commands
