"""A connection of DuckDB finds nothing of an earlier one, although both can have the same instance."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from duckdb.sqltypes import VARCHAR

from assess_core.adapters.duckdb.connection import cursor, open_connection
from assess_core.adapters.duckdb.instances import Instances


class Opened:
    """Opens instances, and knows how many."""

    def __init__(self) -> None:
        self.instances: list[duckdb.DuckDBPyConnection] = []

    def __call__(self, config: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
        self.instances.append(open_connection(config))
        return self.instances[-1]


@pytest.fixture
def opened() -> Iterator[Opened]:
    opened = Opened()
    yield opened
    for instance in opened.instances:
        instance.close()


@pytest.fixture
def instances(opened: Opened) -> Instances:
    return Instances(opened)


def test_connections_one_after_the_other_have_one_instance(instances: Instances, opened: Opened) -> None:
    for _ in range(3):
        with instances.lend({}):
            pass

    assert len(opened.instances) == 1


def test_two_connections_at_the_same_time_have_different_tables(instances: Instances) -> None:
    with instances.lend({}) as first, instances.lend({}) as second:
        first.execute("CREATE TABLE copies AS SELECT 1 AS x")
        second.execute("CREATE TABLE copies AS SELECT 2 AS x")

        assert first.execute("FROM copies").fetchall() == [(1,)]


def test_a_connection_finds_no_table_view_function_or_setting_of_an_earlier_one(
    instances: Instances, tmp_path: Path
) -> None:
    config = {"threads": "1", "memory_limit": "100000000B", "temp_directory": str(tmp_path)}
    settings = "SELECT name, value FROM duckdb_settings() WHERE name <> 'duckdb_api' ORDER BY name"
    with instances.lend(config) as duck:
        before = duck.execute(settings).fetchall()
    with instances.lend({"threads": "2", "memory_limit": "90000000B", "temp_directory": str(tmp_path / "a'b")}) as duck:
        duck.execute("SET disabled_optimizers = 'join_order'")
        duck.execute("CREATE TABLE copies AS SELECT 1 AS x")
        duck.execute("CREATE VIEW newest AS FROM copies")
        duck.execute("CREATE TEMP TABLE picked AS SELECT 1 AS x")
        duck.register("hot", pa.table({"x": [1]}))
        duck.create_function("as_it_is", lambda text: text, [VARCHAR], VARCHAR)
        with cursor(duck) as another:
            another.execute("CREATE VIEW versions AS FROM copies")
        duck.remove_function("as_it_is")

    with instances.lend(config) as duck:
        for name in ("copies", "newest", "picked", "hot", "versions", "as_it_is('x')"):
            with pytest.raises(duckdb.CatalogException):
                duck.execute(f"FROM {name}")
        assert duck.execute(settings).fetchall() == before


def test_an_instance_that_has_spilled_has_no_other_user_and_the_next_connection_can_spill(
    instances: Instances, opened: Opened, tmp_path: Path
) -> None:
    for number, name in enumerate(("first", "second"), start=1):
        folder = tmp_path / name
        folder.mkdir()
        with instances.lend({"temp_directory": str(folder), "memory_limit": "40MB", "threads": "1"}) as duck:
            duck.execute("CREATE TABLE large AS SELECT range, md5(range::VARCHAR) FROM range(1000000)")
            assert list(folder.iterdir())

        assert list(folder.iterdir()) == []
        assert len(opened.instances) == number


def test_an_instance_whose_user_failed_has_no_other_user(instances: Instances, opened: Opened) -> None:
    with pytest.raises(ZeroDivisionError), instances.lend({}):
        raise ZeroDivisionError
    with instances.lend({}):
        pass

    assert len(opened.instances) == 2


def test_a_child_process_uses_no_instance_of_its_parent(instances: Instances, opened: Opened) -> None:
    with instances.lend({}):
        pass
    child = os.fork()
    if child == 0:
        with instances.lend({}):
            os._exit(len(opened.instances))

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
