"""Names in PostgreSQL that are wrong, or a server that is away. The contract is in `test_names`."""

import socket
from contextlib import closing

import psycopg2
import pytest

from assess_cli.together import HOST
from assess_core.adapters.postgres import names
from assess_core.domain.names import WITHOUT_NAMES, Named, NameKind
from assess_core.errors import BadNames, BadSettings, StoreUnavailable
from tests.adapters.test_names import opened
from tests.postgres import Postgres

pytestmark = pytest.mark.xdist_group("names")  # one worker starts PostgreSQL, once


@pytest.fixture
def database(postgres_server: Postgres) -> str:
    """A database without tables."""
    return create(postgres_server, "names")


def url_of(server: Postgres, database: str) -> str:
    return f"postgresql://{server.user}:{server.password}@{HOST}:{server.port}/{database}"


def create(server: Postgres, database: str, options: str = "") -> str:
    """A new database in place of the old one."""
    with closing(psycopg2.connect(url_of(server, "postgres"))) as connection:
        connection.autocommit = True  # as PostgreSQL asks for these statements
        connection.cursor().execute(f"DROP DATABASE IF EXISTS {database}")
        connection.cursor().execute(f"CREATE DATABASE {database} {options}")
    return url_of(server, database)


def execute(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (None, 'relation "names" does not exist'),
        ("TABLE names (kind text, id text)", 'column "name" does not exist'),
        ("TABLE names (kind text, id int, name text, organisation text)", "operator does not exist"),
        ("VIEW names AS SELECT 'course' kind, 'do_1' id, 7 \"name\", NULL organisation", "integer"),
    ],
)
def test_a_database_without_such_a_table_says_how_to_create_it(database: str, table: str | None, why: str) -> None:
    if table is not None:
        execute(database, f"CREATE {table}")
    with pytest.raises(BadNames) as error:
        opened(database).open().look_up(NameKind.COURSE, ["do_1"])
    message = str(error.value)
    assert why in message
    assert "CREATE TABLE names (kind text" in message
    assert message.endswith(WITHOUT_NAMES)


def test_a_view_with_two_names_of_an_id_is_refused_however_many_rows_it_has(database: str) -> None:
    execute(
        database,
        "CREATE VIEW names AS SELECT 'course' kind, 'do_1' id, 'Title ' || number \"name\", NULL organisation "
        "FROM generate_series(1, 1000000) number",
    )
    with pytest.raises(BadNames, match=r"has two different names for course 'do_1'"):
        opened(database).open().look_up(NameKind.COURSE, ["do_1", "do_2"])


def test_an_empty_row_beside_a_name_does_not_matter(database: str) -> None:
    execute(
        database,
        "CREATE VIEW names AS SELECT 'course' kind, id, \"name\", NULL organisation FROM (VALUES ('do_1', ''), "
        "('do_1', 'Maths'), ('do_1', NULL), ('do_1', 'Maths'), ('do_2', NULL)) row (id, \"name\")",
    )
    found = opened(database).open().look_up(NameKind.COURSE, ["do_1", "do_2", "\0"])
    assert found == {"do_1": Named("Maths")}


def test_text_that_is_not_unicode_is_refused_and_not_guessed(postgres_server: Postgres) -> None:
    url = create(postgres_server, "bytes", "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    execute(url, "CREATE VIEW names AS SELECT 'course' kind, 'c1' id, E'\\xff' \"name\", NULL organisation")
    with pytest.raises(BadNames, match="no table names that can be read"):
        opened(url).open().look_up(NameKind.COURSE, ["c1"])


def test_a_wrong_password_is_not_shown(postgres_server: Postgres) -> None:
    source = opened(f"postgresql://{postgres_server.user}:not-this@{HOST}:{postgres_server.port}/postgres")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as error:
        source.open().look_up(NameKind.COURSE, ["do_1"])
    assert "not-this" not in str(error.value)
    assert source.source == f"postgresql://{postgres_server.user}:***@{HOST}:{postgres_server.port}/postgres"


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match=r"does not answer .*Connection refused"):
        opened(f"postgresql://names:secret@{HOST}:1/postgres").open().look_up(NameKind.COURSE, ["do_1"])


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_SECONDS", 0.2)
    with socket.create_server((HOST, 0)) as silent:
        url = f"postgresql://names@{HOST}:{silent.getsockname()[1]}/names"
        with pytest.raises(StoreUnavailable, match=r"no answer within 0.2 seconds"):
            opened(url).open().look_up(NameKind.COURSE, ["do_1"])


def test_a_query_that_takes_too_long_is_given_up(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_SECONDS", 1.0)
    execute(database, "CREATE VIEW names AS SELECT pg_sleep(60)::text kind, 'do_1' id, '' \"name\", '' organisation")
    with pytest.raises(StoreUnavailable, match="no answer within 1 seconds"):
        opened(database).open().look_up(NameKind.COURSE, ["do_1"])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://host",
        "postgres:///names",
        "postgresql://user:secret@host:port/names?x",
        "postgresql://user:secret@host/names?colour=blue",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_once_without_its_password(url: str) -> None:
    with pytest.raises(BadSettings, match=r"\AASSESS_NAMES: ") as error:
        opened(url)
    assert "secret" not in str(error.value)
