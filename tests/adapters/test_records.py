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
    files = write(tmp_path, b"2 4 1\nc\n9\n0 0 0\n", b"", b"1 2 3\nb\n3 1 1\nd")

    records = Records(files, 4)

    assert list(records.in_order()) == [b"", b"b\n", b"c\n9\n", b"d"]
    assert records.rows == 5


def test_no_records_are_no_bytes(tmp_path: Path) -> None:
    assert list(Records(write(tmp_path), 0).in_order()) == []


@pytest.mark.parametrize("content", [b"", b"0 1 1\na", b"1 1 1\nb"])
def test_a_missing_record_fails(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ReportFailed):
        list(Records(write(tmp_path, content), 2).in_order())


def test_a_record_that_is_cut_fails(tmp_path: Path) -> None:
    with pytest.raises(ReportFailed, match="run the report again"):
        list(Records(write(tmp_path, b"0 5 1\na,b"), 1).in_order())
