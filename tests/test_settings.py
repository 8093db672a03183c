"""Settings: they have absolute paths, and a process can pass them on as environment variables."""

from pathlib import Path

import pytest

from assess_core.domain.moments import DAY
from assess_core.errors import BadSettings, BadTime
from assess_core.privacy import hidden, is_secret
from assess_core.settings import Settings, unknown_variables
from assess_core.wiring import open_work


def test_everything_is_below_the_home_folder_by_default() -> None:
    assert Settings.from_env({}, "/srv/assess") == Settings(
        home=Path("/srv/assess"),
        hot_store="sqlite:////srv/assess/hot.sqlite",
        lake="/srv/assess/lake",
        exhausts="/srv/assess/exhausts",
        log="/srv/assess/log",
        grace=DAY,
        facts="",
        erasure_keys="/srv/assess/erasure.keys",
    )


def test_an_explicit_home_wins_over_the_environment_and_the_environment_over_the_default(tmp_path: Path) -> None:
    env = {"ASSESS_HOME": "/srv/assess"}
    assert Settings.from_env(env, str(tmp_path)).home == tmp_path
    assert Settings.from_env(env).home == Path("/srv/assess")
    assert Settings.from_env({}).home == Path.cwd() / ".assess"


def test_an_empty_variable_counts_as_not_set() -> None:
    names = (
        "ASSESS_HOME",
        "ASSESS_HOT_STORE",
        "ASSESS_LAKE",
        "ASSESS_EXHAUSTS",
        "ASSESS_LOG",
        "ASSESS_GRACE",
        "ASSESS_FACTS",
    )
    assert Settings.from_env(dict.fromkeys(names, "")) == Settings.from_env({})


def test_relative_paths_start_at_the_current_folder_and_urls_do_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"ASSESS_HOT_STORE": "sqlite:///hot?shards=2", "ASSESS_LAKE": "lake", "ASSESS_EXHAUSTS": "s3://bucket/e"}
    settings = Settings.from_env(env)
    assert settings.hot_store == f"sqlite:///{tmp_path}/hot?shards=2"
    assert settings.lake == f"{tmp_path}/lake"
    assert settings.exhausts == "s3://bucket/e"


def test_the_variables_of_settings_give_the_same_settings_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    env = {"ASSESS_HOME": "home", "ASSESS_LOG": "log", "ASSESS_HOT_STORE": "cassandra://a,b/ks", "ASSESS_GRACE": "90m"}
    settings = Settings.from_env(env)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env(settings.env()) == settings


@pytest.mark.parametrize("text", ["soon", "-1d", "1.5h", "9" * 19, "9" * 5000])
def test_the_refusal_of_an_invalid_grace_period_names_the_setting(text: str) -> None:
    with pytest.raises(BadTime, match=r"ASSESS_GRACE: '.*' is not a duration; write it like 24h"):
        Settings.from_env({"ASSESS_GRACE": text})


@pytest.mark.parametrize("text", ["5219w", "36526d", "999999999999999d"])
def test_the_refusal_of_a_grace_period_over_100_years_names_the_setting(text: str) -> None:
    with pytest.raises(BadTime, match=r"ASSESS_GRACE: '\w+' is longer than 100 years; write a shorter one"):
        Settings.from_env({"ASSESS_GRACE": text})


def test_an_unknown_variable_is_reported_with_the_most_similar_setting() -> None:
    env = {"ASSESS_GRACE_PERIOD": "2d", "ASSESS_HOTSTORE": "", "assess_lake": "x", "ASSESS_ZZZ": "1", "ASSESS_LOG": "l"}
    assert unknown_variables(env | {"ASSESSMENT": "another program's"}) == {
        "ASSESS_GRACE_PERIOD": "ASSESS_GRACE",
        "ASSESS_HOTSTORE": "ASSESS_HOT_STORE",
        "ASSESS_ZZZ": None,
        "assess_lake": "ASSESS_LAKE",
    }


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("cassandra://u:hunter2@h1:9042,h2/k?dc=a", "cassandra://u:***@h1:9042,h2/k?dc=a"),
        ("cassandra://u:hun@ter2@h/k", "cassandra://u:***@h/k"),
        ("cassandra://u:hun/ter2@h/k", "cassandra://u:***@h/k"),
        ("cassandra://u@here:hun?ter2@h/k", "cassandra://u@here:***@h/k"),
        ("cassandra://h1:9042,h2/k", "cassandra://h1:9042,h2/k"),
        ("kafka://u:hunter2@b1:9092/t?group=g", "kafka://u:***@b1:9092/t?group=g"),
        (
            "kafka://b1:9092/t?sasl.username=a@b&sasl.password=hun@ter2&group=g",
            "kafka://b1:9092/t?sasl.username=a@b&sasl.password=***&group=g",
        ),
        ("sqlite:////srv/a@b/hot.sqlite", "sqlite:////srv/a@b/hot.sqlite"),
        ("kafka://b/t?group=g&ssl.key.pem=----hunter2", "kafka://b/t?group=g&ssl.key.pem=***"),
        ("kafka://b/t?sasl.oauthbearer.config=x%3Dhunter2&group=g", "kafka://b/t?sasl.oauthbearer.config=***&group=g"),
        ("kafka://b/t?SASL%2EPassWord=hunter2", "kafka://b/t?SASL%2EPassWord=***"),
        ("kafka://b/t?sasl.password=a&hunter2", "kafka://b/t?sasl.password=***&***"),
        ("/srv/what?password=none", "/srv/what?password=none"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert hidden(url) == shown


@pytest.mark.parametrize(
    ("option", "secret"),
    [
        ("sasl.password", True),
        ("ssl.key.pem", True),
        ("ssl.key.password", True),
        ("ssl.keystore.password", True),
        ("sasl.oauthbearer.config", True),
        ("sasl.oauthbearer.client.secret", True),
        ("sasl.oauthbearer.assertion.private.key.passphrase", True),
        ("sasl.oauthbearer.assertion.private.key.pem", True),
        ("sasl.kerberos.kinit.cmd", True),
        ("sasl.oauthbearer.token.endpoint.url", False),
        ("sasl.username", False),
        ("ssl.ca.location", False),
        ("group", False),
    ],
)
def test_the_secret_options_of_librdkafka_are_known(option: str, secret: bool) -> None:
    assert is_secret(option) is secret


def test_reports_of_requests_have_names_or_tickets_but_not_both(tmp_path: Path) -> None:
    settings = Settings.from_env({"ASSESS_REQUEST_TICKETS": "yes", "ASSESS_NAMES": "names.csv"}, str(tmp_path))

    with pytest.raises(BadSettings, match="a ticket does not keep names, and ASSESS_NAMES is set"):
        open_work(settings)
