"""Log files and standard input, read from the start."""

import io
import os
import sys
import tempfile
import tracemalloc
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assess_core.adapters.files.log_files import ENDINGS, find
from assess_core.adapters.files.log_lines import read_files
from assess_core.adapters.files.unread import unread
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import MAX_EVENT_BYTES, FailedEvent, Record, RecordKind, decode
from assess_core.domain.reasons import Reason
from assess_core.domain.slices import Unread
from assess_core.errors import BadLog
from assess_core.ports.log import BATCH_RECORDS, LogBatch
from tests.logs import batches, ends, ignore, put, raws, records, refusal

# --- lines and events ---


@pytest.mark.parametrize("name", ["events.jsonl", "events.jsonl.gz", "EVENTS.JSONL"])
def test_each_line_is_a_record_named_by_path_and_line(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, b"one\ntwo\n")
    assert records(path) == [
        Record(str(path), 0, 1, b"one", kind=RecordKind.LINE),
        Record(str(path), 0, 2, b"two", kind=RecordKind.LINE),
    ]


def test_a_json_file_with_any_number_of_lines_is_one_event(tmp_path: Path) -> None:
    path = put(tmp_path / "event.json", b'{\n "a": 1\n}\n')
    assert records(path) == [Record(str(path), 0, 1, b'{\n "a": 1\n}', kind=RecordKind.LINE)]


def test_an_unfinished_last_line_is_a_line(tmp_path: Path) -> None:
    assert raws(put(tmp_path / "events.jsonl", b'one\n{"cut": ')) == [b"one", b'{"cut": ']


def test_blank_lines_are_not_events_but_count_as_lines(tmp_path: Path) -> None:
    path = put(tmp_path / "events.jsonl", b"\n  \t\none\n\r\n\ntwo")
    assert [(record.offset, record.raw) for record in records(path)] == [(3, b"one"), (6, b"two")]


def test_windows_line_ends_and_a_byte_order_mark_are_not_part_of_an_event(tmp_path: Path) -> None:
    assert raws(put(tmp_path / "events.jsonl", b"\xef\xbb\xbfone\r\ntwo\r\n")) == [b"one", b"two"]
    assert raws(put(tmp_path / "event.json", b"\xef\xbb\xbf{}\r\n")) == [b"{}"]


def test_standard_input_has_one_event_per_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo")))
    assert records("-") == [
        Record("-", 0, 1, b"one", kind=RecordKind.LINE),
        Record("-", 0, 2, b"two", kind=RecordKind.LINE),
    ]


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz"])
@pytest.mark.parametrize("first", [b"", b"0\n"])
@pytest.mark.parametrize("filler", [b"x", b" ", b"\r", BOM_UTF8])
def test_a_line_that_is_too_long_fails_and_only_its_beginning_is_kept(
    tmp_path: Path, name: str, first: bytes, filler: bytes
) -> None:
    large = BOM_UTF8 + b'{"userId":"u"}' + filler * (50_000_000 // len(filler))
    path = put(tmp_path / name, first + large + b"\n2\n")
    *_, long, after = records(path)
    failed = decode(long)
    assert isinstance(failed, FailedEvent)
    assert failed.reason == Reason.TOO_LARGE
    assert len(failed.raw) == MAX_EVENT_BYTES + 1
    assert after == Record(str(path), 0, long.offset + 1, b"2", kind=RecordKind.LINE)
    assert sum(batch.size for batch in batches(path)) == path.stat().st_size


def test_a_line_with_the_largest_event_is_read_whole(tmp_path: Path) -> None:
    largest = b"x" * MAX_EVENT_BYTES
    assert raws(put(tmp_path / "e.jsonl", BOM_UTF8 + largest + b"\r\n2")) == [largest, b"2"]
    assert raws(put(tmp_path / "e.json", BOM_UTF8 + largest + b"\r\n")) == [largest]


def test_a_json_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    [record] = records(put(tmp_path / "e.json", b"1" + b"\n" * 50_000_000))
    assert len(record.raw) == MAX_EVENT_BYTES + 1


def test_a_line_of_any_length_takes_a_bounded_amount_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    with path.open("wb") as file:
        file.truncate(400_000_000)  # zeros without a line end
    tracemalloc.start()
    try:
        assert len(records(path)) == 1
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_EVENT_BYTES
    finally:
        tracemalloc.stop()


# --- batches ---


def test_batches_are_bounded_by_records_and_end_where_the_next_begins(tmp_path: Path) -> None:
    path = put(tmp_path / "e.jsonl", b"1234\n" * (BATCH_RECORDS + 1))
    first, second = batches(path)
    assert (len(first.records), ends(first)) == (BATCH_RECORDS, {str(path): (BATCH_RECORDS + 1, 5 * BATCH_RECORDS)})
    assert (len(second.records), ends(second)) == (1, {str(path): (BATCH_RECORDS + 2, 5 * (BATCH_RECORDS + 1))})
    assert (first.size, second.size) == (5 * BATCH_RECORDS, 5)


def test_batches_are_bounded_by_bytes(tmp_path: Path) -> None:
    line = b"x" * 6_000_000 + b"\n"
    assert [len(batch.records) for batch in batches(put(tmp_path / "e.jsonl", line * 4))] == [3, 1]


def test_small_files_share_a_batch(tmp_path: Path) -> None:
    for n in range(3):
        put(tmp_path / f"{n}.json", b"{}")
    [batch] = batches(tmp_path)
    assert ends(batch) == {str(tmp_path / f"{n}.json"): (2, 2) for n in range(3)}


@pytest.mark.parametrize("name", ["e.jsonl", "e.json", "e.jsonl.gz"])
def test_the_sizes_of_the_batches_add_up_to_the_file(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, b'{"some": "text"}\n' * 2500)
    assert sum(batch.size for batch in batches(path)) == path.stat().st_size


# --- unreadable files ---


def test_a_missing_path_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", b"1")
    with pytest.raises(BadLog, match=r"missing' cannot be read: No such file or directory; check its name"):
        find([str(tmp_path), str(tmp_path / "missing")], ignore)


def test_a_file_that_is_not_named_like_a_log_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "events.csv", b"1")
    assert refusal(path) == (
        f"{str(path)!r} is not a log file ({ENDINGS}); rename it, or give it on standard input: assess ingest - < FILE"
    )


def test_the_error_for_a_link_to_itself_names_it(tmp_path: Path) -> None:
    os.symlink("loop.jsonl", tmp_path / "loop.jsonl")
    for path in (tmp_path, tmp_path / "loop.jsonl"):
        assert "loop.jsonl' cannot be read: Too many levels of symbolic links" in refusal(path)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can enter. The folders of pytest are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def without_root_rights() -> Iterator[None]:
    """Run as a user who is not root, because root can read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_the_error_for_a_folder_without_permission_says_what_to_do(public: Path) -> None:
    (public / "closed").mkdir()
    put(public / "closed" / "a.jsonl", b"1")
    for mode in (0o000, 0o444):  # a folder with the second mode can be listed, but its files cannot be opened
        (public / "closed").chmod(mode)
        with without_root_rights():
            assert "cannot be read: Permission denied; check its name and permissions" in refusal(public / "closed")
            for folder in (public / "closed", public / "closed" / "below"):
                with pytest.raises(BadLog, match="Permission denied"):
                    unread(folder, MemoryHot())


def test_the_files_before_a_file_without_permission_are_read_and_the_error_names_it(public: Path) -> None:
    put(public / "a.jsonl", b"1").chmod(0o644)
    put(public / "b.jsonl", b"2").chmod(0o000)
    with without_root_rights():
        found, why = read_until_the_failure(public)
    assert found == [b"1"]
    assert why == f"{str(public / 'b.jsonl')!r} cannot be read: Permission denied; check its name and permissions"


def read_until_the_failure(path: Path) -> tuple[list[bytes], str]:
    found: list[bytes] = []

    def take(some: Iterable[LogBatch]) -> None:
        for batch in some:
            found.extend(record.raw for record in batch.records)

    with pytest.raises(BadLog) as error:
        take(read_files(find([str(path)], ignore), ignore))
    return found, str(error.value)


def test_the_files_before_a_deleted_file_are_read_and_the_error_names_it(tmp_path: Path) -> None:
    put(tmp_path / "a.jsonl", b"1")
    files = find([str(tmp_path), str(put(tmp_path / "b.jsonl", b"2"))], ignore)
    (tmp_path / "b.jsonl").unlink()
    reading = read_files(files, ignore)
    assert [record.raw for record in next(reading).records] == [b"1"]
    with pytest.raises(BadLog, match=r"b\.jsonl' cannot be read: No such file"):
        next(reading)


def test_the_whole_lines_of_a_cut_gzip_file_are_read_and_the_error_names_it(tmp_path: Path) -> None:
    lines = [os.urandom(500).hex().encode() for _ in range(40)]
    path = put(tmp_path / "e.jsonl.gz", b"\n".join(lines))
    path.write_bytes(path.read_bytes()[:12_000])
    found, why = read_until_the_failure(path)
    assert 10 < len(found) < 40
    assert found == lines[: len(found)]
    assert why.startswith(f"{str(path)!r} is damaged after line {len(found)} (")
    assert why.endswith("replace it by the complete file and read it again, stored events are only repeated")


def test_the_error_for_a_damaged_gzip_file_names_it(tmp_path: Path) -> None:
    path = put(tmp_path / "e.jsonl.gz", b"1\n2\n" * 5000)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(whole)
    assert "e.jsonl.gz' is damaged after line " in read_until_the_failure(path)[1]


def test_the_error_for_a_file_that_is_only_named_like_gzip_names_it(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl.gz"
    path.write_bytes(b'{"not": "zipped"}\n')
    assert read_until_the_failure(path) == ([], refusal(path))
    assert "is damaged after line 0 (Not a gzipped file" in refusal(path)


# --- unread files ---


def test_nothing_is_unread_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    assert unread(tmp_path / "missing", MemoryHot()) is None


def test_unread_files_are_counted_and_the_first_is_named_with_its_line(tmp_path: Path) -> None:
    hot = MemoryHot()
    for name in ("a.jsonl", "b.jsonl.gz", "c.json", "empty.jsonl"):
        put(tmp_path / name, b"" if name == "empty.jsonl" else b"1\n2\n")
    [first] = batches(put(tmp_path / "a.jsonl", b"1\n"))
    hot.commit(first.ends)
    put(tmp_path / "a.jsonl", b"1\n2\n")
    assert unread(tmp_path, hot) == Unread("3 files, e.g. a.jsonl from line 2")
    for batch in batches(tmp_path):
        hot.commit(batch.ends)
    assert unread(tmp_path, hot) is None


def test_an_unfinished_last_line_a_shrunk_file_and_a_file_that_grew_are_unread(tmp_path: Path) -> None:
    hot = MemoryHot()
    path = put(tmp_path / "a.jsonl", b"1\n2\n")
    for batch in batches(path):
        hot.commit(batch.ends)
    assert unread(tmp_path, hot) is None
    for text, line in ((b"1\n2\n3", 3), (b"1\n", 1), (b"1\n2\n3\n", 3), (b"3\n4\n", 1), (b"3\n4\n5\n", 1)):
        put(path, text)
        assert unread(tmp_path, hot) == Unread(f"1 file, e.g. a.jsonl from line {line}")


def test_a_folder_that_cannot_be_read_is_an_error_not_an_empty_log(tmp_path: Path) -> None:
    with pytest.raises(BadLog, match="cannot be read: Not a directory"):
        unread(put(tmp_path / "file", b""), MemoryHot())
