"""`kafka://BROKER[:PORT][,BROKER...]/TOPIC?group=NAME[&OPTION=VALUE...]` -> the settings of a Kafka client."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Self
from urllib.parse import unquote

from assess_core.errors import BadSettings
from assess_core.privacy import is_secret

FORM: Final = "kafka://BROKER:PORT[,BROKER:PORT...]/TOPIC?group=NAME"
_SCHEME: Final = "kafka://"
_TOPIC = re.compile(r"(?!(?:\.{1,2}|-)\Z)[a-zA-Z0-9._-]{1,249}\Z")  # `-` is the topic of standard input
_PASSED = re.compile(r"security\.protocol\Z|sasl\.|ssl\.|https\.ca\.")


class KafkaUrl(NamedTuple):
    """A topic of a cluster, and the consumer group that reads it."""

    brokers: str
    """In librdkafka's form: `host:port,host:port`."""
    topic: str
    group: str
    failed: str
    """The topic of failed events (`failed=`, default `TOPIC.failed`)."""
    member: str | None
    """`group.instance.id`: a name that a process keeps across restarts; each process has its own."""
    security: Mapping[str, str]
    """librdkafka's options for TLS and SASL, as given."""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a URL; the parts between `/`, `?`, `&` and `=` are percent-decoded. Raises `BadSettings`."""
        where, _, query = url.removeprefix(_SCHEME).partition("?")
        brokers, _, topic = where.partition("/")
        topic = unquote(topic)
        if not url.startswith(_SCHEME) or not brokers or not topic:
            raise BadSettings(f"ASSESS_LOG: the broker or the topic is missing; write {FORM}")
        if "@" in brokers:
            raise BadSettings(
                "ASSESS_LOG: a password before the broker is not supported; write sasl.username=...&sasl.password=..."
            )
        options = dict(_options(query))
        group, failed = options.pop("group", ""), options.pop("failed", f"{topic}.failed")
        member = options.pop("group.instance.id", None)
        if not group:
            raise BadSettings(f"ASSESS_LOG: the consumer group is missing; write {FORM}")
        for name in (topic, failed):
            if not _TOPIC.match(name):
                raise BadSettings(
                    f"ASSESS_LOG: {name!r} is not a topic name: it may have letters, digits, '.', '_' and '-'"
                )
        if failed == topic:
            raise BadSettings(
                "ASSESS_LOG: failed events would be written to the topic of the log; name another topic in failed="
            )
        for name in options:
            if not _PASSED.match(name):
                raise BadSettings(
                    f"ASSESS_LOG: {name!r} is not an option; the options are group, failed, group.instance.id, "
                    "security.protocol, and librdkafka's own sasl.* and ssl.*"
                )
        return cls(brokers, topic, group, failed, member, options)

    def client(self, settings: Mapping[str, object]) -> dict[str, object]:
        """The configuration of a client: brokers and security, then these settings of librdkafka."""
        return {
            "bootstrap.servers": self.brokers,
            **self.security,
            # we report errors ourselves; librdkafka would write to standard error
            "log_level": 0,
            "reconnect.backoff.max.ms": 1000,  # not 10 s, so that a restarted broker is noticed soon
            **settings,
        }

    def without_secrets(self, text: str) -> str:
        """A message of the client without passwords and keys."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> Iterable[str]:
        return [value for name, value in self.security.items() if value and is_secret(name)]


def _options(query: str) -> Iterable[tuple[str, str]]:
    for part in filter(None, query.split("&")):
        name, given, value = part.partition("=")
        if not given:  # do not print it: it may be the end of a password
            raise BadSettings("ASSESS_LOG: an option has no value; write NAME=VALUE, and for & in a value %26")
        yield unquote(name), unquote(value)
