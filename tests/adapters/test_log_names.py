"""Which files of a folder are log files, and which topic each of them has."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from assess_core.adapters.files.log_files import ENDINGS
from assess_core.adapters.files.unread import unread
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import Record, RecordKind
from assess_core.domain.slices import Unread
from tests.logs import heard, put, raws, records, refusal


def test_the_log_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    put(tmp_path / "b.jsonl", b"2")
    put(tmp_path / "a.jsonl.gz", b"1")
    put(tmp_path / "c.json", b"3")
    assert raws(tmp_path) == [b"1", b"2", b"3"]


def test_a_file_has_the_same_topic_for_every_path_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").mkdir()
    path = put(tmp_path / "log" / "a.jsonl", b"1")
    os.symlink("log", "link")
    os.symlink("log/a.jsonl", "link.jsonl")
    names = ("log", "./log/", "log/a.jsonl", "link/a.jsonl", "link", "link.jsonl", path)
    assert [record.topic for record in records(*names)] == [str(path)] * len(names)


def test_a_link_to_another_log_file_of_the_folder_adds_no_events(tmp_path: Path) -> None:
    put(tmp_path / "2024.jsonl", b"1")
    os.symlink("2024.jsonl", tmp_path / "current.jsonl")
    assert [record.topic for record in records(tmp_path)] == [str(tmp_path / "2024.jsonl")]


ROTATED = [
    "e.jsonl.1",
    "e.jsonl.12.gz",
    "e.jsonl-20240205",
    "e.jsonl-20240205.gz",
    "E.JSONL",
    "e.ndjson",
    "e.ndjson.gz",
]


@pytest.mark.parametrize("name", [*ROTATED, "e.ndjson.3"])
def test_rotated_files_and_ndjson_are_read(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, b"1\n2\n")
    assert raws(tmp_path) == raws(tmp_path / name) == [b"1", b"2"]


@pytest.mark.parametrize("name", ["e.jsonl.bak", "e.jsonl~", "e.jsonl.1.tmp", "e.json.1", "jsonl", "e.jsonl.gz.1"])
def test_other_names_are_not_read(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, b"1\n")
    assert raws(tmp_path) == []
    refusal(tmp_path / name)


def test_files_that_are_not_read_are_reported_in_one_message(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", b"1")
    put(tmp_path / "notes.txt", b"x")
    put(tmp_path / ".hidden.jsonl", b"x")
    (tmp_path / "older.jsonl").mkdir()
    os.symlink("nowhere", tmp_path / "z.jsonl")
    [message] = heard(tmp_path)
    assert message == f"not read in {str(tmp_path)!r}, because log files end in {ENDINGS}: '.hidden.jsonl' and 3 more"
    assert raws(tmp_path) == [b"1"]


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["e.jsonl", "e.json", "e.jsonl.gz"])
def test_a_file_without_events_is_reported(tmp_path: Path, name: str, text: bytes) -> None:
    path = put(tmp_path / name, text)
    assert heard(path) == [f"{str(path)!r} is empty: no events in it"]


def test_a_folder_without_log_files_is_reported(tmp_path: Path) -> None:
    assert heard(tmp_path) == [f"{str(tmp_path)!r} has no log file ({ENDINGS}), so there are no events in it"]


@pytest.mark.parametrize("name", ['a "quoted" name', "new\nline", "..", "एक 😀", "it's", "semi;colon|bar"])
def test_the_topic_of_a_file_with_any_name_is_its_path(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / f"{name}.jsonl", b"1")
    assert records(path) == [Record(str(path), 0, 1, b"1", kind=RecordKind.LINE)]


def test_the_topic_of_a_file_name_that_is_not_utf_8_is_a_url_that_any_store_accepts(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(path, "wb") as file:
        file.write(b"1")
    [record] = records(tmp_path)
    assert record.topic == f"file://{tmp_path}/caf%E9.jsonl"
    assert unquote_to_bytes(record.topic.removeprefix("file://")) == path
    hot = MemoryHot()
    assert unread(tmp_path, hot) == Unread("1 file, e.g. caf%E9.jsonl from line 1")
