"""Names of old archives: three layouts, and the weeks that they mean."""

import pytest

from assess_core.domain.archive_files import ArchiveFile, file_name, is_archive, named_week
from assess_core.domain.slices import ArchiveSlice


@pytest.mark.parametrize(
    ("url", "week"),
    [
        ("/x/archival-data/batch-001-2021-22-1626351011290.csv", "2021-W22"),
        ("/x/archived-data/batch-001/2021-33-1629367970070.csv.gz", "2021-W33"),
        ("s3://b/archived-data/batch-001_do_113/2021-5-0.csv.gz", "2021-W05"),
        ("/x/a-b-2020-1-2-2021-48-5.csv", "2021-W48"),
        ("2021-48-5.csv", "2021-W48"),
        ("/x/b-2021-53-1.csv", "2020-W53"),  # 1 January 2021
        ("/x/b-2020-53-1.csv", "2020-W53"),
        ("/x/b-2018-1-1.csv", "2018-W01"),
    ],
)
def test_a_name_has_a_week(url: str, week: str) -> None:
    assert str(named_week(url)) == week


@pytest.mark.parametrize(
    "url", ["/x/marks.csv", "b-2021-54-1.csv", "b-2021-0-1.csv", "b-2021-48.csv", "b-2021-48-1.txt"]
)
def test_other_names_have_no_week(url: str) -> None:
    assert named_week(url) is None


def test_files_of_other_programs_are_not_archives() -> None:
    assert all(map(is_archive, ["b-2021-48-1.csv", "b/2021-48-1.csv.gz"]))
    assert not any(map(is_archive, ["_SUCCESS", ".part-0.csv.crc", "a/.a.csv", "_temporary/0/a.csv", "a.parquet"]))


@pytest.mark.parametrize(
    "batch_id", ["b1", "b-2020-1", "a/b", "../x", "é", "_x", ".x", "x" * 1024, "é" * 500], ids=ascii
)
def test_the_name_of_an_exported_slice_has_its_week(batch_id: str) -> None:
    name = file_name(ArchiveSlice.parse(f"{batch_id}|2024-W05"))

    assert str(named_week(name)) == "2024-W05"
    assert name.count("/") == 2
    assert is_archive(name)
    assert len(name.rpartition("/")[2]) <= 255


def test_two_batches_with_a_long_common_beginning_have_two_names() -> None:
    names = {file_name(ArchiveSlice.parse(f"{'x' * 500}{end}|2024-W05")) for end in "ab"}

    assert len(names) == 2


def test_files_are_ordered_by_week() -> None:
    urls = ["a-2024-5-1.csv", "z-2023-52-1.csv", "other.csv", "b-2024-5-1.csv"]

    files = sorted((ArchiveFile(url, 1, "") for url in urls), key=lambda file: file.order)

    assert [file.url for file in files] == ["other.csv", "z-2023-52-1.csv", "a-2024-5-1.csv", "b-2024-5-1.csv"]
