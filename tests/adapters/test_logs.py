"""What a log is: files, folders and standard input, read from the start."""

import gzip
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from assess_core.adapters.files.log_files import BATCH_RECORDS, find, read_files, unread
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import FailedEvent, Record, RecordKind, decode
from assess_core.domain.reasons import Reason
from assess_core.domain.slices import Unread
from assess_core.errors import BadLog
from assess_core.ports.log import LogBatch, Position


def ignore(said: str) -> None:
    """For tests that are not about what is said."""


def batches(*paths: Path | str) -> list[LogBatch]:
    return list(read_files(find(map(str, paths), ignore), ignore))


def records(*paths: Path | str) -> list[Record]:
    return [record for batch in batches(*paths) for record in batch.records]


def line(path: str, number: int, raw: bytes) -> Record:
    return Record(path, 0, number, raw, kind=RecordKind.LINE)


def raws(*paths: Path | str) -> list[bytes]:
    return [record.raw for record in records(*paths)]


def heard(*paths: Path | str) -> list[str]:
    """What is said while these paths are read."""
    said: list[str] = []
    list(read_files(find(map(str, paths), said.append), said.append))
    return said


def put(path: Path, text: bytes) -> Path:
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


# --- what is an event ---


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz", "EVENTS.JSONL"])
def test_each_line_is_a_record_named_by_path_and_line(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, b"one\ntwo\n")
    assert records(path) == [
        line(str(path), 1, b"one"),
        line(str(path), 2, b"two"),
    ]


def test_a_json_file_is_one_event_however_many_lines_it_has(tmp_path: Path) -> None:
    path = put(tmp_path / "event.json", b'{\n "a": 1\n}\n')
    assert records(path) == [line(str(path), 1, b'{\n "a": 1\n}')]


def test_an_unfinished_last_line_is_a_line(tmp_path: Path) -> None:
    assert raws(put(tmp_path / "events.jsonl", b'one\n{"cut": ')) == [b"one", b'{"cut": ']


def test_blank_lines_are_no_events_but_count_as_lines(tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", b"\n  \t\none\n\r\n\ntwo")
    assert [(record.offset, record.raw) for record in records(path)] == [(3, b"one"), (6, b"two")]


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_an_event(tmp_path: Path) -> None:
    assert raws(put(tmp_path / "events.jsonl", b"\xef\xbb\xbfone\r\ntwo\r\n")) == [b"one", b"two"]
    assert raws(put(tmp_path / "event.json", b"\xef\xbb\xbf{}\r\n")) == [b"{}"]


def test_standard_input_has_an_event_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo")))
    assert records("-") == [
        line("-", 1, b"one"),
        line("-", 2, b"two"),
    ]


def test_an_event_of_50_mb_is_set_aside_whole(tmp_path: Path) -> None:
    large = b'{"userId":"' + b"x" * 50_000_000 + b'"}'
    (small, before), (after,) = (batch.records for batch in batches(put(tmp_path / "e.jsonl", b"1\n" + large + b"\n2")))
    failed = decode(before)
    assert isinstance(failed, FailedEvent)
    assert (failed.reason, failed.raw == large) == (Reason.TOO_LARGE, True)
    assert (small.raw, after.raw) == (b"1", b"2")


# --- folders ---


def test_a_folder_is_its_log_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    put(tmp_path / "b.jsonl", b"2")
    put(tmp_path / "a.jsonl.gz", b"1")
    put(tmp_path / "c.json", b"3")
    assert raws(tmp_path) == [b"1", b"2", b"3"]


def test_a_folder_is_named_as_given_in_the_topics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").mkdir()
    put(tmp_path / "log" / "a.jsonl", b"1")
    assert [record.topic for record in records("log", "./log/", "log/a.jsonl")] == [
        "log/a.jsonl",
        "./log/a.jsonl",
        "log/a.jsonl",
    ]


def test_what_is_no_log_file_is_passed_over_with_a_sentence(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", b"1")
    put(tmp_path / "notes.txt", b"x")
    put(tmp_path / ".hidden.jsonl", b"x")
    (tmp_path / "older.jsonl").mkdir()
    os.symlink("nowhere", tmp_path / "z.jsonl")
    [sentence] = heard(tmp_path)
    assert sentence == (
        f"passed over in {str(tmp_path)!r}, being no log files (.jsonl, .jsonl.gz or .json): '.hidden.jsonl' and 3 more"
    )
    assert raws(tmp_path) == [b"1"]


@pytest.mark.parametrize("text", [b"", b"\n\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["e.jsonl", "e.json", "e.jsonl.gz"])
def test_a_file_without_events_says_so(tmp_path: Path, name: str, text: bytes) -> None:
    path = put(tmp_path / name, text)
    assert heard(path) == [f"{str(path)!r} is empty: no events in it"]


def test_a_folder_without_log_files_says_so(tmp_path: Path) -> None:
    assert heard(tmp_path) == [f"{str(tmp_path)!r} holds no log file (.jsonl, .jsonl.gz or .json): no events in it"]


@pytest.mark.parametrize("name", ['a "quoted" name', "new\nline", "..", "एक 😀", "it's", "semi;colon|bar"])
def test_any_name_of_a_file_is_its_topic(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / f"{name}.jsonl", b"1")
    assert records(path) == [line(str(path), 1, b"1")]


def test_a_name_that_is_not_utf_8_is_a_url_that_any_store_can_keep(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jsonl"
    with open(path, "wb") as file:
        file.write(b"1")
    [record] = records(tmp_path)
    assert record.topic == f"file://{tmp_path}/caf%E9.jsonl"
    assert unquote_to_bytes(record.topic.removeprefix("file://")) == path
    hot = MemoryHot()
    assert unread(tmp_path, hot) == Unread("1 file, e.g. caf%E9.jsonl from line 1")


# --- batches ---


def test_batches_are_bounded_by_records_and_end_where_the_next_begins(tmp_path: Path) -> None:
    path = put(tmp_path / "e.jsonl", b"1234\n" * (BATCH_RECORDS + 1))
    first, second = batches(path)
    assert (len(first.records), first.ends) == (BATCH_RECORDS, {str(path): Position(BATCH_RECORDS + 1, 5000)})
    assert (len(second.records), second.ends) == (1, {str(path): Position(BATCH_RECORDS + 2, 5005)})
    assert (first.size, second.size) == (5000, 5)


def test_batches_are_bounded_by_bytes(tmp_path: Path) -> None:
    line = b"x" * 6_000_000 + b"\n"
    assert [len(batch.records) for batch in batches(put(tmp_path / "e.jsonl", line * 4))] == [3, 1]


def test_small_files_share_a_batch(tmp_path: Path) -> None:
    for n in range(3):
        put(tmp_path / f"{n}.json", b"{}")
    [batch] = batches(tmp_path)
    assert batch.ends == {str(tmp_path / f"{n}.json"): Position(2, 2) for n in range(3)}


@pytest.mark.parametrize("name", ["e.jsonl", "e.json", "e.jsonl.gz"])
def test_the_bytes_that_batches_took_add_up_to_the_file(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, b'{"some": "text"}\n' * 2500)
    assert sum(batch.size for batch in batches(path)) == path.stat().st_size


# --- what cannot be read ---


def refusal(*paths: Path | str) -> str:
    with pytest.raises(BadLog) as error:
        batches(*paths)
    return str(error.value)


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", b"1")
    with pytest.raises(BadLog, match=r"missing' cannot be read: No such file or directory; check its name"):
        find([str(tmp_path), str(tmp_path / "missing")], ignore)


def test_a_file_that_is_not_named_like_a_log_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "events.csv", b"1")
    assert refusal(path) == (
        f"{str(path)!r} is no log file (.jsonl, .jsonl.gz or .json); "
        "rename it, or give it on standard input: assess ingest - < FILE"
    )


def test_a_link_to_itself_is_refused_by_name(tmp_path: Path) -> None:
    os.symlink("loop.jsonl", tmp_path / "loop.jsonl")
    for path in (tmp_path, tmp_path / "loop.jsonl"):
        assert "loop.jsonl' cannot be read: Too many levels of symbolic links" in refusal(path)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that anybody may enter; pytest's own are closed to all but their owner."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_anybody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_without_permission_is_refused_by_name(public: Path) -> None:
    (public / "closed").mkdir()
    put(public / "closed" / "a.jsonl", b"1")
    for mode in (0o000, 0o444):  # the second can be listed, but what is in it cannot be looked at
        (public / "closed").chmod(mode)
        with as_anybody():
            assert "cannot be read: Permission denied; check its name and permissions" in refusal(public / "closed")
            for folder in (public / "closed", public / "closed" / "below"):
                with pytest.raises(BadLog, match="Permission denied"):
                    unread(folder, MemoryHot())


def test_a_file_without_permission_is_refused_by_name_after_what_came_before(public: Path) -> None:
    put(public / "a.jsonl", b"1").chmod(0o644)
    put(public / "b.jsonl", b"2").chmod(0o000)
    with as_anybody():
        given, why = given_before_the_failure(public)
    assert given == [b"1"]
    assert why == f"{str(public / 'b.jsonl')!r} cannot be read: Permission denied; check its name and permissions"


def given_before_the_failure(path: Path) -> tuple[list[bytes], str]:
    given: list[bytes] = []

    def take(some: Iterable[LogBatch]) -> None:
        for batch in some:
            given.extend(record.raw for record in batch.records)

    with pytest.raises(BadLog) as error:
        take(read_files(find([str(path)], ignore), ignore))
    return given, str(error.value)


def test_a_file_that_goes_before_its_turn_fails_by_name_after_what_came_before(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", b"1")
    files = find([str(tmp_path), str(put(tmp_path / "b.jsonl", b"2"))], ignore)
    (tmp_path / "b.jsonl").unlink()
    reading = read_files(files, ignore)
    assert [record.raw for record in next(reading).records] == [b"1"]
    with pytest.raises(BadLog, match=r"b\.jsonl' cannot be read: No such file"):
        next(reading)


def test_a_cut_gzip_file_gives_its_whole_lines_and_then_fails_by_name(tmp_path: Path) -> None:
    lines = [os.urandom(500).hex().encode() for _ in range(40)]
    path = put(tmp_path / "e.jsonl.gz", b"\n".join(lines))
    path.write_bytes(path.read_bytes()[:12_000])
    given, why = given_before_the_failure(path)
    assert 10 < len(given) < 40
    assert given == lines[: len(given)]
    assert why.startswith(f"{str(path)!r} is damaged after line {len(given)} (")
    assert why.endswith("put the whole file in its place and read it again, what is stored already is only repeated")


def test_a_damaged_gzip_file_fails_by_name(tmp_path: Path) -> None:
    path = put(tmp_path / "e.jsonl.gz", b"1\n2\n" * 5000)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(whole)
    assert "e.jsonl.gz' is damaged after line " in given_before_the_failure(path)[1]


def test_a_file_that_only_says_that_it_is_gzip_fails_by_name(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl.gz"
    path.write_bytes(b'{"not": "zipped"}\n')
    assert given_before_the_failure(path) == ([], refusal(path))
    assert "is damaged after line 0 (Not a gzipped file" in refusal(path)


# --- what is unread ---


def test_nothing_is_unread_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert unread(tmp_path / "missing", MemoryHot()) is None


def test_unread_files_are_counted_and_the_first_is_named_with_its_line(tmp_path: Path) -> None:
    hot = MemoryHot()
    for name in ("a.jsonl", "b.jsonl.gz", "c.json", "empty.jsonl"):
        put(tmp_path / name, b"" if name == "empty.jsonl" else b"1\n2\n")
    hot.commit({str(tmp_path / "a.jsonl"): Position(2, 2)})
    assert unread(tmp_path, hot) == Unread("3 files, e.g. a.jsonl from line 2")
    for batch in batches(tmp_path):
        hot.commit(batch.ends)
    assert unread(tmp_path, hot) is None


def test_an_unfinished_last_line_a_shrunk_file_and_a_file_that_grew_are_unread(tmp_path: Path) -> None:
    hot = MemoryHot()
    path = put(tmp_path / "a.jsonl", b"1\n2\n")
    hot.commit({str(path): Position(3, 4)})
    assert unread(tmp_path, hot) is None
    for text in (b"1\n2\n3", b"1\n", b"1\n2\n3\n"):
        put(path, text)
        assert unread(tmp_path, hot) == Unread("1 file, e.g. a.jsonl from line 3")


def test_a_folder_that_cannot_be_read_may_hold_anything(tmp_path: Path) -> None:
    with pytest.raises(BadLog, match="cannot be read: Not a directory"):
        unread(put(tmp_path / "file", b""), MemoryHot())
