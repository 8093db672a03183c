"""Scans of the SQLite store: which bytes they read, and what is wrong if those are damaged."""

import sqlite3
from pathlib import Path

import pytest

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.errors import StoreUnavailable
from tests.factories import version

SLICE = version().slice


@pytest.fixture
def damaged(tmp_path: Path) -> SqliteHot:
    """A store with one row whose answers are not UTF-8."""
    hot = SqliteHot(f"sqlite:///{tmp_path}/hot.sqlite")
    hot.add_rows([version()])
    with sqlite3.connect(tmp_path / "hot.sqlite") as connection:
        connection.execute("UPDATE assessment_aggregator SET question = CAST(x'5bff5d' AS TEXT)")
    connection.close()
    return hot


def test_answers_that_are_not_utf_8_are_an_error_that_names_the_file(damaged: SqliteHot) -> None:
    [shard] = damaged.scan(SLICE)

    with pytest.raises(StoreUnavailable, match=r"hot\.sqlite' failed \(answers are not valid UTF-8\): it is damaged;"):
        next(shard)


def test_a_scan_of_keys_reads_no_answers(damaged: SqliteHot) -> None:
    [batch] = damaged.keys(SLICE)

    assert batch["content_hash"].to_pylist() == [version().version.content_hash]
