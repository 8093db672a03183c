"""Rows that need Cassandra or Kafka: `eval "$(deploy/local/servers up)" && make bench ROW=cassandra`.

The benchmark uses a keyspace of its own on the configured servers, and empties it.
"""

import os
from typing import Final
from urllib.parse import urlsplit

from benchmarks import ingest_cassandra, stream_kafka
from benchmarks.measure import Run
from benchmarks.row import Missing, Row, Side, Size

_EVENTS: Final = 10_000
_STREAMED: Final = 40_000
_KEYSPACE: Final = "assess_benchmark"
_NOTE: Final = "medians of three rounds; processor time and memory are not measured"


def _cassandra() -> str:
    url = urlsplit(os.environ.get("ASSESS_HOT_STORE", ""))
    if url.scheme != "cassandra":
        raise Missing('ASSESS_HOT_STORE names no Cassandra: eval "$(deploy/local/servers up)"')
    return f"cassandra://{url.netloc}/{_KEYSPACE}"


def _brokers() -> str:
    url = urlsplit(os.environ.get("ASSESS_LOG", ""))
    if url.scheme != "kafka":
        raise Missing('ASSESS_LOG names no Kafka: eval "$(deploy/local/servers up)"')
    return url.netloc


def _side(what: str, rate: float) -> Side:
    if not rate:
        raise Missing("the events were folded before their rate could be measured: choose a larger SIZE")
    return Side(what, 1, [Run(1 / rate, 0.0, 0)])


def cassandra_rows(size: Size) -> list[Row]:
    """Decoded events into Cassandra, for each kind of load. Raises `Missing`."""
    ancestor, limit = "the ancestor's access pattern, an event at a time", "the bare driver with the same writes"
    return [
        Row(
            "fold-cassandra",
            "events/s",
            _side(f"fold, {load}", found.ours.rate),
            _side(ancestor, found.ancestor),
            _side(limit, found.limit.cost.rate),
            _NOTE,
        )
        for load, found in ingest_cassandra.loads(_cassandra(), size.of(_EVENTS))
    ]


def kafka_rows(size: Size) -> list[Row]:
    """Events from Kafka into Cassandra, by one process and by two. Raises `Missing`."""
    found = stream_kafka.main([_brokers(), _cassandra(), str(size.of(_STREAMED))])
    peer = _side("the ancestor's access pattern, an event at a time", found.ancestor)
    limit = _side("the bare driver with the same writes", found.driver)
    return [
        Row("kafka-cassandra", "events/s", _side("one process", found.one), peer, limit, _NOTE),
        Row("kafka-cassandra-2", "events/s", _side("two processes", found.two), peer, limit, _NOTE),
    ]
