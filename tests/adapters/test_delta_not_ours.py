"""Other data in place of a lake table, in a folder and in a bucket, is refused."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.errors import NotOurTable, StoreUnavailable
from tests.adapters.test_delta import entry, reader
from tests.factories import version
from tests.lakes import copies_of, held, put
from tests.places import Store


@pytest.fixture
def lake(place: Location) -> DeltaLake:
    return DeltaLake(place)


@pytest.mark.parametrize("table", ["attempts", "archive_manifest"])
def test_a_table_with_other_columns_is_refused(lake: DeltaLake, place: Location, table: str) -> None:
    other = place.within(table)
    write_deltalake(other.url, pa.table({"id": ["x"], "score": [1]}), storage_options=other.options())

    with pytest.raises(NotOurTable, match=rf"{table} was not written by this project: its columns are id, score; move"):
        lake.pin() if table == "attempts" else lake.manifest()
    with pytest.raises(NotOurTable):
        put(lake, [version()]) if table == "attempts" else lake.record([entry()])


def test_a_table_with_other_partitions_is_refused(lake: DeltaLake, place: Location) -> None:
    other = place.within("attempts")
    write_deltalake(other.url, reader(version()), partition_by=["batch_id"], storage_options=other.options())

    with pytest.raises(NotOurTable, match=r"it is partitioned by \['batch_id'\]"):
        lake.pin()


def test_a_table_with_our_columns_but_without_our_name_is_refused(lake: DeltaLake, place: Location) -> None:
    other = place.within("attempts")
    write_deltalake(other.url, reader(version()), partition_by=["year", "week"], storage_options=other.options())

    with pytest.raises(NotOurTable, match="it does not carry the name 'attempts'"):
        lake.pin()


def test_a_location_with_other_files_is_refused(lake: DeltaLake, place: Location) -> None:
    Store(place).write("attempts/part-0.parquet", b"")

    with pytest.raises(NotOurTable, match="there are files in it, and no Delta table"):
        put(lake, [version()])
    assert Store(place).names() == ["attempts/part-0.parquet"]


def test_a_table_whose_log_is_damaged_is_refused(lake: DeltaLake, place: Location) -> None:
    put(lake, [version()])
    Store(place).write("attempts/_delta_log/00000000000000000001.json", b"{nonsense")

    with pytest.raises(NotOurTable, match="its log cannot be read"):
        lake.pin()


def test_the_error_for_a_file_in_place_of_the_folder_names_it(tmp_path: Path) -> None:
    (tmp_path / "attempts").touch()

    with pytest.raises(StoreUnavailable, match=r"/attempts did not answer"):
        DeltaLake(Folder(tmp_path)).pin()


def test_the_next_write_completes_a_creation_that_was_killed(tmp_path: Path) -> None:
    lake = DeltaLake(Folder(tmp_path))
    (tmp_path / "attempts" / "_delta_log").mkdir(parents=True)

    assert lake.pin().version == -1
    put(lake, [version()])

    assert held(lake) == copies_of([version()])
