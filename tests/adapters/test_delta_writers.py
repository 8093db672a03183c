"""Several writers of one lake, in a folder and in a bucket, and a full disk."""

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Final

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.moments import DAY
from assess_core.errors import LakeConflict
from assess_core.usecases.archiving import archive, verify
from tests.adapters.test_delta import ROOT, W5, reader
from tests.factories import version
from tests.forked import Forked
from tests.lakes import copies_of, five_versions, held, keep, put, stores_over
from tests.loop import NOW
from tests.places import Store

APPEND: Final = """
import sys, time
from pathlib import Path
from assess_core.adapters.lake.delta import DeltaLake
from tests.factories import version
from tests.places import at
from tests.adapters.test_delta import reader
folder, place, me = Path(sys.argv[1]), at(sys.argv[2]), sys.argv[3]
row = version(batch_id=f"b{me}")
for n in range(3):
    lake, rows = DeltaLake(place.within(f"lake-{n}")), reader(row)
    pinned = lake.pin()
    (folder / f"ready-{n}-{me}").touch()
    while len(list(folder.glob(f"ready-{n}-*"))) < 3:
        time.sleep(0.001)
    lake.append(pinned, [row.slice], rows)
"""


@pytest.mark.long
def test_a_lake_that_several_processes_create_at_the_same_time_is_created_once(place: Location, tmp_path: Path) -> None:
    command = ["-c", APPEND, str(tmp_path), place.url]
    workers = [Forked[bytes]([*command, str(me)], cwd=ROOT) for me in range(3)]

    assert [process.wait(120) for process in workers] == [0, 0, 0]

    for lake in (place.within(f"lake-{n}") for n in range(3)):
        assert held(DeltaLake(lake)) == copies_of(version(batch_id=f"b{me}") for me in range(3))
        log = [name for name in Store(lake).names() if re.fullmatch(r"attempts/_delta_log/\d+\.json", name)]
        assert [b'"metaData"' in Store(lake).read(name) for name in log] == [True, False, False, False]


def test_only_one_of_eight_writers_that_pinned_the_same_lake_appends_a_slice(place: Location) -> None:
    put(DeltaLake(place), [version(user_id="u0")])
    together = Barrier(8)

    def write(_: int) -> bool:
        lake = DeltaLake(place)
        pinned = lake.pin()
        together.wait(60)
        try:
            lake.append(pinned, [W5], reader(version()))
        except LakeConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(8))) == [False] * 7 + [True]

    assert held(DeltaLake(place)) == copies_of([version(user_id="u0"), version()])


def test_eight_archivers_of_one_slice_write_each_version_once(place: Location, tmp_path: Path) -> None:
    hot = SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}?shards=2")
    keep(hot, rows := five_versions())
    stores = stores_over(hot, tmp_path)
    together = Barrier(8)

    def run(_: int) -> None:
        own = stores._replace(lake=DeltaLake(place))
        together.wait(60)
        archive([W5], own, NOW)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))

    assert held(DeltaLake(place)) == copies_of(rows)
    assert verify([W5], stores._replace(lake=DeltaLake(place)), NOW)[W5].problem is None


FULL: Final = """
import resource, sys
from pathlib import Path
from assess_core.errors import StoreUnavailable
from assess_core.adapters.memory import MemoryHot
from assess_core.usecases.archiving import archive
from tests.factories import version
from tests.lakes import keep, stores_over
stores = stores_over(MemoryHot(), Path(sys.argv[1]))
keep(stores.hot, [version(user_id="u2")])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    archive(stores.hot.slices(), stores, 0)
except StoreUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("room", "first", "advice"),
    [
        (0, "there is no room for temporary files", "free some, or set TMPDIR to another folder"),
        (1000, "the lake at ", "see that the folder can be written and has room, then run it again"),
    ],
    ids=["no room at all", "no room for a file of the lake"],
)
def test_a_full_disk_is_reported_and_changes_nothing(tmp_path: Path, room: int, first: str, advice: str) -> None:
    lake = DeltaLake(Folder(tmp_path / "lake"))
    put(lake, [version()])

    command = [sys.executable, "-c", FULL, str(tmp_path), str(room)]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout

    assert output.startswith(first)
    assert output.rstrip().endswith(advice)
    assert held(lake) == copies_of([version()])
    put(lake, [version(user_id="u2")])
    assert sum(held(lake).values()) == 2


@pytest.mark.long
def test_a_checkpoint_drops_the_transactions_of_old_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = DeltaLake(Folder(tmp_path))
    now = time.time_ns()
    for day in range(41):
        monkeypatch.setattr(time, "time_ns", lambda day=day: now - (40 - day) * DAY * 1_000_000)
        put(lake, [version(batch_id=f"b{day}")])

    [*_, newest] = sorted((tmp_path / "attempts" / "_delta_log").glob("*.checkpoint.parquet"))
    kept = [row["appId"] for row in pq.read_table(newest, columns=["txn"])["txn"].to_pylist() if row]

    assert len(kept) <= 8  # of 40 days, those of the last week
    assert "b38|2024-W05" in kept


def test_a_table_of_an_earlier_version_gets_the_configuration_of_a_new_one(tmp_path: Path) -> None:
    lake = DeltaLake(Folder(tmp_path))
    put(lake, [version()])
    table = DeltaTable(tmp_path / "attempts")
    table.alter.set_table_properties({"delta.setTransactionRetentionDuration": "interval 100 weeks"})

    assert lake.upgrade() == ["attempts"]

    configuration = DeltaTable(tmp_path / "attempts").metadata().configuration
    assert configuration["delta.setTransactionRetentionDuration"] == "interval 7 days"
    assert configuration["delta.deletedFileRetentionDuration"] == "interval 90 days"
    put(lake, [version(attempt_id="t2")])
    assert len(held(lake)) == 2
