"""The manifest is read by slice or batch, and its cost does not grow with the entries of other slices."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import WriterProperties
from msgspec.structs import replace

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake import tables
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.domain.manifest import Action, Contents, ManifestEntry, broken
from assess_core.domain.slices import WEEK, ArchiveSlice, IsoWeek
from tests.loop import NOW

SLICES = [
    ArchiveSlice(IsoWeek.of(1_734_000_000_000 + n * WEEK), batch_id)  # 2024-W50 and the weeks after it
    for n in range(6)
    for batch_id in ("b1", "b2")
]


def entries(slices: Iterable[ArchiveSlice], action: Action = Action.ARCHIVED, at: int = NOW) -> list[ManifestEntry]:
    contents = Contents(3, 3, 2, 4.5, "ab" * 32)
    return [ManifestEntry(slice_, action, 1, contents, at, "0.1.0", files={"part": "cd" * 32}) for slice_ in slices]


@pytest.fixture
def lake(place: Location) -> DeltaLake:
    lake = DeltaLake(place)
    lake.record(entries(SLICES))
    lake.record(entries(SLICES[::-1], Action.VERIFIED, NOW + 1))
    return lake


@pytest.fixture
def compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeltaLake:
    """A manifest in one file with two entries in each row group."""
    monkeypatch.setattr(tables, "_SMALL_GROUPS", WriterProperties(max_row_group_size=2))
    lake = DeltaLake(Folder(tmp_path))
    for slice_ in SLICES:
        lake.record(entries([slice_]))
    lake.compact_small_tables()
    return lake


@pytest.mark.parametrize("chosen", [SLICES[:1], SLICES[3:5], [SLICES[0], SLICES[-1]], SLICES])
def test_a_read_by_slice_returns_the_entries_of_the_whole_manifest(lake: DeltaLake, chosen: list[ArchiveSlice]) -> None:
    found = lake.manifest(chosen)

    assert found == [entry for entry in lake.manifest() if entry.slice in chosen]
    assert broken(found) == {}


def test_a_read_by_batch_returns_the_entries_of_the_whole_manifest(lake: DeltaLake) -> None:
    assert lake.manifest(batch_id="b2") == [entry for entry in lake.manifest() if entry.slice.batch_id == "b2"]
    assert lake.manifest(batch_id="b3") == []


def test_an_empty_list_of_slices_and_a_slice_of_another_week_have_no_entries(lake: DeltaLake) -> None:
    assert lake.manifest([]) == []
    assert lake.manifest([ArchiveSlice(IsoWeek(2023, 1), "b1")]) == []


@pytest.mark.parametrize("after", [None, SLICES[0], SLICES[5], SLICES[-1]])
@pytest.mark.parametrize("until", [None, SLICES[4], SLICES[-1]])
def test_recorded_slices_are_listed_between_two_bounds(
    lake: DeltaLake, after: ArchiveSlice | None, until: ArchiveSlice | None
) -> None:
    assert lake.recorded(after, until) == [
        slice_ for slice_ in SLICES if (after is None or slice_ > after) and (until is None or slice_ <= until)
    ]


def test_slices_with_a_problem_are_listed_also_if_it_was_resolved(lake: DeltaLake) -> None:
    assert lake.failed() == []

    failed = [replace(entry, problem="a file is damaged") for entry in entries([SLICES[4], SLICES[1]])]
    lake.record(failed)
    lake.record(entries([SLICES[1]]))

    assert lake.failed() == [SLICES[1], SLICES[4]]


def test_the_slices_of_a_batch_are_listed_also_if_they_were_recorded_after_the_first_read(lake: DeltaLake) -> None:
    assert lake.recorded_of("b2") == [slice_ for slice_ in SLICES if slice_.batch_id == "b2"]
    assert lake.recorded_of("b3") == []

    lake.record(entries([ArchiveSlice(SLICES[0].week, "b3")]))

    assert lake.recorded_of("b3") == [ArchiveSlice(SLICES[0].week, "b3")]


def test_slices_that_were_recorded_lately_are_listed(lake: DeltaLake) -> None:
    lake.record(entries([SLICES[3], SLICES[2]], at=NOW + 10))

    assert lake.recorded_since(NOW + 10) == SLICES[2:4]
    assert lake.recorded_since(NOW) == SLICES
    assert lake.recorded_since(NOW + 11) == []


def test_weeks_with_more_rows_than_versions_are_found(lake: DeltaLake) -> None:
    assert lake.repeating() == set()

    twice = Contents(4, 3, 2, 4.5, "ab" * 32)
    lake.record([replace(entry, contents=twice) for entry in entries(SLICES[2:3])])

    assert lake.repeating() == {SLICES[2].week}


def test_files_of_other_weeks_and_of_older_entries_are_not_opened(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = DeltaLake(place)
    for number, slice_ in enumerate(SLICES[::2]):
        lake.record(entries([slice_], at=NOW + number))
    opened: list[pq.ParquetFile] = []
    parquet_file = pq.ParquetFile

    def counted(source: object) -> pq.ParquetFile:
        opened.append(parquet_file(source))
        return opened[-1]

    monkeypatch.setattr(pq, "ParquetFile", counted)

    assert len(lake.manifest([SLICES[2]])) == 1
    assert lake.recorded_since(NOW + 5) == [SLICES[10]]
    assert lake.failed() == []
    assert len(opened) == 2


def test_row_groups_without_a_problem_are_not_read(compacted: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pq.ParquetFile, "read_row_group")

    assert compacted.failed() == []


def test_row_groups_of_other_weeks_are_not_read(compacted: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    read_row_group, read = pq.ParquetFile.read_row_group, set[int]()

    def counted(file: pq.ParquetFile, group: int, columns: list[str] | None = None) -> object:
        read.add(group)
        return read_row_group(file, group, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)

    assert [entry.slice for entry in compacted.manifest([SLICES[6]])] == [SLICES[6]]
    assert len(read) <= 2  # of six row groups


def test_a_compacted_manifest_has_the_same_entries(compacted: DeltaLake) -> None:
    assert [entry.slice for entry in compacted.manifest()] == SLICES
    assert broken(compacted.manifest()) == {}
    assert compacted.compact_small_tables() == 0
