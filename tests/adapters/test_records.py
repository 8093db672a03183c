"""Numbered records in several files: read back by number, completely or not at all."""

from pathlib import Path

import pytest

from assess_core.adapters.files.records import Records
from assess_core.errors import ReportFailed


def write(folder: Path, *contents: bytes) -> list[Path]:
    files = [folder / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return files


def test_records_are_read_by_number_from_all_files(tmp_path: Path) -> None:
    files = write(tmp_path, b"2 1\nc\n9\n\xff0 0\n\xff", b"", b"1 3\nb\n\xff3 1\nd\xff")

    records = Records(files, 4, 5)

    assert list(records.in_order()) == [b"", b"b\n", b"c\n9\n", b"d"]
    assert records.rows == 5


def test_no_records_are_no_bytes(tmp_path: Path) -> None:
    assert list(Records(write(tmp_path), 0, 0).in_order()) == []


@pytest.mark.parametrize("content", [b"", b"0 1\na\xff", b"1 1\nb\xff"])
def test_a_missing_record_fails(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ReportFailed):
        list(Records(write(tmp_path, content), 2, 1).in_order())


def test_a_row_that_was_written_and_is_in_no_record_fails(tmp_path: Path) -> None:
    with pytest.raises(ReportFailed, match="run the report again"):
        Records(write(tmp_path, b"0 2\na\nb\n\xff"), 1, 3)


@pytest.mark.parametrize("content", [b"0 5\na,b", b"0 1\na\xff1 ", b"0 1\na\xff1 1\n"])
def test_a_record_that_is_cut_fails(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ReportFailed, match="run the report again"):
        Records(write(tmp_path, content), 2, 1)


def test_records_are_read_in_chunks_that_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path, b"1 2\nb\nc\n\xff0 1\na\n\xff2 0\n\xff")

    for size in range(1, 20):
        monkeypatch.setattr("assess_core.adapters.files.records._CHUNK", size)
        records = Records(files, 3, 3)
        assert (list(records.in_order()), records.rows) == ([b"a\n", b"b\nc\n", b""], 3)
