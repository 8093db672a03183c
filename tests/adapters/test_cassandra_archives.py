"""A live table of Sunbird on a real Cassandra is imported like its archive files."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from assess_core.adapters.arrow.rows import to_batch
from assess_core.adapters.cassandra import archives as cassandra_archives
from assess_core.adapters.cassandra.archives import TableArchives
from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.archive_rows import Refusal
from assess_core.domain.moments import DAY
from assess_core.errors import BadArchives, BadSettings
from assess_core.usecases.importing import Counts, Import
from tests.archives import ANSWER
from tests.factories import ATTEMPTED, RECEIVED, version
from tests.lakes import copies_of, held, stores_over
from tests.loop import NOW

TYPE = """CREATE TYPE {ks}.question (id text, assess_ts timestamp, max_score double, score double, type text,
    title text, resvalues list<frozen<map<text,text>>>, params list<frozen<map<text,text>>>, description text,
    duration decimal)"""
TABLE = """CREATE TABLE {ks}.assessment_aggregator (user_id text, course_id text, batch_id text, content_id text,
    attempt_id text, created_on timestamp, last_attempted_on timestamp, total_max_score double, grand_total text,
    question list<frozen<question>>, total_score double, updated_on timestamp,
    PRIMARY KEY ((user_id, course_id), batch_id, content_id, attempt_id))"""


@pytest.fixture(scope="module")
def url(cassandra_url: str) -> Iterator[str]:
    """A keyspace with Sunbird's table of 40 attempts. Cassandra 3.11 needs protocol 4, which newer ones know too."""
    keyspace = f"sunbird_{uuid4().hex[:8]}"
    found = f"{cassandra_url}/{keyspace}"
    session = Connection(parse_cassandra_url(found)).session
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    for statement in (TYPE, TABLE):
        session.execute(statement.replace("{ks}", keyspace))
    for number in range(40):
        row = {
            **version(user_id=f"u{number}").key._asdict(),
            "last_attempted_on": ATTEMPTED,
            "updated_on": RECEIVED,
            "total_score": 1.0,
            "total_max_score": 2.0,
            "grand_total": "1.0/2.0",
            "question": [ANSWER],
        }
        session.execute(f"INSERT INTO {keyspace}.assessment_aggregator JSON %s", (json.dumps(row),))
    try:
        yield f"{found}?protocol=4"
    finally:
        session.execute(f"DROP KEYSPACE {keyspace}")


def bring(url: str, folder: Path, first: int = 0) -> tuple[Counts, list[Refusal]]:
    table = TableArchives(url, "assessment_aggregator", 1_000_000)
    refusals: list[Refusal] = []
    run = Import(stores_over(MemoryHot(), folder), to_batch, NOW, DAY, refused=refusals.append)
    return run.run(table, table.files[first:]), refusals


@pytest.fixture(autouse=True)
def few_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_archives, "RANGES", 8)
    monkeypatch.setattr(cassandra_archives, "_WIDTH", (1 << 64) // 8)
    monkeypatch.setattr(cassandra_archives, "_PAGE_ROWS", 3)


def test_every_row_of_the_table_becomes_the_version_of_the_stream(url: str, tmp_path: Path) -> None:
    counts, refusals = bring(url, tmp_path)

    assert refusals == []
    assert (counts.files, counts.read, counts.imported) == (8, 40, 40)
    lake = stores_over(MemoryHot(), tmp_path).lake
    assert held(lake) == copies_of(version(user_id=f"u{number}") for number in range(40))


def test_the_ranges_are_disjoint_and_can_be_read_one_by_one(url: str, tmp_path: Path) -> None:
    later, _ = bring(url, tmp_path, first=3)

    assert 0 < later.read < 40
    again, _ = bring(url, tmp_path)
    assert again.read == 40


def test_the_password_is_not_in_the_names(url: str) -> None:
    files = TableArchives(url.replace("://", "://user:secret@"), "assessment_aggregator", 1000).files

    assert not any("secret" in file.url for file in files)
    assert files[0].url.endswith("/assessment_aggregator range 1 of 8")


@pytest.mark.parametrize("table", ["nothing", "a b", '"', "x" * 49])
def test_another_table_is_refused(table: str, url: str) -> None:
    with pytest.raises(BadArchives, match=r"--table|--cassandra"):
        TableArchives(url, table, 1000)


def test_a_wrong_address_names_the_option(url: str) -> None:
    with pytest.raises(BadSettings, match="--cassandra: protocol=3 is neither 5 nor"):
        TableArchives(url.replace("protocol=4", "protocol=3"), "assessment_aggregator", 1000)
