"""Shared by all Kafka clients: requests to a cluster, and error messages for people."""

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

TIMEOUT: Final = 5.0  # seconds for one request; a broker in the same network answers in some ms
MISSING: Final = frozenset({"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC_ID", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"})
"""The errors for a topic that does not exist."""
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
"""Errors that waiting does not resolve: a setting must be changed, here or at the broker."""
APPEND_TIME: Final = "message.timestamp.type=LogAppendTime"
"""The topic setting that makes the broker stamp each record with the time of its receipt."""
_NO_COORDINATOR_YET: Final = frozenset({"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"})
"""Errors of a broker that is still taking over a group."""
_ACTIONS: Final = {
    "_AUTHENTICATION": "correct sasl.mechanism, sasl.username and sasl.password",
    "SASL_AUTHENTICATION_FAILED": "correct sasl.mechanism, sasl.username and sasl.password",
    "_SSL": "name the CA that signed the broker's certificate in ssl.ca.location",
    "FENCED_INSTANCE_ID": "another process has the same group.instance.id: give each process its own",
    "_FENCED": "another process has the same group.instance.id: give each process its own",
    "GROUP_AUTHORIZATION_FAILED": "allow the user to read the group",
    "TOPIC_AUTHORIZATION_FAILED": "allow the user to read the topic, and to write the topic of failed events",
    "INCONSISTENT_GROUP_PROTOCOL": "another program uses the group: name another group in group=",
}

_Result = TypeVar("_Result")
_Client = TypeVar("_Client")
_Key = TypeVar("_Key")


class CallbackErrors:
    """Collects the errors of a client's error callback. They name the cause; a failed call only reports a timeout."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: list[KafkaError] = []

    def __call__(self, error: KafkaError) -> None:
        with self._lock:
            self._errors = [*self._errors[-9:], error]

    def take(self) -> list[KafkaError]:
        """The errors since the last call."""
        with self._lock:
            errors, self._errors = self._errors, []
        return errors


def make(client: Callable[[dict[str, Any]], _Client], settings: dict[str, object], url: KafkaUrl) -> _Client:
    """Create a client of librdkafka. Raises `BadSettings` for options that librdkafka refuses."""
    try:
        return client(settings)
    except KafkaException as error:
        raise translated(error.args[0], url) from error


def create_command(url: KafkaUrl, topic: str, brokers: int) -> str:
    """The command that creates a topic in a cluster with this number of brokers."""
    partitions, append = (1, "") if topic == url.failed else (4, f" --config {APPEND_TIME}")
    replicas = " --config min.insync.replicas=2" if brokers > 2 else ""
    return (
        f"kafka-topics.sh --bootstrap-server {url.brokers} --create --topic {topic} --partitions {partitions} "
        f"--replication-factor {min(brokers, 3)}{replicas}{append}"
    )


def alter_command(url: KafkaUrl, topic: str, config: str) -> str:
    """The command that changes the configuration of a topic."""
    where = f"--bootstrap-server {url.brokers} --entity-type topics --entity-name {topic}"
    return f"kafka-configs.sh {where} --alter --add-config {config}"


def kind(error: KafkaError) -> str:
    """The name of an error. All fatal errors have the same name, so the text identifies a fenced client."""
    return "_FENCED" if error.name() == "_FATAL" and "fenced" in error.str() else error.name()


def translated(error: KafkaError, url: KafkaUrl, callback_errors: Iterable[KafkaError] = ()) -> AssessError:
    """Translate a client's error into one of ours. The errors of its callback can name the cause."""
    refused = next((each for each in (error, *callback_errors) if kind(each) in _REFUSED), None)
    if refused is not None:
        action = _ACTIONS.get(kind(refused), "correct ASSESS_LOG")
        return BadSettings(f"ASSESS_LOG: {url.without_secrets(refused.str())} ({kind(refused)}); {action}")
    if error.name() in MISSING:
        return BadSettings(f"ASSESS_LOG: Kafka at {url.brokers} has no such topic; type: assess doctor")
    if error.name() in _NO_COORDINATOR_YET:
        return StoreUnavailable(
            f"Kafka at {url.brokers} has no coordinator of the group yet; try again in some seconds"
        )
    if error.name() == "_FATAL":
        return StoreUnavailable(f"Kafka's client failed: {url.without_secrets(error.str())}; restart the process")
    causes = [each.str() for each in callback_errors if not each.name().startswith("_ALL_BROKERS")]
    text = url.without_secrets(causes[-1] if causes else error.str())
    # a refused connection has a reason; a broker that expects TLS or a login closes it without a reason
    action = (
        "start it" if causes else "start it, or correct security.protocol in ASSESS_LOG if it expects TLS or a login"
    )
    return StoreUnavailable(f"Kafka at {url.brokers} does not answer: {text} ({error.name()}); {action}")


class Cluster:
    """Sends requests to a cluster; thread-safe. Raises `StoreUnavailable` if no answer arrives within some seconds."""

    def __init__(self, url: KafkaUrl) -> None:
        self._url = url
        self._callback_errors = CallbackErrors()
        self.brokers = 1
        self.admin = make(AdminClient, url.client({"error_cb": self._callback_errors}), url)

    def topic(self, name: str) -> TopicMetadata | None:
        """A topic and its partitions; None if it does not exist."""
        self._callback_errors.take()
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
        """The partitions of the log's topic. Raises `BadSettings` if the topic does not exist."""
        topic = self.topic(self._url.topic)
        if topic is None:
            raise self.missing(self._url.topic)
        return sorted(topic.partitions)

    def missing(self, topic: str) -> BadSettings:
        """The error for a topic that does not exist."""
        return BadSettings(
            f"ASSESS_LOG: Kafka at {self._url.brokers} has no topic {topic!r}; {self.create_command(topic)}"
        )

    def create_command(self, topic: str) -> str:
        """The command that creates a topic."""
        return create_command(self._url, topic, self.brokers)

    def results(self, ask: "Callable[[AdminClient], Mapping[_Key, Future[_Result]]]") -> dict[_Key, _Result]:
        """The answers to a request, which is retried while a broker takes over a group."""
        return self._retried(lambda: {key: future.result(TIMEOUT + 1) for key, future in ask(self.admin).items()})

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """The group's committed offsets, by partition; partitions that it never committed are left out.

        The admin client is not used: librdkafka 2.16 kills the process with a SIGSEGV if a broker answers that it is
        not (or not yet) the group's coordinator.
        """
        asked = [TopicPartition(self._url.topic, partition) for partition in partitions]
        found = self._retried(lambda: _positions(self._member, asked))
        return {each.partition: each.offset for each in found if each.offset >= 0}

    @cached_property
    def _member(self) -> Consumer:
        """A client that reads the group's offsets and never joins the group."""
        settings: dict[str, object] = {
            "group.id": self._url.group,
            "enable.auto.commit": False,
            "error_cb": self._callback_errors,
        }
        return make(Consumer, self._url.client(settings), self._url)

    def _retried(self, ask: Callable[[], _Result]) -> _Result:
        try:
            return retrying(_has_no_coordinator_yet, deadline_seconds=TIMEOUT)(ask)
        except KafkaException as error:
            raise self._translated(error.args[0]) from error
        except WaitedTooLong as error:
            raise StoreUnavailable(f"Kafka at {self._url.brokers} does not answer; start it") from error

    def _translated(self, error: KafkaError) -> AssessError:
        self.admin.poll(0)  # runs the error callback
        return translated(error, self._url, self._callback_errors.take())


def _has_no_coordinator_yet(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].name() in _NO_COORDINATOR_YET


def _positions(member: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
    """The committed offsets. Raises `KafkaException` for the first partition with an error."""
    try:
        found = member.committed(asked, timeout=TIMEOUT)
    finally:
        member.poll(0)  # runs the error callback
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return found
