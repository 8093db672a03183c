"""`assess schema` shows, creates and compares the tables of the hot store."""

import sqlite3

import pytest
from click.testing import CliRunner

from assess_cli import main
from assess_core.adapters.sqlite.tables import SCHEMA_VERSION
from tests.keyspaces import SHARDS, Keyspace


def schema(monkeypatch: pytest.MonkeyPatch, hot_store: str, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    monkeypatch.setenv("ASSESS_HOT_STORE", hot_store)
    done = CliRunner().invoke(main, ["schema", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("schema") / "hot.sqlite")


def test_the_shown_statements_create_the_tables_of_a_file(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    code, shown, _ = schema(monkeypatch, f"sqlite:///{file}", "show")

    assert code == 0
    connection = sqlite3.connect(":memory:")
    connection.executescript(shown)
    connection.close()


def test_the_tables_of_a_file_are_created_and_compared(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    url = f"sqlite:///{file}"

    assert schema(monkeypatch, url, "apply", "--shards", "3") == (
        0,
        "",
        f"{file}: schema version {SCHEMA_VERSION}, 3 shards\n",
    )
    assert schema(monkeypatch, url, "check")[0] == 0
    assert schema(monkeypatch, f"{url}.other", "apply")[2].endswith("1 shard\n")
    code, problems, _ = schema(monkeypatch, f"{url}?shards=4", "check")
    assert code == 4
    assert "was made with number of shards 3, not 4" in problems
    assert schema(monkeypatch, url, "apply", "--replication", "3")[0] == 2


def test_the_tables_of_a_keyspace_are_created_and_compared(monkeypatch: pytest.MonkeyPatch, keyspace: Keyspace) -> None:
    assert schema(monkeypatch, keyspace.url, "check")[0] == 0
    code, _, message = schema(monkeypatch, keyspace.url, "apply")
    assert (code, f"{SHARDS} shards" in message) == (0, True)

    code, problems, advice = schema(monkeypatch, f"{keyspace.url}_that_is_not_there", "check")

    assert (code, problems) == (4, f"there is no keyspace {keyspace.name}_that_is_not_there\n")
    assert "assess schema apply" in advice
