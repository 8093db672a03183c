"""The contract of a source of names: files, tables in Cassandra and PostgreSQL, and a search service."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_cli.together import HOST
from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.names import TABLE
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.adapters.files.names import COLUMNS
from assess_core.adapters.postgres.names import TABLE as TABLE_IN_POSTGRES
from assess_core.domain.names import WITHOUT_NAMES, Named, NameKind
from assess_core.errors import BadNames
from assess_core.ports.findings import Level
from assess_core.ports.names import Names
from assess_core.settings import Settings
from assess_core.wiring.names import open_names
from tests.adapters.test_cassandra_facts import keyspace_with
from tests.name_search import Row, searching
from tests.postgres import Postgres

pytestmark = pytest.mark.xdist_group("names")  # one worker starts PostgreSQL, once

HOSTILE: Final = ("a,b\n'\"", "é😀 ", "=1+1", "$x %s {y}", "b" * 1024)
ROWS: Final[list[Row]] = [
    ("course", "do_1", "Mathematics, class 5", ""),
    ("batch", "0130", "March", ""),
    ("assessment", "do_2", '=Fractions\n"2"', ""),
    ("batch", "do_1", "Not the course", ""),
    ("learner", "u1", "ஆஷா K", "School 12"),
    ("learner", "u2", "", "School 13"),
    ("learner", "u3", "", ""),
    *(("learner", id_, f"Name {number}", "") for number, id_ in enumerate(HOSTILE)),
]


def opened(where: str) -> Names:
    names = open_names(Settings.from_env({"ASSESS_NAMES": where}))
    assert names is not None
    return names


def write_names(path: Path, rows: Sequence[Row]) -> Path:
    """A file of names in the format of its ending."""
    lines = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    elif path.suffix == ".json":
        path.write_text(json.dumps(lines), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(lines, pa.schema([(name, pa.string()) for name in COLUMNS])), path)
    return path


Make = Callable[[Sequence[Row]], Names]
FILES: Final = ("csv", "json", "jsonl", "parquet")


@pytest.fixture(scope="module")
def names_keyspace(cassandra_url: str) -> Iterator[str]:
    with keyspace_with(cassandra_url, TABLE) as url:
        yield url


@pytest.fixture(scope="module")
def names_database(postgres_server: Postgres) -> str:
    at = postgres_server
    url = f"postgresql://{at.user}:{at.password}@{HOST}:{at.port}/{at.database}"
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(TABLE_IN_POSTGRES)
    return url


def write_rows(url: str, rows: Sequence[Row]) -> None:
    """Replace the rows of the table in PostgreSQL."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE names")
        values = [[value or None if number > 1 else value for number, value in enumerate(row)] for row in rows]
        cursor.executemany("INSERT INTO names VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", values)


@pytest.fixture(params=[*FILES, "cassandra", "postgres", "search"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Creates a source with some rows."""
    with ExitStack() as stack:

        def source(rows: Sequence[Row]) -> Names:
            if request.param in FILES:
                return opened(str(write_names(tmp_path / f"names.{request.param}", rows)))
            if request.param == "search":
                return opened(stack.enter_context(searching(rows)).url)
            if request.param == "postgres":
                url = request.getfixturevalue("names_database")
                write_rows(url, rows)
                return opened(url)
            url = request.getfixturevalue("names_keyspace")
            place = parse_cassandra_url(url)
            session = Connection(place).session
            session.execute(f"TRUNCATE {place.keyspace}.names")
            for row in rows:
                values = [value or None if number > 1 else value for number, value in enumerate(row)]
                session.execute(
                    f"INSERT INTO {place.keyspace}.names ({', '.join(COLUMNS)}) VALUES (%s, %s, %s, %s)", values
                )
            return opened(url)

        yield source


def test_names_are_found_by_kind_and_exact_id(make: Make) -> None:
    names = make(ROWS).open()

    assert names.look_up(NameKind.COURSE, ["do_1", "0130", "DO_1", "", "do_1 "]) == {
        "do_1": Named("Mathematics, class 5")
    }
    assert names.look_up(NameKind.ASSESSMENT, ["do_0", "do_2"]) == {"do_2": Named('=Fractions\n"2"')}
    assert names.look_up(NameKind.BATCH, ["0130", "0131", "do_1"]) == {
        "0130": Named("March"),
        "do_1": Named("Not the course"),
    }
    assert names.look_up(NameKind.LEARNER, ["u1", "u2", "u3", "u4"]) == {
        "u1": Named("ஆஷா K", "School 12"),
        "u2": Named("", "School 13"),
    }
    assert names.look_up(NameKind.LEARNER, []) == {}


def test_ids_can_have_any_characters(make: Make) -> None:
    found = make(ROWS).open().look_up(NameKind.LEARNER, HOSTILE)
    assert found == {id_: Named(f"Name {number}") for number, id_ in enumerate(HOSTILE)}


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_a_byte_order_mark_of_windows_is_no_part_of_a_file(tmp_path: Path, ending: str) -> None:
    path = write_names(tmp_path / f"names.{ending}", [("batch", "b1", "Batch 1", "")])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert opened(str(path)).open().look_up(NameKind.BATCH, ["b1"]) == {"b1": Named("Batch 1")}


def test_many_ids_are_looked_up_together(make: Make) -> None:
    names = make([("learner", f"u{number}", f"Name {number}", "") for number in range(250)])
    found = names.open().look_up(NameKind.LEARNER, [f"u{number}" for number in range(600)])
    assert found == {f"u{number}": Named(f"Name {number}") for number in range(250)}


def test_an_entry_that_is_repeated_counts_once(make: Make) -> None:
    found = make([*ROWS, *ROWS]).open().look_up(NameKind.COURSE, ["do_1"])
    assert found == {"do_1": Named("Mathematics, class 5")}


def test_a_text_with_more_than_2000_characters_is_no_name(make: Make) -> None:
    rows = [
        ("course", "do_1", "ஆ" * 2000, ""),
        ("course", "do_2", "a" * 2001, ""),
        ("learner", "u1", "Asha", "x" * 2001),
        ("learner", "u2", f"{'b' * 1500} {'c' * 1500}", "School"),
    ]
    names = make(rows).open()
    assert names.look_up(NameKind.COURSE, ["do_1", "do_2"]) == {"do_1": Named("ஆ" * 2000)}
    assert names.look_up(NameKind.LEARNER, ["u1", "u2"]) == {"u1": Named("Asha"), "u2": Named("", "School")}


def test_a_source_is_examined_without_knowing_an_id(make: Make) -> None:
    names = make(ROWS)
    [finding] = names.examine()
    assert (finding.level, finding.what) == (Level.OK, "names")
    assert names.source.split("?")[0]


@pytest.mark.parametrize("source", [*FILES, "search"])
def test_two_different_names_of_an_id_are_refused(source: str, tmp_path: Path) -> None:
    rows: list[Row] = [*ROWS, ("course", "do_1", "Another title", "")]
    with searching(rows) as searches:
        where = searches.url if source == "search" else str(write_names(tmp_path / f"names.{source}", rows))
        with pytest.raises(BadNames, match=r"has two different names for course 'do_1'") as error:
            opened(where).open().look_up(NameKind.COURSE, ["do_1"])
    if source != "search":
        assert f"rows 1 and {len(rows)}" in str(error.value)
        assert WITHOUT_NAMES in str(error.value)
