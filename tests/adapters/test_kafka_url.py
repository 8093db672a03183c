"""Which Kafka URLs ASSESS_LOG accepts."""

import pytest

from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.errors import BadSettings


def test_brokers_topic_and_group_are_required() -> None:
    url = KafkaUrl.parse("kafka://b1:9092,b2:9093/assess.events?group=stream")
    assert (url.brokers, url.topic, url.group) == ("b1:9092,b2:9093", "assess.events", "stream")
    assert (url.failed, url.member, dict(url.security)) == ("assess.events.failed", None, {})


def test_security_options_are_passed_to_the_client_unchanged() -> None:
    url = KafkaUrl.parse(
        "kafka://b1/t?group=g&security.protocol=SASL_SSL&sasl.mechanism=SCRAM-SHA-512&sasl.username=u"
        "&sasl.password=a%26b%3D+%25&ssl.ca.location=/etc/ca.pem"
    )
    settings = url.client({})
    assert settings["security.protocol"] == "SASL_SSL"
    assert settings["sasl.password"] == "a&b=+%"
    assert settings["ssl.ca.location"] == "/etc/ca.pem"
    assert settings["bootstrap.servers"] == "b1"


def test_the_failed_topic_and_the_members_name_are_options() -> None:
    url = KafkaUrl.parse("kafka://b1/t?group=g&failed=poison&group.instance.id=stream-0")
    assert (url.failed, url.member) == ("poison", "stream-0")


def test_secrets_are_not_shown() -> None:
    url = KafkaUrl.parse("kafka://b1/t?group=g&sasl.username=u&sasl.password=hunter2&ssl.key.password=hunter22")
    assert url.without_secrets("no hunter2, no hunter22, but u") == "no ***, no ***, but u"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("kafka://b1:9092", "the broker or the topic is missing"),
        ("kafka:///t?group=g", "the broker or the topic is missing"),
        ("kafka://b1/?group=g", "the broker or the topic is missing"),
        ("kafka://b1/t", "the consumer group is missing"),
        ("kafka://b1/t?group=", "the consumer group is missing"),
        ("kafka://b1/a/b?group=g", "'a/b' is not a topic name"),
        ("kafka://b1/-?group=g", "'-' is not a topic name"),
        ("kafka://b1/t?group=g&failed=x%20y", "'x y' is not a topic name"),
        ("kafka://b1/t?group=g&failed=t", "to the topic of the log"),
        ("kafka://u:hunter2@b1/t?group=g", "sasl.username"),
        ("kafka://b1/t?group=g&sasl.password=a&hunter2", "an option has no value; write NAME=VALUE, and for & in a"),
        ("kafka://b1/t?group=g&auto.offset.reset=latest", "'auto.offset.reset' is not an option"),
        ("kafka://b1/t?group=g&enable.auto.commit=true", "'enable.auto.commit' is not an option"),
    ],
)
def test_the_error_for_an_invalid_url_gives_the_reason_and_no_secret(url: str, message: str) -> None:
    with pytest.raises(BadSettings, match=message) as refused:
        KafkaUrl.parse(url)
    assert "ASSESS_LOG" in str(refused.value)
    assert "hunter2" not in str(refused.value)
