"""`assess schema`: the tables of the hot store, shown, made and compared."""

import sqlite3

import pytest
from click.testing import CliRunner

from assess_cli import main
from assess_core.adapters.sqlite.tables import SCHEMA_VERSION
from tests.keyspaces import SHARDS, Keyspace


def schema(monkeypatch: pytest.MonkeyPatch, hot_store: str, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and what was said."""
    monkeypatch.setenv("ASSESS_HOT_STORE", hot_store)
    done = CliRunner().invoke(main, ["schema", *words])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("schema") / "hot.sqlite")


def test_what_is_shown_makes_the_tables_of_a_file(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    code, shown, _ = schema(monkeypatch, f"sqlite:///{file}", "show")

    assert code == 0
    connection = sqlite3.connect(":memory:")
    connection.executescript(shown)
    connection.close()


def test_a_file_gets_its_tables_and_is_compared(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    url = f"sqlite:///{file}"

    assert schema(monkeypatch, url, "apply", "--shards", "3") == (
        0,
        "",
        f"{file}: schema version {SCHEMA_VERSION}, 3 shards\n",
    )
    assert schema(monkeypatch, url, "check")[0] == 0
    code, said, _ = schema(monkeypatch, f"{url}?shards=4", "check")
    assert code == 4
    assert "was made with number of shards 3, not 4" in said
    assert schema(monkeypatch, url, "apply", "--replication", "3")[0] == 2


def test_a_keyspace_is_compared(monkeypatch: pytest.MonkeyPatch, keyspace: Keyspace) -> None:
    assert schema(monkeypatch, keyspace.url, "check")[0] == 0
    code, _, said = schema(monkeypatch, keyspace.url, "apply")
    assert (code, f"{SHARDS} shards" in said) == (0, True)

    code, said, advice = schema(monkeypatch, f"{keyspace.url}_that_is_not_there", "check")

    assert (code, said) == (4, f"there is no keyspace {keyspace.name}_that_is_not_there\n")
    assert "assess schema apply" in advice
