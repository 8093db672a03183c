"""Small files of the manifest are read once; a file that changed on the disk is read again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake import manifest_small
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.lake.manifest_files import ManifestFile
from assess_core.domain.manifest import NOTHING, Action, ManifestEntry
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
    read_entries = manifest_small.read_entries

    def counted(place: Location, files: list[ManifestFile]) -> list[ManifestEntry]:
        read.extend(file.name for file in files)
        return read_entries(place, files)

    monkeypatch.setattr(manifest_small, "read_entries", counted)

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
