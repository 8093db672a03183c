"""What all clients of Kafka share: how a cluster is asked, and what its errors mean to a person."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from functools import cached_property
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, TopicMetadata

from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import AssessError, BadSettings, StoreUnavailable
from assess_core.retrying import retrying

TIMEOUT: Final = 5.0  # seconds for one question; a broker near by answers in some ms
MISSING: Final = frozenset({"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"})
"""What says that a topic is not there."""
_REFUSED: Final = frozenset(
    {
        "_AUTHENTICATION",
        "_INVALID_ARG",
        "_SSL",
        "_UNSUPPORTED_FEATURE",
        "CLUSTER_AUTHORIZATION_FAILED",
        "FENCED_INSTANCE_ID",
        "GROUP_AUTHORIZATION_FAILED",
        "INCONSISTENT_GROUP_PROTOCOL",
        "INVALID_GROUP_ID",
        "SASL_AUTHENTICATION_FAILED",
        "TOPIC_AUTHORIZATION_FAILED",
        "UNSUPPORTED_SASL_MECHANISM",
        "_FENCED",
    }
)
"""Waiting does not help: somebody must change a setting, here or at the broker."""
APPEND_TIME: Final = "message.timestamp.type=LogAppendTime"
"""What a topic needs, so that the broker says when a record was received."""
_SOON: Final = frozenset({"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"})
"""What a broker says that takes over the groups of another, or gets its first one."""
_DO: Final = {
    "_AUTHENTICATION": "correct sasl.mechanism, sasl.username and sasl.password",
    "SASL_AUTHENTICATION_FAILED": "correct sasl.mechanism, sasl.username and sasl.password",
    "_SSL": "name who signed the broker's certificate in ssl.ca.location",
    "FENCED_INSTANCE_ID": "another process has the same group.instance.id: give each one its own",
    "_FENCED": "another process has the same group.instance.id: give each one its own",
    "GROUP_AUTHORIZATION_FAILED": "allow the user to read the group",
    "TOPIC_AUTHORIZATION_FAILED": "allow the user to read the topic, and to write the one of failed events",
    "INCONSISTENT_GROUP_PROTOCOL": "the group is used by other programs: name another one in group=",
}

_Result = TypeVar("_Result")
_Client = TypeVar("_Client")
_Key = TypeVar("_Key")


class Heard:
    """What a client's error callback said: a failed call says only that it waited too long, this says why."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: list[KafkaError] = []

    def __call__(self, error: KafkaError) -> None:
        with self._lock:
            self._errors = [*self._errors[-9:], error]

    def take(self) -> list[KafkaError]:
        """What came since the last call."""
        with self._lock:
            errors, self._errors = self._errors, []
        return errors


def make(client: Callable[[dict[str, Any]], _Client], settings: dict[str, object], url: KafkaUrl) -> _Client:
    """A client of librdkafka. Raises `BadSettings` for options that it does not take."""
    try:
        return client(settings)
    except KafkaException as error:
        raise translated(error.args[0], url) from error


def create_command(url: KafkaUrl, topic: str, brokers: int) -> str:
    """What to type to have a topic on so many brokers."""
    partitions, append = (1, "") if topic == url.failed else (4, f" --config {APPEND_TIME}")
    replicas = " --config min.insync.replicas=2" if brokers > 2 else ""
    return (
        f"kafka-topics.sh --bootstrap-server {url.brokers} --create --topic {topic} --partitions {partitions} "
        f"--replication-factor {min(brokers, 3)}{replicas}{append}"
    )


def alter_command(url: KafkaUrl, topic: str, config: str) -> str:
    """What to type to give a topic another configuration."""
    where = f"--bootstrap-server {url.brokers} --entity-type topics --entity-name {topic}"
    return f"kafka-configs.sh {where} --alter --add-config {config}"


def kind(error: KafkaError) -> str:
    """The name of an error; of a fatal one, which has one name for all, what it is about."""
    return "_FENCED" if error.name() == "_FATAL" and "fenced" in error.str() else error.name()


def translated(error: KafkaError, url: KafkaUrl, heard: Iterable[KafkaError] = ()) -> AssessError:
    """What an error of the client means, in our words; `heard` beside it may say why."""
    refused = next((each for each in (error, *heard) if kind(each) in _REFUSED), None)
    if refused is not None:
        action = _DO.get(kind(refused), "correct ASSESS_LOG")
        return BadSettings(f"ASSESS_LOG: {url.without_secrets(refused.str())} ({kind(refused)}); {action}")
    if error.name() in MISSING:
        return BadSettings(f"ASSESS_LOG: Kafka at {url.brokers} has no such topic; type: assess doctor")
    if error.name() in _SOON:
        return StoreUnavailable(
            f"Kafka at {url.brokers} has no coordinator of the group yet; try again in some seconds"
        )
    if error.name() == "_FATAL":
        return StoreUnavailable(f"Kafka's client gave up: {url.without_secrets(error.str())}; start the process again")
    causes = [each.str() for each in heard if not each.name().startswith("_ALL_BROKERS")]
    text = url.without_secrets(causes[-1] if causes else error.str())
    # a connection that is refused says so; a broker that takes TLS or a login alone breaks it off and says nothing
    action = (
        "start it" if causes else "start it, or correct security.protocol in ASSESS_LOG where it wants TLS or a login"
    )
    return StoreUnavailable(f"Kafka at {url.brokers} does not answer: {text} ({error.name()}); {action}")


class Cluster:
    """Asks a cluster; may be shared by threads. Every question ends after some seconds in `StoreUnavailable`."""

    def __init__(self, url: KafkaUrl) -> None:
        self._url = url
        self._heard = Heard()
        self.brokers = 1
        self.admin = make(AdminClient, url.client({"error_cb": self._heard}), url)

    def topic(self, name: str) -> TopicMetadata | None:
        """A topic and its partitions; None when it is not there."""
        self._heard.take()
        try:
            metadata = self.admin.list_topics(name, timeout=TIMEOUT)
        except KafkaException as error:
            raise self._translated(error.args[0]) from error
        self.brokers = len(metadata.brokers)
        topic: TopicMetadata = metadata.topics[name]
        if topic.error is None:
            return topic
        if topic.error.name() in MISSING:
            return None
        raise self._translated(topic.error)

    def partitions(self) -> list[int]:
        """The partitions of the log's topic. Raises `BadSettings` when there is no such topic."""
        topic = self.topic(self._url.topic)
        if topic is None:
            raise self.missing(self._url.topic)
        return sorted(topic.partitions)

    def missing(self, topic: str) -> BadSettings:
        """The topic is not there."""
        return BadSettings(
            f"ASSESS_LOG: Kafka at {self._url.brokers} has no topic {topic!r}; {self.create_command(topic)}"
        )

    def create_command(self, topic: str) -> str:
        """What to type to have a topic."""
        return create_command(self._url, topic, self.brokers)

    def results(self, ask: "Callable[[AdminClient], Mapping[_Key, Future[_Result]]]") -> dict[_Key, _Result]:
        """What a question was answered with; asked again while a broker is about to take something over."""
        return self._again(lambda: {key: future.result(TIMEOUT + 1) for key, future in ask(self.admin).items()})

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """The offsets that the group goes on from, by partition; one that it never committed is left out.

        Not asked of the admin client: where a broker answers it that it is not (or not yet) the group's coordinator,
        librdkafka 2.16 ends the process with a SIGSEGV.
        """
        asked = [TopicPartition(self._url.topic, partition) for partition in partitions]
        found = self._again(lambda: _positions(self._member, asked))
        return {each.partition: each.offset for each in found if each.offset >= 0}

    @cached_property
    def _member(self) -> Consumer:
        """Knows the group and never joins it."""
        settings: dict[str, object] = {
            "group.id": self._url.group,
            "enable.auto.commit": False,
            "error_cb": self._heard,
        }
        return make(Consumer, self._url.client(settings), self._url)

    def _again(self, ask: Callable[[], _Result]) -> _Result:
        try:
            return retrying(_has_no_coordinator_yet, deadline_seconds=TIMEOUT)(ask)
        except KafkaException as error:
            raise self._translated(error.args[0]) from error
        except WaitedTooLong as error:
            raise StoreUnavailable(f"Kafka at {self._url.brokers} does not answer; start it") from error

    def _translated(self, error: KafkaError) -> AssessError:
        self.admin.poll(0)  # calls `heard`
        return translated(error, self._url, self._heard.take())


def _has_no_coordinator_yet(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].name() in _SOON


def _positions(member: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
    """What a group committed. Raises `KafkaException` for the first partition that the broker says an error of."""
    try:
        found = member.committed(asked, timeout=TIMEOUT)
    finally:
        member.poll(0)  # calls `heard`
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return found
