"""DuckDB databases that are used again: what one use leaves behind must not reach the next one."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from duckdb.sqltypes import VARCHAR

from assess_core.adapters.duckdb.connection import connect, cursor
from assess_core.adapters.duckdb.databases import Databases

_MEMORY = 100_000_000


def _names(databases: Databases) -> list[str]:
    sql = "SELECT table_name FROM duckdb_tables() UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal"
    with databases.lend(_MEMORY) as duck:
        return [name for (name,) in duck.execute(sql).fetchall()]


def _setting(duck: duckdb.DuckDBPyConnection, name: str) -> str:
    [(value,)] = duck.execute(f"SELECT current_setting('{name}')").fetchall()
    return str(value)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE placed AS SELECT 1 AS answer",
        "CREATE TEMP TABLE placed AS SELECT 1 AS answer",
        "CREATE VIEW placed AS SELECT 1 AS answer",
        "CREATE TEMP VIEW placed AS SELECT 1 AS answer",
        "CREATE TABLE placed AS SELECT 1 AS answer; CREATE VIEW copies AS FROM placed",
        "CREATE VIEW placed AS SELECT 1 AS answer; CREATE VIEW copies AS FROM placed",
    ],
)
def test_the_next_use_sees_no_table_and_no_view(statement: str) -> None:
    databases = Databases()
    with databases.lend(_MEMORY) as duck:
        duck.execute(statement)
        duck.register("hot", duck.execute("SELECT 1 AS answer").to_arrow_table())
    assert _names(databases) == []
    with databases.lend(_MEMORY) as duck:
        duck.execute("CREATE TABLE placed AS SELECT 2 AS answer")
        duck.execute("CREATE VIEW hot AS FROM placed")
        assert duck.execute("FROM hot").fetchall() == [(2,)]


def test_the_next_use_has_the_settings_of_a_new_database(tmp_path: Path) -> None:
    databases = Databases()
    changed = ("threads", "disabled_optimizers", "temp_directory", "TimeZone")
    with databases.lend(_MEMORY) as duck:
        new = [_setting(duck, name) for name in changed]
        duck.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        duck.execute(f"SET GLOBAL temp_directory = '{tmp_path}'")
        duck.execute("SET threads = 1")
    with databases.lend(2 * _MEMORY) as duck:
        assert [_setting(duck, name) for name in changed] == new
        assert _setting(duck, "memory_limit") == "190.7 MiB"


def _greeting(number: int) -> Callable[[str], str]:
    return lambda name: f"{name} {number}"


def test_a_function_can_be_created_in_each_use() -> None:
    databases = Databases()
    for number in range(3):
        with databases.lend(_MEMORY) as duck:
            duck.create_function("greeting", _greeting(number), [VARCHAR], VARCHAR)
            with cursor(duck) as another:
                assert another.execute("SELECT greeting('hello')").fetchall() == [(f"hello {number}",)]
            duck.remove_function("greeting")


def _identity(databases: Databases) -> str:
    """A value that stays with a database. DuckDB has no name for it, so a macro is left behind."""
    with databases.lend(_MEMORY) as duck:
        found = duck.execute("SELECT function_name FROM duckdb_functions() WHERE function_name LIKE 'mark%'").fetchall()
        if not found:
            duck.execute(f"CREATE MACRO mark{os.urandom(4).hex()}() AS 1")
            return _identity_again(duck)
        return str(found[0][0])


def _identity_again(duck: duckdb.DuckDBPyConnection) -> str:
    [(name,)] = duck.execute("SELECT function_name FROM duckdb_functions() WHERE function_name LIKE 'mark%'").fetchall()
    return str(name)


def test_a_database_is_used_again() -> None:
    databases = Databases()
    assert _identity(databases) == _identity(databases)


def test_a_database_whose_use_failed_is_not_used_again() -> None:
    databases = Databases()
    first = _identity(databases)
    with suppress(ZeroDivisionError), databases.lend(_MEMORY) as duck:
        assert _identity_again(duck) == first
        raise ZeroDivisionError
    assert _identity(databases) != first


def test_a_database_that_has_spilled_is_not_used_again(tmp_path: Path) -> None:
    databases = Databases()
    first = _identity(databases)
    with databases.lend(20_000_000) as duck:
        duck.execute(f"SET GLOBAL temp_directory = '{tmp_path}'")
        duck.execute("SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY hash(range)) FROM range(1_000_000))")
    assert _identity(databases) != first


def test_two_users_never_have_the_same_database_at_the_same_time() -> None:
    databases = Databases()

    def use(_: int) -> None:
        with databases.lend(_MEMORY) as duck:
            duck.execute("CREATE TABLE mine AS SELECT 1")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(40)))  # raises the error of a use


def test_a_child_process_does_not_use_the_databases_of_its_parent() -> None:
    databases = Databases()
    first = _identity(databases)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, _identity(databases).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read() not in {"", first}
    os.waitpid(child, 0)
    assert _identity(databases) == first


def test_a_read_of_few_bytes_can_spill_to_its_own_folder() -> None:
    with connect(size=10) as duck:
        folder = Path(_setting(duck, "temp_directory"))
        assert folder.is_dir()
    assert not folder.exists()
