"""The contract of a source of grants, for files, a table in SQLite and a table in Cassandra."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from assess_core.adapters.cassandra import grants as cassandra_grants
from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.adapters.files import grants as file_grants
from assess_core.adapters.sqlite import grants as sqlite_grants
from assess_core.domain.access import NOTHING, Granted
from assess_core.errors import BadGrants, StoreUnavailable
from assess_core.ports.findings import Level
from assess_core.ports.grants import Grants
from assess_core.settings import Settings
from assess_core.wiring.grants import open_grants
from tests.adapters.test_cassandra_facts import keyspace_with

Row = tuple[str, str, str]
HOSTILE: Final = ("a,b\n'\"", "é😀 ", "=1+1", "' OR 1=1 --", "m" * 1024)
ROWS: Final[list[Row]] = [
    ("m1", "batch", "b1"),
    ("m1", "batch", "b2"),
    ("m1", "course", "c1"),
    ("m2", "course", "b1"),
    *((id_, "batch", id_) for id_ in HOSTILE),
]


def opened(where: object) -> Grants:
    grants = open_grants(Settings.from_env({"ASSESS_GRANTS": str(where)}))
    assert grants is not None
    return grants


def csv_text(rows: Sequence[Row]) -> str:
    quoted = (",".join(f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row) for row in rows)
    return "\n".join(["mentor,kind,id", *quoted, ""])


def json_text(rows: Sequence[Row]) -> str:
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for mentor, kind, id_ in rows:
        found[mentor].setdefault({"batch": "batches", "course": "courses"}[kind], []).append(id_)
    return json.dumps(found)


Make = Callable[[Sequence[Row]], Grants]


@pytest.fixture(scope="module")
def grants_keyspace(cassandra_url: str) -> Iterator[str]:
    with keyspace_with(cassandra_url, cassandra_grants.TABLE) as url:
        yield url


@pytest.fixture(params=["csv", "json", "sqlite", "cassandra"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Creates a source with some rows."""

    def source(rows: Sequence[Row]) -> Grants:
        file = tmp_path / f"grants.{request.param}"
        if request.param in ("csv", "json"):
            file.write_text((csv_text if request.param == "csv" else json_text)(rows), encoding="utf-8")
            return opened(file)
        if request.param == "sqlite":
            with sqlite3.connect(file) as connection:
                connection.execute(sqlite_grants.TABLE)
                connection.executemany("INSERT INTO grants VALUES (?, ?, ?)", rows)
            connection.close()
            return opened(f"sqlite:///{file}")
        url = request.getfixturevalue("grants_keyspace")
        place = parse_cassandra_url(url)
        session = Connection(place).session
        session.execute(f"TRUNCATE {place.keyspace}.grants")
        insert = session.prepare(f"INSERT INTO {place.keyspace}.grants (mentor, kind, id) VALUES (?, ?, ?)")
        for future in [session.execute_async(insert, row) for row in rows]:
            future.result()
        return opened(url)

    return source


def test_a_mentor_has_its_grants_and_no_others(make: Make) -> None:
    grants = make(ROWS)
    assert grants.of("m1") == Granted(frozenset({"b1", "b2"}), frozenset({"c1"}))
    assert grants.of("m2") == Granted(frozenset(), frozenset({"b1"}))
    assert {grants.of(other) for other in ("m3", "M1", "m1 ", "", "*", "%")} == {NOTHING}


def test_ids_can_have_any_characters(make: Make) -> None:
    grants = make(ROWS)
    assert [grants.of(id_).batches for id_ in HOSTILE] == [{id_} for id_ in HOSTILE]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_byte_order_mark_of_windows_is_no_part_of_a_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"grants.{ending}"
    text = {"csv": csv_text, "json": json_text}[ending]
    file.write_text(text([("m1", "batch", "b1")]), encoding="utf-8-sig")

    assert opened(file).of("m1").batches == {"b1"}


def test_a_source_is_examined_without_knowing_a_mentor(make: Make) -> None:
    [finding] = make(ROWS).examine()
    assert (finding.level, finding.what) == (Level.OK, "grants")


def test_too_many_grants_of_a_mentor_are_refused_and_not_cut(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for adapter in (file_grants, sqlite_grants, cassandra_grants):
        monkeypatch.setattr(adapter, "MOST", 20)
    grants = make([("m1", "batch", f"b{number}") for number in range(21)])
    with pytest.raises(BadGrants, match="one mentor"):
        grants.of("m1")
    assert grants.of("m2") == NOTHING


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_changed_file_is_read_again_and_an_unreadable_one_grants_nothing(tmp_path: Path, ending: str) -> None:
    text = {"csv": csv_text, "json": json_text}[ending]
    file = tmp_path / f"grants.{ending}"
    file.write_text(text(ROWS), encoding="utf-8")
    grants = opened(file)
    assert grants.of("m1").batches == {"b1", "b2"}

    file.write_text(text([("m1", "batch", "b7")]), encoding="utf-8")
    assert grants.of("m1") == Granted(frozenset({"b7"}))

    for broken in (b"mentor,kind", b"{", b"\xff\xfe", b'mentor,kind,id\n"m1'):
        file.write_bytes(broken)
        with pytest.raises(BadGrants, match="ASSESS_GRANTS"):
            grants.of("m1")
    file.unlink()
    with pytest.raises(BadGrants, match="check the path in ASSESS_GRANTS"):
        grants.of("m1")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("grants.csv", "mentor,id\nm,b\n", "has no column kind"),
        ("grants.csv", "mentor,kind,id\nm,batch,b\nm,school,s\n", "has the kind 'school' in row 3"),
        ("grants.csv", "mentor,kind,id\nm,batch\n", "has an empty id in row 2"),
        ("grants.csv", "mentor,kind,id\n,batch,b\n", "has an empty id in row 2"),
        ("grants.json", '{"m": {"batch": ["b"]}}', "is not readable json"),
        ("grants.json", '{"m": {"batches": [""]}}', "has an empty id"),
        ("grants.json", "[" * 100_000, "is not readable json"),
        ("grants.txt", "", "has another ending; use .csv or .json"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_its_mistake(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadGrants, match=message):
        opened(tmp_path / name).of("m")


def test_a_missing_table_and_a_file_that_is_no_database_say_what_to_do(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.sqlite").close()
    (tmp_path / "text.sqlite").write_text("no database " * 100)
    with pytest.raises(BadGrants, match="create it with 'CREATE TABLE grants"):
        opened(f"sqlite:///{tmp_path}/empty.sqlite").of("m1")
    for name in ("text", "missing"):
        with pytest.raises(StoreUnavailable, match="check that it is a SQLite file"):
            opened(f"sqlite:///{tmp_path}/{name}.sqlite").of("m1")
    assert not (tmp_path / "missing.sqlite").exists()
