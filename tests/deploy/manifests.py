"""Checks of the compose file and the manifests against the existing settings, commands and versions."""

import io
import re
import runpy
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final
from unittest import mock
from xml.etree import ElementTree

from ruamel.yaml import YAML

from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.adapters.kafka.url import KafkaUrl
from assess_core.settings import Settings

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
OURS: Final = "assessment-lakehouse"
POSTGRES: Final = "17.6"
"""The same version in both deployments. `tests/assets/test_postgres.py` runs Dagster on PostgreSQL 16."""


def documents(path: Path) -> list[Any]:
    """The documents of a YAML file with resolved anchors and merges."""
    return [document for document in YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")) if document]


def variables(example: Path) -> dict[str, str]:
    """The variables of an example of an environment file."""
    lines = example.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def check_settings(env: Mapping[str, str]) -> None:
    """Check that every `ASSESS_` variable is a setting with a valid value."""
    settings = Settings.from_env(env, "/home")
    assert {name for name in env if name.startswith("ASSESS_")} <= set(settings.env())
    parse_cassandra_url(settings.hot_store)
    KafkaUrl.parse(settings.log)
    assert settings.lake.startswith("s3://")
    assert settings.exhausts.startswith("s3://")


def check_command(command: Sequence[str]) -> None:
    """Check that a command exists with its options and subcommands."""
    words = [word for word in command if not word.startswith("-")]
    start = 3 if command[:2] == ["python", "-m"] else 1
    path: list[str] = []
    known = _help(command, start, ())
    for word in command[start:]:
        if not re.search(r"COMMAND\]? \[ARGS\]", known):
            break
        path.append(word)
        known = _help(command, start, tuple(path))
    assert known, f"{' '.join(words)}: no such command"
    for option in command[start:]:
        assert not option.startswith("--") or re.search(rf"{option}\b", known), f"{option} is not an option of {words}"


def _help(command: Sequence[str], start: int, path: tuple[str, ...]) -> str:
    return _printed(command[start - 1], (*path, "--help"))


@cache
def _printed(program: str, arguments: tuple[str, ...]) -> str:
    """What a program of this environment prints, run in this process; empty if it refuses the arguments."""
    printed = io.StringIO()
    with mock.patch.object(sys, "argv", [program, *arguments]), redirect_stdout(printed):
        try:
            _start(program)
        except SystemExit as end:
            return "" if end.code else printed.getvalue()
    return printed.getvalue()


def _start(program: str) -> None:
    for script in entry_points(group="console_scripts", name=program):
        script.load()()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # another test can have imported the module
        runpy.run_module(program, run_name="__main__")


def check_image(image: str) -> None:
    """Check that an image is ours or a known server's, with the version of this project or of the tested server."""
    name, _, tag = image.rpartition(":")
    versions = {OURS: _project_version(), "cassandra": _pom("cassandra"), "apache/kafka": _pom("kafka")}
    versions |= {"chrislusf/seaweedfs": _constant("packages.py", "SEAWEEDFS"), "postgres": POSTGRES}
    assert name in versions, f"{image} is not an image that we use"
    assert tag == versions[name], f"{image} is not version {versions[name]}"


def values_of(key: str, tree: Any) -> Iterator[Any]:
    """The values of a key anywhere in a document."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from values_of(key, value)
    elif isinstance(tree, list):
        for value in tree:
            yield from values_of(key, value)


def _project_version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1]


def _pom(name: str) -> str | None:
    return ElementTree.parse(DEPLOY / "local" / "conf" / f"{name}.pom.xml").findtext("{*}version")


def _constant(file: str, name: str) -> str:
    found = re.search(rf'^{name}: Final = "(.+)"$', (DEPLOY / "local" / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    return found[1]


def pins(lock: Path) -> dict[str, str]:
    """The versions in a lock file, by package."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
