"""Settings: read once, absolute from then on, and handed on whole."""

from pathlib import Path

import pytest

from assess_core.domain.moments import DAY
from assess_core.errors import BadTime
from assess_core.settings import Settings, hidden


def test_everything_lies_below_the_home_folder_unless_it_is_said_otherwise() -> None:
    assert Settings.from_env({}, "/srv/assess") == Settings(
        home=Path("/srv/assess"),
        hot_store="sqlite:////srv/assess/hot.sqlite",
        lake="/srv/assess/lake",
        exhausts="/srv/assess/exhausts",
        log="/srv/assess/log",
        grace=DAY,
        facts="",
    )


def test_a_named_home_wins_over_the_environment_and_that_over_the_default(tmp_path: Path) -> None:
    env = {"ASSESS_HOME": "/srv/assess"}
    assert Settings.from_env(env, str(tmp_path)).home == tmp_path
    assert Settings.from_env(env).home == Path("/srv/assess")
    assert Settings.from_env({}).home == Path.cwd() / ".assess"


def test_a_variable_that_is_empty_is_not_set() -> None:
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


def test_relative_paths_are_taken_from_here_and_urls_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"ASSESS_HOT_STORE": "sqlite:///hot?shards=2", "ASSESS_LAKE": "lake", "ASSESS_EXHAUSTS": "s3://bucket/e"}
    settings = Settings.from_env(env)
    assert settings.hot_store == f"sqlite:///{tmp_path}/hot?shards=2"
    assert settings.lake == f"{tmp_path}/lake"
    assert settings.exhausts == "s3://bucket/e"


def test_settings_come_back_from_the_variables_that_they_give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env = {"ASSESS_HOME": "home", "ASSESS_LOG": "log", "ASSESS_HOT_STORE": "cassandra://a,b/ks", "ASSESS_GRACE": "90m"}
    settings = Settings.from_env(env)
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env(settings.env()) == settings


def test_a_grace_that_is_no_duration_is_refused_by_name() -> None:
    with pytest.raises(BadTime, match=r"ASSESS_GRACE: 'soon' is not a duration; write it like 24h"):
        Settings.from_env({"ASSESS_GRACE": "soon"})


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
    ],
)
def test_a_password_is_not_shown_whatever_it_holds(url: str, shown: str) -> None:
    assert hidden(url) == shown
