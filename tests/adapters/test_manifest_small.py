"""Small files of the manifest and its table are read once; what changed on the disk is read again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.lake.manifest_files import ManifestFile
from assess_core.adapters.lake.manifest_rows import read_entries
from assess_core.domain.manifest import NOTHING, Action, ManifestEntry, broken
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.usecases.proving import entry

W5, W6 = ArchiveSlice.parse("b1|2024-W05"), ArchiveSlice.parse("b1|2024-W06")


@pytest.fixture
def lake(tmp_path: Path) -> DeltaLake:
    return DeltaLake(Folder(tmp_path))


def record(lake: DeltaLake, slice_: ArchiveSlice, at: int) -> None:
    lake.record([entry(slice_, Action.ARCHIVED, 1, NOTHING, at)])


def test_each_commit_and_each_read_reads_only_files_that_are_new(
    lake: DeltaLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(place: Location, files: list[ManifestFile]) -> list[ManifestEntry]:
        read.extend(file.name for file in files)
        return read_entries(place, files)

    monkeypatch.setattr("assess_core.adapters.lake.manifest_small.read_entries", counted)

    for at in range(4):
        record(lake, W5, at)
        assert [found.number for found in lake.manifest([W5])] == list(range(1, at + 2))
        lake.manifest()

    assert len(read) == len(set(read)) == 4


def test_files_of_other_weeks_are_not_read(lake: DeltaLake, tmp_path: Path) -> None:
    record(lake, W5, 1)
    for file in (tmp_path / "archive_manifest").glob("*.parquet"):
        file.write_bytes(b"damaged")

    record(lake, W6, 2)

    assert [found.slice for found in lake.manifest([W6])] == [W6]


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(b"damaged"), Path.unlink])
def test_damage_to_a_file_that_was_read_before_is_found(
    lake: DeltaLake, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    record(lake, W5, 1)
    assert lake.manifest([W5])
    [file] = (tmp_path / "archive_manifest").glob("*.parquet")

    damage(file)

    with pytest.raises(StoreUnavailable):
        lake.manifest([W5])


def test_a_lake_that_was_created_again_has_none_of_its_old_entries(lake: DeltaLake, tmp_path: Path) -> None:
    record(lake, W5, 1)
    assert lake.manifest()
    (tmp_path / "archive_manifest").rename(tmp_path / "old")

    record(lake, W6, 2)

    assert [found.slice for found in lake.manifest()] == [W6]


def test_a_commit_after_our_own_does_not_open_the_table_again(lake: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    record(lake, W5, 1)
    monkeypatch.setattr("assess_core.adapters.lake.tables.OurTable.open", lambda *_: pytest.fail("opened"))

    for at in range(2, 5):
        record(lake, W5, at)
        assert len(lake.manifest([W5])) == at


def test_two_writers_in_turn_continue_each_others_chain(lake: DeltaLake, tmp_path: Path) -> None:
    other = DeltaLake(Folder(tmp_path))
    for at in range(1, 7):
        record(lake if at % 2 else other, W5, at)

    for each in (lake, other):
        assert [found.number for found in each.manifest([W5])] == [1, 2, 3, 4, 5, 6]
        assert broken(each.manifest()) == {}


def test_simultaneous_writers_of_one_process_continue_one_chain(lake: DeltaLake) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: record(lake, W5, at), range(12)))

    assert sorted(found.number for found in lake.manifest([W5])) == list(range(1, 13))
    assert broken(lake.manifest()) == {}
