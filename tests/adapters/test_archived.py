"""A learner's versions in the lake, read by key from a snapshot and a connection that stay in memory."""

import os
import shutil
import signal
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.duckdb.questions import ROW, to_version
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import IsoWeek
from assess_core.errors import ReportFailed
from assess_core.ports.lake import LakeFile, PinnedTable
from assess_core.ports.reports import Located
from assess_core.usecases.compacting import vacuum
from tests.factories import RECEIVED, WEEK, answer, version
from tests.lakes import put
from tests.places import Store

FIRST = version(user_id="u1", attempt_id="a1")
SECOND = version(user_id="u1", attempt_id="a2", answers=[answer(id="other")])
W5 = FIRST.slice.week


@pytest.fixture
def lake(place: Location) -> DeltaLake:
    return DeltaLake(place)


@pytest.fixture
def unions(lake: DeltaLake) -> DuckUnions:
    return DuckUnions(MemoryHot(), lake)


def read(unions: DuckUnions, *wanted: AttemptVersion, weeks: Collection[IsoWeek] = (W5,)) -> list[AttemptVersion]:
    """The copies of these versions, all of one learner and batch, in the order of their keys."""
    key, hashes = wanted[0].key, [each.version.content_hash for each in wanted]
    return sorted(unions.archived([key.batch_id], weeks, key.user_id, hashes), key=lambda row: row.key)


def test_the_rows_are_the_rows_of_the_union(lake: DeltaLake, unions: DuckUnions) -> None:
    others = [version(user_id=f"u{number}") for number in range(2, 30)]
    put(lake, [FIRST, SECOND, *others])
    put(lake, [version(user_id="u1", attempt_id="a1", received=RECEIVED + WEEK)])
    weeks = {W5, IsoWeek.of(RECEIVED + WEEK)}

    with open_union(MemoryHot(), lake, batches=[FIRST.key.batch_id], weeks=weeks) as union:
        rows = union.rows(f"{ROW} FROM placed WHERE user_id = 'u1' ORDER BY attempt_id, updated_on")
        expected = list(map(to_version, rows))

    found = sorted(read(unions, FIRST, SECOND, weeks=weeks), key=lambda row: (row.key, row.received_at))
    assert found == expected
    assert len(found) == 3


def test_only_the_learner_batch_versions_and_weeks_of_the_request_are_read(lake: DeltaLake, unions: DuckUnions) -> None:
    put(lake, [FIRST, SECOND, version(user_id="u2"), version(user_id="u1", batch_id="another")])

    assert read(unions, FIRST) == [FIRST]
    assert read(unions, FIRST, weeks=[IsoWeek.of(RECEIVED + WEEK)]) == []


def test_a_lake_without_a_table_has_no_rows(unions: DuckUnions) -> None:
    assert read(unions, FIRST) == []


def test_the_next_read_sees_a_commit_of_another_archiver(place: Location, lake: DeltaLake, unions: DuckUnions) -> None:
    put(lake, [FIRST])
    assert read(unions, FIRST, SECOND) == [FIRST]

    put(DeltaLake(place), [SECOND])

    assert read(unions, FIRST, SECOND) == [FIRST, SECOND]


def test_a_snapshot_stays_in_memory_until_a_newer_version_exists(place: Location, lake: DeltaLake) -> None:
    put(lake, [FIRST])
    first = lake.pin()
    assert lake.pin() is first

    put(DeltaLake(place), [SECOND])

    assert lake.pin().version == first.version + 1


def test_a_table_that_was_created_again_is_read_again(tmp_path: Path) -> None:
    place = Folder(tmp_path / "lake")
    lake = DeltaLake(place)
    unions = DuckUnions(MemoryHot(), lake)
    put(lake, [FIRST])
    assert read(unions, FIRST, SECOND) == [FIRST]

    shutil.rmtree(place.path)
    assert read(unions, FIRST, SECOND) == []
    put(DeltaLake(place), [SECOND])

    assert read(unions, FIRST, SECOND) == [SECOND]


class PinsOnceLate(DeltaLake):
    """A lake whose first pin is an older one, as if the table was rewritten and vacuumed just after it."""

    late: PinnedTable | None = None

    def pin(self, version: int | None = None) -> PinnedTable:
        late, self.late = self.late, None
        return late or super().pin(version)


def test_a_file_that_was_rewritten_and_vacuumed_is_read_from_the_newer_version(place: Location) -> None:
    lake = PinsOnceLate(place)
    put(lake, [FIRST])
    put(lake, [FIRST])
    old = lake.pin()
    with lake.rewritten(old, W5) as draft:
        lake.replace(old, W5, draft)
    assert vacuum(lake, 0, retain=0).deleted
    lake.late = old

    assert read(DuckUnions(MemoryHot(), lake), FIRST) == [FIRST]


def test_a_damaged_file_fails_and_is_named(place: Location, lake: DeltaLake, unions: DuckUnions) -> None:
    put(lake, [FIRST])
    [file] = lake.pin().files()
    Store(place).write(_name(place, file), b"PAR1 damaged")

    with pytest.raises(ReportFailed, match=f"the lake's file {file.url} cannot be read"):
        read(unions, FIRST)


def test_a_connection_is_replaced_after_a_failed_read(place: Location, lake: DeltaLake, unions: DuckUnions) -> None:
    put(lake, [FIRST])
    [file] = lake.pin().files()
    content = Store(place).read(_name(place, file))
    Store(place).write(_name(place, file), b"PAR1 damaged")
    with pytest.raises(ReportFailed):
        read(unions, FIRST)

    Store(place).write(_name(place, file), content)

    assert read(unions, FIRST) == [FIRST]


def test_many_threads_read_while_another_archiver_writes(place: Location, lake: DeltaLake, unions: DuckUnions) -> None:
    put(lake, [FIRST])
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(read, unions, FIRST) for _ in range(40)]
        for number in range(3):
            put(DeltaLake(place), [version(user_id=f"w{number}")])

        assert all(done.result() == [FIRST] for done in reads)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_opens_its_own_connection(tmp_path: Path) -> None:
    lake = DeltaLake(Folder(tmp_path / "lake"))
    unions = DuckUnions(MemoryHot(), lake)
    put(lake, [FIRST])
    assert read(unions, FIRST) == [FIRST]

    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if read(unions, FIRST) == [FIRST] else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert read(unions, FIRST) == [FIRST]


def _name(place: Location, file: LakeFile) -> str:
    return file.url.removeprefix(f"{place.url}/")


def test_the_place_of_a_copy_leads_to_its_row(lake: DeltaLake, unions: DuckUnions) -> None:
    put(lake, [FIRST, *(version(user_id=f"u{number}") for number in range(2, 30))])
    put(lake, [SECOND])
    hashes = [each.version.content_hash for each in (FIRST, SECOND)]

    found = unions.located(FIRST.key.batch_id, [W5], "u1", hashes)

    assert sorted((each.version for each in found), key=lambda row: row.key) == [FIRST, SECOND]
    assert {each.file for each in found} == {file.url for file in lake.pin().files()}
    for each in found:
        if each.file.startswith("/"):
            assert row_at(each) == each.version.version.content_hash


def row_at(found: Located) -> object:
    """The content hash of a row, read with pyarrow."""
    return pq.ParquetFile(found.file).read_row_group(found.row_group)["content_hash"][found.row].as_py()


def test_a_row_of_a_later_row_group_is_numbered_within_it(tmp_path: Path) -> None:
    lake = DeltaLake(Folder(tmp_path / "lake"))
    put(lake, [version(user_id=f"u{number:03}") for number in range(300)])
    [file] = lake.pin().files()
    table = pq.ParquetFile(file.url).read()
    pq.write_table(table, file.url, row_group_size=128)
    wanted = version(user_id="u200")

    [found] = DuckUnions(MemoryHot(), lake).located("b1", [W5], "u200", [wanted.version.content_hash])

    assert (found.row_group, found.row, found.version) == (1, 72, wanted)
    assert row_at(found) == wanted.version.content_hash
