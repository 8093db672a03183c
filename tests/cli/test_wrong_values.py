"""Invalid values of every option, argument and setting: a message, a documented exit code and no traceback."""

import os
import re
import runpy
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

import click
import pytest
from click.testing import Result

from assess_cli import COMMANDS, main
from assess_core.settings import Settings
from assess_core.wiring import open_stores
from tests.cli.conftest import Assess
from tests.cli.wrong_values import GIVEN, WRONG
from tests.factories import event
from tests.forked import run_forked
from tests.loop import take


class Leaf(NamedTuple):
    """A command without subcommands, with the words that call it."""

    words: str
    command: click.Command


def leaves() -> Iterator[Leaf]:
    yield Leaf("", main)
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from (Leaf(f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield Leaf(name, command)


def takes_a_value(parameter: click.Parameter) -> bool:
    return not (isinstance(parameter, click.Option) and (parameter.is_flag or parameter.name == "version"))


def spelling(parameter: click.Parameter) -> str:
    return max(parameter.opts, key=len) if isinstance(parameter, click.Option) else str(parameter.name)


def test_every_option_and_argument_has_invalid_values_here() -> None:
    existing = {
        leaf.words: {spelling(each) for each in leaf.command.params if takes_a_value(each)} for leaf in leaves()
    }
    assert {words: set(wrong) for words, wrong in WRONG.items()} == existing


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "free"])
def test_a_price_is_a_number_from_0(assess: Assess, price: str) -> None:
    assert assess("size", "--learners", "1000", "--prices", "1", price, "1").exit_code == 2


def as_text(value: str) -> str:
    return f"{value[:20]!a}"


@pytest.fixture(scope="module")
def home_with_an_attempt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that is made once. Each test gets a copy."""
    home = tmp_path_factory.mktemp("filled") / "home"
    take(open_stores(Settings.from_env({}, str(home))), event())
    return home


@pytest.fixture
def run(
    assess: Assess, settings: Settings, home_with_an_attempt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Assess]:
    """`assess` on a store with one attempt. What would run instead of it runs as a process."""

    def run_instead(words: Sequence[str], env: Mapping[str, str]) -> None:
        try:
            done = run_forked([os.fsencode(word) for word in words], env=env)
        except ValueError as error:  # a process argument cannot hold this surrogate
            pytest.fail(str(error))
        click.echo(done.stdout, nl=False)
        click.echo(done.stderr, err=True, nl=False)
        sys.exit(done.returncode)

    def exec_instead(program: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        assert command[:2] == [program, "-P"]
        run_instead(command[2:], env)

    def run_module_instead(name: str, **_: object) -> None:
        run_instead(["-m", name, *sys.argv[1:]], os.environ)

    shutil.copytree(home_with_an_attempt, settings.home)
    monkeypatch.setattr(os, "execve", exec_instead)
    monkeypatch.setattr(runpy, "run_module", run_module_instead)
    monkeypatch.setattr(sys, "argv", sys.argv[:1])
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    with patch.dict(os.environ):
        yield assess


def check(result: Result, *, codes: Sequence[int] = (2, 3, 4, 5)) -> None:
    assert "Traceback" not in result.stderr, result.stderr
    assert result.exit_code in codes, (result.exit_code, result.output)
    assert re.match(r"assess: |Error: |\d+ bad", result.stderr.splitlines()[-1]), result.stderr
    assert not re.search(r"Usage: python|Errno|<class|Error\(|Warning", result.stderr), result.stderr


@pytest.mark.parametrize(
    ("words", "option", "value"),
    [
        (words, option, value)
        for words, of in WRONG.items()
        for option, values in of.items()
        for value in values
        if words
    ],
    ids=as_text,
)
def test_an_invalid_value_gives_a_message(run: Assess, words: str, option: str, value: str) -> None:
    given = {**GIVEN.get(words, {}), option: value}
    options = [word for name, text in given.items() if name.startswith("-") for word in (name, text)]
    # after `--`, a value can begin with a hyphen
    result = run(*words.split(), *options, "--", *(text for name, text in given.items() if not name.startswith("-")))
    check(result, codes=(1, 2, 3) if option in ("--output", "--to") else (2, 3, 4, 5))  # 1: it cannot be written there


@pytest.mark.parametrize("home", WRONG[""]["--home"])
@pytest.mark.parametrize(
    "command",
    ["demo", "up", "ingest events.jsonl", "archive --closed", "doctor", "api",
     "schema apply", "failed replay", "request work"],
)  # fmt: skip
def test_a_home_folder_that_cannot_be_created_gives_a_message(
    run: Assess, tmp_path: Path, command: str, home: str
) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"{}\n")
    check(run(*command.split(), home=Path(home)), codes=(1,) if command == "doctor" else (2, 5))


SETTINGS: Final[dict[str, Sequence[str]]] = {
    "ASSESS_HOME": ("/proc/h", "/dev/null/h"),
    "ASSESS_HOT_STORE": (
        "nonsense", "mysql://host/db", "sqlite:///", "sqlite:////proc/h/hot.sqlite", "sqlite:////tmp", "cassandra://",
        "cassandra://host:99999/ks", "cassandra://[::1/ks", "sqlite:///x?shards=0", "sqlite:///x?nope=1",
    ),
    "ASSESS_LAKE": ("ftp://host/lake", "/proc/h/lake", "/dev/null/lake", "s3://", "s3://b/\x01"),
    "ASSESS_EXHAUSTS": ("ftp://host/x", "/proc/h/x", "/dev/null/x", "s3://"),
    "ASSESS_LOG": ("/proc/nolog", "/dev/null/log", "kafka://", "kafka://b:9092", "kafka://b/t", "kafka://b/t?group",
                   "ftp://host/log"),
    "ASSESS_GRACE": ("soon", "-1d", "9" * 15 + "d", "9" * 5000),
    "ASSESS_FACTS": ("/no/such/file", "ftp://host/facts", "cassandra://"),
    "ASSESS_MEMORY": ("lots", "-1", "0", "9" * 5000 + "GB"),
    "ASSESS_CHANNEL_BATCHES": ("many", "-1", "0", "9" * 5000),
    "ASSESS_CHANNEL_BYTES": ("lots", "0"),
    "ASSESS_KEEP_REPORTS": ("soon", "1h"),
    "ASSESS_KEEP_TICKETS": ("soon", "1h"),
    "ASSESS_REQUEST_TICKETS": ("maybe", "9" * 5000),
    "ASSESS_NOTIFY": ("nonsense", "http://example.org/hook", "https://user:pw@host/", "smtp://host",
                      "smtp://host:99999/?from=a@b&to=a@b"),
    "ASSESS_PUBLIC_URL": ("example.org", "ftp://host", "http://"),
    "ASSESS_TRACES": ("collector:4318", "ftp://host", "http://"),
    "ASSESS_MESSAGES": ("xml", "JSON "),
    "ASSESS_GRANTS": ("/no/such/file", "/proc", "ftp://host/grants", "sqlite:///",
                      "sqlite:////no/such.sqlite", "cassandra://"),
    "ASSESS_NAMES": ("/no/such/file", "ftp://host/names", "http://host/names", "cassandra://"),
    "ASSESS_NAMES_TOKEN": ("a b", "a\nb", "é"),
    "ASSESS_SCHEDULES": ("/no/such/file", "/proc"),
    "ASSESS_RETENTION": ("/no/such/file", "/proc"),
    "ASSESS_ERASURE_KEYS": ("/proc", "/etc/passwd"),
}  # fmt: skip
"""Setting -> invalid values."""
ACCEPTED: Final[dict[str, dict[str, Sequence[str]]]] = {
    "slices": {
        "ASSESS_HOME": ("/proc/h",),
        "ASSESS_HOT_STORE": ("sqlite:////proc/h/hot.sqlite",),
        "ASSESS_LAKE": ("/proc/h/lake", "/dev/null/lake"),
        "ASSESS_EXHAUSTS": ("/proc/h/x", "/dev/null/x"),
        "ASSESS_LOG": ("/proc/nolog",),
        "ASSESS_FACTS": SETTINGS["ASSESS_FACTS"],
        "ASSESS_NOTIFY": SETTINGS["ASSESS_NOTIFY"],
        "ASSESS_GRANTS": SETTINGS["ASSESS_GRANTS"],
        "ASSESS_NAMES": ("/no/such/file",),
        "ASSESS_SCHEDULES": SETTINGS["ASSESS_SCHEDULES"],
        "ASSESS_RETENTION": SETTINGS["ASSESS_RETENTION"],
        "ASSESS_ERASURE_KEYS": SETTINGS["ASSESS_ERASURE_KEYS"],
    },
    "archive --closed": {
        "ASSESS_EXHAUSTS": ("/proc/h/x", "/dev/null/x"),
        "ASSESS_LOG": ("/proc/nolog",),
        "ASSESS_FACTS": SETTINGS["ASSESS_FACTS"],
        "ASSESS_NOTIFY": SETTINGS["ASSESS_NOTIFY"],
        "ASSESS_GRANTS": SETTINGS["ASSESS_GRANTS"],
        "ASSESS_NAMES": ("/no/such/file",),
        "ASSESS_SCHEDULES": SETTINGS["ASSESS_SCHEDULES"],
        "ASSESS_RETENTION": SETTINGS["ASSESS_RETENTION"],
        "ASSESS_ERASURE_KEYS": SETTINGS["ASSESS_ERASURE_KEYS"],
    },
    "exhaust b1 --report score": {
        "ASSESS_LAKE": ("/proc/h/lake", "/dev/null/lake"),
        "ASSESS_LOG": ("/proc/nolog",),
        "ASSESS_FACTS": SETTINGS["ASSESS_FACTS"],
        "ASSESS_NOTIFY": SETTINGS["ASSESS_NOTIFY"],
        "ASSESS_GRANTS": SETTINGS["ASSESS_GRANTS"],
        "ASSESS_NAMES": ("/no/such/file",),
        "ASSESS_SCHEDULES": SETTINGS["ASSESS_SCHEDULES"],
        "ASSESS_RETENTION": SETTINGS["ASSESS_RETENTION"],
    },
    "failed replay": {
        f"ASSESS_{name}": SETTINGS[f"ASSESS_{name}"]
        for name in ("LAKE", "EXHAUSTS", "LOG", "NOTIFY", "GRANTS", "NAMES", "SCHEDULES", "RETENTION", "ERASURE_KEYS")
    },
}
"""Command -> setting -> the values above that it accepts: it does not open that store, or reads a missing folder."""
EACH: Final = [(name, value) for name, values in SETTINGS.items() for value in values]


def test_every_setting_has_invalid_values_here(settings: Settings) -> None:
    # test_api_settings.py and test_tokens.py have those of the API, which no other command uses
    assert list(SETTINGS) == [name for name in settings.env() if not name.startswith("ASSESS_API_")]


@pytest.mark.parametrize(("name", "value"), EACH, ids=as_text)
def test_the_doctor_names_an_invalid_setting(run: Assess, name: str, value: str) -> None:
    result = run("doctor", home=None, env={"ASSESS_HOME": str(Path("home").absolute()), name: value})

    check(result, codes=(1, 2))
    assert name in result.output or value.rpartition("//")[2] in result.output, result.output


@pytest.mark.parametrize(("name", "value"), EACH, ids=as_text)
@pytest.mark.parametrize("command", ACCEPTED)
def test_an_invalid_setting_gives_a_message_if_a_command_uses_it(
    run: Assess, settings: Settings, command: str, name: str, value: str
) -> None:
    result = run(*command.split(), home=None, env={"ASSESS_HOME": str(settings.home), name: value})

    if value in ACCEPTED[command].get(name, ()):
        assert (result.exit_code, "assess: " in result.stderr) == (0, False), result.stderr
    else:
        check(result, codes=(1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("name", "value"),
    [("ASSESS_LOG", "/proc/nolog"), ("ASSESS_LOG", "/dev/null/log"), ("ASSESS_HOME", "/proc/h"),
     ("ASSESS_GRACE", "soon"), ("ASSESS_MEMORY", "lots")],
)  # fmt: skip
def test_up_starts_nothing_with_an_invalid_setting(run: Assess, name: str, value: str) -> None:
    check(run("up", home=None, env={"ASSESS_HOME": str(Path("home").absolute()), name: value}), codes=(2,))


def test_a_deleted_current_folder_gives_a_message(run: Assess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        check(run("slices", home=None), codes=(1,))
    finally:
        os.chdir(tmp_path)
