"""A live table of Sunbird on a real Cassandra is imported like its archive files."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from assess_cli import main
from assess_core.adapters.cassandra import archives as cassandra_archives
from assess_core.adapters.cassandra.archives import SunbirdTable
from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.adapters.files.archive_paths import ArchivePaths
from assess_core.adapters.memory import MemoryHot
from assess_core.errors import BadArchives, BadSettings
from tests.archives import ANSWER, bring
from tests.factories import ATTEMPTED, RECEIVED, WEEK, version
from tests.lakes import copies_of, held, stores_over

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
            "updated_on": RECEIVED + number % 2 * WEEK,
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


@pytest.fixture(autouse=True)
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cassandra_archives, "BLOCKS", 4)
    monkeypatch.setattr(cassandra_archives, "_RANGES", 2)
    monkeypatch.setattr(cassandra_archives, "_PAGE_ROWS", 3)


class Killed(Exception):
    """Simulates a killed process."""


def copy(url: str, folder: Path, blocks: int | None = None) -> None:
    """Copy the table, or only some blocks of it."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done == blocks:
            raise Killed

    SunbirdTable(url, "assessment_aggregator", 1_000_000).copy_to(folder, advance)


ALL = [version(user_id=f"u{number}", received=RECEIVED + number % 2 * WEEK) for number in range(40)]


def test_every_row_of_the_table_becomes_the_version_of_the_stream(url: str, tmp_path: Path) -> None:
    stores = stores_over(MemoryHot(), tmp_path)
    copy(url, tmp_path / "table")

    done = bring(stores, tmp_path / "table")

    assert done.refusals == []
    assert (done.counts.read, done.counts.imported) == (40, 40)
    assert held(stores.lake) == copies_of(ALL)


def test_the_rows_of_a_week_are_in_files_that_are_imported_together(url: str, tmp_path: Path) -> None:
    copy(url, tmp_path)

    weeks = [str(file.week) for file in ArchivePaths([str(tmp_path)]).files]

    assert weeks == sorted(weeks)
    assert set(weeks) == {"2024-W05", "2024-W06"}


def test_a_copy_that_is_killed_continues_after_its_last_block(url: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        copy(url, tmp_path, blocks=2)
    (tmp_path / ".block-3-of-4").mkdir()
    (tmp_path / ".block-3-of-4" / "assessment_aggregator-2024-5-0.csv").write_bytes(b"course_id,ba")
    first = {path: path.stat().st_ino for path in tmp_path.glob("block-*")}

    copy(url, tmp_path)

    assert len(first) == 2
    assert all(path.stat().st_ino == inode for path, inode in first.items())
    assert bring(stores_over(MemoryHot(), tmp_path / "stores"), tmp_path).counts[1:5] == (40, 40, 0, 0)


def test_a_folder_of_another_table_is_refused(url: str, tmp_path: Path) -> None:
    copy(url, tmp_path)
    (tmp_path / "source.txt").write_text("cassandra://other/ks/t\n")

    with pytest.raises(BadArchives, match="has rows of cassandra://other/ks/t"):
        copy(url, tmp_path)


def test_a_folder_with_other_files_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    with pytest.raises(BadArchives, match="has other files"):
        copy(url, tmp_path)


def test_the_password_is_not_in_the_name(url: str) -> None:
    table = SunbirdTable(url.replace("://", "://user:secret@"), "assessment_aggregator", 1000)

    assert "secret" not in table.name
    assert table.name.endswith("/assessment_aggregator")


@pytest.mark.parametrize("table", ["nothing", "a b", '"', "x" * 49])
def test_another_table_is_refused(table: str, url: str) -> None:
    with pytest.raises(BadArchives, match=r"--table|--cassandra"):
        SunbirdTable(url, table, 1000)


def test_a_wrong_address_names_the_option(url: str) -> None:
    with pytest.raises(BadSettings, match="--cassandra: protocol=3 is neither 5 nor"):
        SunbirdTable(url.replace("protocol=4", "protocol=3"), "assessment_aggregator", 1000)


def test_the_command_copies_and_imports_the_table(url: str, tmp_path: Path) -> None:
    (tmp_path / "address").write_text(f"{url}\n")
    words = ["--home", str(tmp_path / "home"), "import", "--cassandra", f"@{tmp_path / 'address'}"]

    done = CliRunner().invoke(main, [*words, "--copy-to", str(tmp_path / "table"), "--json"], catch_exceptions=False)

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["imported"] == 40
