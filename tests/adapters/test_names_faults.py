"""Sources of names that are missing, wrong or away: a message that names the source and says what to do."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_core.adapters.http import names as search
from assess_core.domain.names import WITHOUT_NAMES, Named, NameKind
from assess_core.errors import AssessError, BadNames, BadSettings, StoreUnavailable
from assess_core.ports.findings import Level
from tests.adapters.test_names import ROWS, opened
from tests.keyspaces import Keyspace
from tests.name_search import searching

FILES = {
    "away.csv": None,
    "empty.csv": b"",
    "text.csv": b"what is this",
    "other.csv": b"kind;id;name\ncourse;c1;Maths\n",
    "no-id.csv": b"kind,name\ncourse,Maths\n",
    "bytes.csv": b"kind,id,name\ncourse,c1,\xff\n",
    "short.csv": b"kind,id,name\ncourse\n",
    "kind.csv": b"kind,id,name\nschool,s1,School\n",
    "blank.csv": b"kind,id,name\ncourse,,Maths\n",
    "object.json": b"{}",
    "deep.json": b"[" * 100_000,
    "number.json": b'[{"kind": "course", "id": 1, "name": "Maths"}]',
    "cut.jsonl": b'{"kind": "course", "id": "c1"',
    "text.parquet": b"PAR1 no",
    "names.xlsx": b"",
}


@pytest.mark.parametrize("name", list(FILES))
def test_a_file_that_cannot_be_used_is_named_with_the_reason(name: str, tmp_path: Path) -> None:
    content, path = FILES[name], tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadNames) as error:
        opened(str(path)).open()
    assert str(error.value).startswith(f"the file of names '{path}' ")
    assert str(error.value).endswith(WITHOUT_NAMES)
    assert len(str(error.value)) < 800


def test_a_parquet_file_without_a_column_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["c1"], "name": ["Maths"]}), tmp_path / "names.parquet")
    with pytest.raises(BadNames, match="has no column kind; write the columns kind,id,name,organisation"):
        opened(str(tmp_path / "names.parquet")).open()


NOT_UTF_8 = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])


@pytest.mark.parametrize("column", ["kind", "id", "name"])
def test_a_parquet_file_with_text_that_is_not_utf_8_is_refused(column: str, tmp_path: Path) -> None:
    table = {"kind": pa.array(["course"]), "id": pa.array(["c1"]), "name": pa.array(["Maths"]), column: NOT_UTF_8}
    pq.write_table(pa.table(table), tmp_path / "names.parquet")
    with pytest.raises(BadNames, match=f"is not readable parquet .*{WITHOUT_NAMES}"):
        opened(str(tmp_path / "names.parquet")).open()


def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["course"]), *[pa.array(["c1"])] * 3], ["kind", "id", "name", "name"])
    pq.write_table(table, tmp_path / "names.parquet")
    with pytest.raises(BadNames, match="has the column name twice"):
        opened(str(tmp_path / "names.parquet")).open()


def test_other_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_bytes("\ufeffname,note,id,kind\nMaths,x,c1,course\n".encode())
    assert opened(str(file)).open().look_up(NameKind.COURSE, ["c1"]) == {"c1": Named("Maths")}


def test_a_file_without_names_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_bytes(b"kind,id,name,organisation\n")
    [finding] = opened(str(file)).examine()
    assert (finding.level, finding.action is not None) == (Level.WARN, True)


def test_a_changed_file_is_read_again_but_not_during_a_report(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("kind,id,name\ncourse,c1,Maths\n")
    names = opened(str(file))
    during_a_report = names.open()
    file.write_text("kind,id,name\ncourse,c1,Physics\n")

    assert during_a_report.look_up(NameKind.COURSE, ["c1"]) == {"c1": Named("Maths")}
    assert names.open().look_up(NameKind.COURSE, ["c1"]) == {"c1": Named("Physics")}
    assert during_a_report.sha256 != names.open().sha256


# --- the search service ---


def test_a_search_sends_its_token_and_asks_for_retired_courses_too() -> None:
    with searching(ROWS) as searches:
        search.SearchNames(f"{searches.url}/", "secret").look_up(NameKind.COURSE, ["do_1"])
    [(path, asked)] = searches.asked
    assert path == "/api/composite/v1/search"
    assert asked["filters"] == {"identifier": ["do_1"], "status": ["Live", "Unlisted", "Retired"]}
    assert searches.tokens == ["Bearer secret"]


def test_a_name_is_asked_for_once_also_if_there_is_none() -> None:
    with searching(ROWS) as searches:
        names = opened(searches.url)
        for _ in range(3):
            assert names.open().look_up(NameKind.COURSE, ["do_1", "do_9"]) == {"do_1": Named("Mathematics, class 5")}
    assert len(searches.asked) == 1


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_MOST_CACHED", 2)
    with searching(ROWS) as searches:
        names = opened(searches.url)
        for id_ in ("do_1", "do_8", "do_9", "do_1"):
            names.open().look_up(NameKind.COURSE, [id_])
    assert len(searches.asked) == 4


def test_the_cache_is_bounded_by_the_length_of_names_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_MOST_CACHED_CHARACTERS", 2500)
    with searching([("course", id_, "x" * 1200, "") for id_ in ("do_1", "do_2", "do_3")]) as searches:
        names = opened(searches.url)
        for id_ in ("do_1", "do_2", "do_1", "do_3", "do_3", "do_1"):
            names.open().look_up(NameKind.COURSE, [id_])
    asked = [each["filters"]["identifier"][0] for _, each in searches.asked]
    assert asked == ["do_1", "do_2", "do_3", "do_1"]


def test_an_answer_in_pages_is_read_to_its_end() -> None:
    with searching([("learner", f"u{number}", f"Name {number}", "") for number in range(100)]) as searches:
        searches.page = 40
        found = opened(searches.url).open().look_up(NameKind.LEARNER, [f"u{number}" for number in range(100)])
    assert len(found) == 100
    assert len(searches.asked) == 3


def test_an_id_that_a_search_finds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_PAGES", 2)
    with searching([ROWS[0]] * 500) as searches, pytest.raises(BadNames, match="more than 200 entries for 1 ids"):
        opened(searches.url).open().look_up(NameKind.COURSE, ["do_1"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"result": 1}',
        b'{"result": {"count": 1, "content": [{"identifier": "do_1", "name": "\xff"}]}}',
        b'{"result": {"count": "x", "content": []}}',
        b'{"result": ' + b"[" * 100_000,
    ],
)
def test_an_answer_of_another_shape_is_refused(raw: bytes) -> None:
    with searching(ROWS) as searches:
        searches.raw = raw
        with pytest.raises(BadNames, match="does not answer like Sunbird's search; check ASSESS_NAMES"):
            opened(searches.url).open().look_up(NameKind.COURSE, ["do_1"])


@pytest.mark.parametrize("odd", [[], {}, ["do_1"], 1, None, True, 1.5])
def test_an_entry_whose_id_or_name_is_no_text_names_nothing(odd: object) -> None:
    entries = [{"identifier": odd, "name": "Odd"}, {"identifier": "do_1", "name": odd}, {"identifier": "do_1"}, {}]
    with searching(ROWS) as searches:
        searches.raw = json.dumps({"result": {"count": 5, "content": [*entries, odd]}}).encode()
        assert opened(searches.url).open().look_up(NameKind.COURSE, ["do_1"]) == {}


@pytest.mark.parametrize(
    ("status", "error"), [(500, StoreUnavailable), (429, StoreUnavailable), (401, BadNames), (404, BadNames)]
)
def test_a_refusal_and_an_outage_are_distinguished(
    status: int, error: type[AssessError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_DEADLINE", 0.1)
    with searching(ROWS) as searches:
        searches.status = status
        with pytest.raises(error, match=f"answered {status}; .*{WITHOUT_NAMES}"):
            opened(searches.url).open().look_up(NameKind.COURSE, ["do_1"])


def test_a_server_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_DEADLINE", 0.1)
    with searching(ROWS) as searches:
        url = searches.url
    with pytest.raises(StoreUnavailable, match=f"the source of names {url}/composite/v1/search does not answer"):
        opened(url).open().look_up(NameKind.COURSE, ["do_1"])


@pytest.mark.parametrize(
    "url",
    [
        "http://platform.example/api",
        "https://",
        "http://[::1",
        "https://host:x/api",
        "https://user:secret@host/api",
        "https://host/api?token=secret",
        "s3://b/names.csv",
        "ftp://x",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadSettings, match="ASSESS_NAMES") as error:
        opened(url)
    assert "secret" not in str(error.value)


def test_a_cassandra_url_that_cannot_be_used_names_its_setting() -> None:
    with pytest.raises(BadSettings, match=r"\AASSESS_NAMES: "):
        opened("cassandra://host")


def test_a_keyspace_without_the_table_says_how_to_create_it(keyspace_of_this_run: Keyspace) -> None:
    names = opened(keyspace_of_this_run.url)
    with pytest.raises(BadNames, match=r"has no table names .*CREATE TABLE test_\w+.names .*PRIMARY KEY"):
        names.open().look_up(NameKind.COURSE, ["do_1"])
