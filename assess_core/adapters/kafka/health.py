"""The checks of `assess doctor` in Kafka: brokers, topics, timestamps of records, and the group's lag."""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from confluent_kafka import libversion
from confluent_kafka.admin import ConfigResource, TopicMetadata

from assess_core.adapters.kafka.client import APPEND_TIME, TIMEOUT, Cluster, alter_command
from assess_core.adapters.kafka.lag import Lag, lag
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.domain.counts import counted
from assess_core.domain.moments import DAY, duration_text
from assess_core.errors import AssessError
from assess_core.ports.findings import Finding, Level

_STAMP: Final = "message.timestamp.type"
_LARGEST: Final = "max.message.bytes"
_HEADERS: Final = 4096  # bytes that the headers (reason, message, position) add to a record
_MIN_RETENTION: Final = 7 * DAY  # covers an outage over a long weekend and its repair


def examine(cluster: Cluster, url: KafkaUrl) -> Iterator[Finding]:
    """Findings, the most important first; stops if the topic does not exist."""
    try:
        yield _brokers(cluster, url)
        topic = cluster.topic(url.topic)
        if topic is None:
            yield Finding(Level.BAD, "topic", f"there is no topic {url.topic!r}", cluster.create_command(url.topic))
            return
        config = _config(cluster, url.topic)
        yield _stamps(config, url)
        yield from _retention(config, url)
        yield _durability(topic, config, url)
        yield _failed_topic(cluster, config, url)
        yield from _group(cluster, url)
    except AssessError as error:
        yield Finding(Level.BAD, "log", str(error))


def _brokers(cluster: Cluster, url: KafkaUrl) -> Finding:
    started = time.perf_counter()
    [described] = cluster.results(lambda admin: {"": admin.describe_cluster(request_timeout=TIMEOUT)}).values()
    took = (time.perf_counter() - started) * 1000
    nodes = ", ".join(f"{node.host}:{node.port}" for node in described.nodes)
    return Finding(
        Level.OK,
        "Kafka",
        f"{counted(len(described.nodes), 'broker')} ({nodes}) of cluster {described.cluster_id}, {took:.0f} ms; "
        f"librdkafka {libversion()[0]} (brokers do not report their version)",
    )


def _config(cluster: Cluster, topic: str) -> Mapping[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    [config] = cluster.results(lambda admin: admin.describe_configs([resource], request_timeout=TIMEOUT)).values()
    return {name: entry.value for name, entry in config.items() if entry.value is not None}


def _stamps(config: Mapping[str, str], url: KafkaUrl) -> Finding:
    if config.get(_STAMP) == "LogAppendTime":
        return Finding(Level.OK, "timestamps", f"the broker stamps the records of {url.topic} (LogAppendTime)")
    return Finding(
        Level.BAD,
        "timestamps",
        f"the senders stamp the records of {url.topic} ({config.get(_STAMP)}), so receipts are unknown: the clock in "
        "an event gives its week, and no slice closes while any record is unread",
        alter_command(url, url.topic, APPEND_TIME),
    )


def _retention(config: Mapping[str, str], url: KafkaUrl) -> Iterator[Finding]:
    if "compact" in config.get("cleanup.policy", ""):
        yield Finding(
            Level.BAD,
            "retention",
            f"{url.topic} is compacted: only the last event of each learner is kept",
            alter_command(url, url.topic, "cleanup.policy=delete"),
        )
    kept = int(config.get("retention.ms", "-1"))
    message = f"{url.topic} keeps records {'forever' if kept < 0 else f'for {duration_text(kept)}'}"
    if 0 <= kept < _MIN_RETENTION:
        action = alter_command(url, url.topic, f"retention.ms={_MIN_RETENTION}")
        yield Finding(Level.WARN, "retention", f"{message}: if the stream is down for longer, events are lost", action)
    else:
        yield Finding(Level.OK, "retention", message)


def _durability(topic: TopicMetadata, config: Mapping[str, str], url: KafkaUrl) -> Finding:
    """Whether acknowledged records survive the loss of a broker."""
    partitions = topic.partitions.values()
    replicas = min(len(each.replicas) for each in partitions)
    behind = [each.id for each in partitions if len(each.isrs) < len(each.replicas)]
    needed = int(config.get("min.insync.replicas", "1"))
    message = (
        f"{counted(len(topic.partitions), 'partition')} of {url.topic}, replication {replicas}, "
        f"min.insync.replicas {needed}"
    )
    if behind:
        return Finding(Level.WARN, "topic", f"{message}; partitions {behind} have replicas that are out of sync")
    if replicas == 1:
        lost = "acknowledged records survive a killed broker, but not a power failure or a lost disk"
        return Finding(Level.WARN, "topic", f"{message}: {lost}", "on a cluster, reassign it to 3 replicas")
    if needed == 1:
        action = alter_command(url, url.topic, "min.insync.replicas=2")
        return Finding(
            Level.WARN, "topic", f"{message}: a single broker can acknowledge a record and then be lost", action
        )
    return Finding(Level.OK, "topic", message)


def _failed_topic(cluster: Cluster, config: Mapping[str, str], url: KafkaUrl) -> Finding:
    if cluster.topic(url.failed) is None:
        message = f"there is no topic {url.failed!r}: the first failed event stops the stream"
        return Finding(Level.BAD, "failed topic", message, cluster.create_command(url.failed))
    largest, accepted = (int(each.get(_LARGEST, "0")) for each in (config, _config(cluster, url.failed)))
    if accepted < largest + _HEADERS:
        return Finding(
            Level.WARN,
            "failed topic",
            f"{url.failed} accepts records of {accepted:,} bytes, {url.topic} of {largest:,}: a larger failed event is "
            "only in the hot store",
            alter_command(url, url.failed, f"{_LARGEST}={largest + _HEADERS}"),
        )
    return Finding(Level.OK, "failed topic", f"{url.failed} exists")


def _group(cluster: Cluster, url: KafkaUrl) -> Iterator[Finding]:
    asked = [url.group]
    [group] = cluster.results(lambda admin: admin.describe_consumer_groups(asked, request_timeout=TIMEOUT)).values()
    members = len(group.members)
    partitions = lag(cluster, url)
    message = f"{counted(members, 'member')} in group {url.group}; {_lag_text(partitions)}"
    if any(each.records for each in partitions) and not members:
        yield Finding(Level.WARN, "group", f"{message}; no process folds them", "python -m stream tail")
    else:
        yield Finding(Level.OK, "group", message)
    for each in partitions:
        if each.lost:
            yield Finding(
                Level.BAD,
                "group",
                f"partition {each.partition} of {url.topic}: {counted(each.lost, 'record')} from offset "
                f"{each.committed} deleted before the stream read them",
                "ask the senders to send them again, and raise retention.ms",
            )


def _lag_text(partitions: list[Lag]) -> str:
    behind = [each for each in partitions if each.records]
    if not behind:
        return "nothing is unread"
    most = max(behind, key=lambda each: each.records)
    return (
        f"{counted(sum(each.records for each in behind), 'record')} unread in {len(behind)} of "
        f"{len(partitions)} partitions, "
        f"most in partition {most.partition}: {most.records:,} from offset {most.next}"
    )
