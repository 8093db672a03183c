"""Archive, verify and clear: killed at any point, and run by several processes at the same time."""

import signal
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.manifest import Action, ManifestEntry
from assess_core.domain.moments import DAY
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.lake import Pinned
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from tests.factories import version
from tests.forked import Forked
from tests.lakes import copies_of, five_versions, held, keep, stores_over
from tests.loop import NOW, put_away
from tests.properties.interruptions import NEVER, Crash, Fuse

ROOT: Final = Path(__file__).parents[2]
W5: Final = ArchiveSlice.parse("b1|2024-W05")


class DeadlyLake(DeltaLake):
    """Calls `boundary` before each effect, and while rows are read for an append."""

    def __init__(self, folder: Path, boundary: Callable[[], None]) -> None:
        super().__init__(Folder(folder))
        self._boundary = boundary

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        def some() -> Iterator[pa.RecordBatch]:
            for batch in rows:
                self._boundary()
                yield batch

        self._boundary()
        return super().append(pinned, slices, pa.RecordBatchReader.from_batches(rows.schema, some()))

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        self._boundary()
        super().record(entries)


def all_versions() -> list[AttemptVersion]:
    """Two slices of one week."""
    return [*five_versions()[:3], version(batch_id="b2")]


def hashes_in_either_tier(stores: Stores) -> set[bytes]:
    """The content hashes in the hot store or the lake."""
    hot = [row.version.content_hash for row in all_versions() if stores.hot.get([row.row_key])]
    return {*hot, *(hash_ for hash_, _ in held(stores.lake))}


KILL_POINTS: Final = 10
"""The boundaries of an undisturbed round: append and its rows, three manifest records, four deleted rows."""


def run_until_killed(folder: Path, boundaries: int) -> tuple[Stores, Fuse]:
    """Kills a round of archive, verify and clear after this many boundaries. Returns the stores as they are then."""
    fuse = Fuse()
    stores = stores_over(MemoryHot(on_write=fuse), folder)
    keep(stores.hot, all_versions())
    fuse.left, fuse.calls = boundaries, 0
    with suppress(Crash):
        put_away(stores._replace(lake=DeadlyLake(folder / "lake", fuse)))
    fuse.left = NEVER
    return stores, fuse


@pytest.mark.long
@pytest.mark.parametrize("boundaries", range(KILL_POINTS))
def test_a_round_killed_at_any_point_loses_nothing_and_the_next_round_completes_it(
    tmp_path: Path, boundaries: int
) -> None:
    stores, fuse = run_until_killed(tmp_path, boundaries)
    assert fuse.calls == boundaries
    assert hashes_in_either_tier(stores) == {row.version.content_hash for row in all_versions()}

    put_away(stores)

    assert held(stores.lake) == copies_of(all_versions())
    assert [view.status for view in slice_views(stores, NOW, DAY, None)] == ["cleared"] * 2
    assert all(view.cleared_at for view in slice_views(stores, NOW, DAY, None))
    assert not any(stores.hot.counts(stores.hot.slices()).values())


def test_an_undisturbed_round_has_exactly_the_tested_kill_points(tmp_path: Path) -> None:
    stores, fuse = run_until_killed(tmp_path, NEVER)

    assert fuse.calls == KILL_POINTS
    assert not any(stores.hot.counts(stores.hot.slices()).values())


def test_an_archive_whose_hot_store_fails_midway_reports_the_error_and_writes_nothing(tmp_path: Path) -> None:
    class Failing(MemoryHot):
        def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> list[Iterator[pa.RecordBatch]]:
            if slice_.batch_id == "b2":
                raise StoreUnavailable("the hot store did not answer; run it again")
            return super().scan(slice_, answers=answers)

    stores = stores_over(Failing(), tmp_path)
    keep(stores.hot, [version(user_id=f"u{n}") for n in range(20_000)])
    keep(stores.hot, [version(batch_id="b2")])

    with pytest.raises(StoreUnavailable, match=r"^the hot store did not answer; run it again$"):
        archive(stores.hot.slices(), stores, NOW)

    assert held(stores.lake) == {}
    assert stores.lake.manifest() == []


# --- real processes ---

WORKER: Final = """
import os, signal, sys, time
from pathlib import Path
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.errors import LakeConflict
from assess_core.adapters.lake import copies
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.sqlite.hot_store import SqliteHot
from tests.lakes import stores_over
from tests.loop import NOW

folder, task, me, others = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
hot = SqliteHot(f"sqlite:///{folder}/hot.sqlite")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def wait_for_the_others():
    (folder / f"ready-{me}").touch()
    while len(list(folder.glob("ready-*"))) < others:
        time.sleep(0.005)

class Lake(DeltaLake):
    conflicts = appends = 0

    def append(self, pinned, slices, rows):
        if task == "archive" and not self.appends:
            wait_for_the_others()
        if task == "die while appending":
            rows = rows.from_batches(rows.schema, (die() for _ in rows))
        self.appends += 1
        try:
            return super().append(pinned, slices, rows)
        except LakeConflict:
            self.conflicts += 1
            raise

stores = stores_over(hot, folder)._replace(lake=Lake(Folder(folder / "lake")))
slices = hot.slices()
if task in ("archive", "die while appending"):
    archive(slices, stores, NOW)
    print(stores.lake.conflicts)
else:
    copies._DELETED = 2  # the rows of a transaction: the process dies in the second one
    delete, calls = hot.delete, iter([False, True])

    def delete_and_maybe_die(keys):
        deleted = delete(keys)
        return die() if next(calls) else deleted

    hot.delete = delete_and_maybe_die
    clear(slices, stores, NOW)
"""


def worker(folder: Path, task: str, me: int = 0, others: int = 1) -> "subprocess.Popen[str]":
    command = ["-c", WORKER, str(folder), task, str(me), str(others)]
    return Forked(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    made = stores_over(SqliteHot(f"sqlite:///{tmp_path}/hot.sqlite"), tmp_path)
    keep(made.hot, all_versions())
    return made


@pytest.mark.long
def test_archivers_that_run_at_the_same_time_write_each_version_once(stores: Stores, tmp_path: Path) -> None:
    workers = [worker(tmp_path, "archive", me, others=3) for me in range(3)]
    conflicts = [process.communicate(timeout=120)[0] for process in workers]

    assert [process.returncode for process in workers] == [0, 0, 0]
    assert sum(map(int, conflicts)) >= 2, (
        "all archivers read the same empty lake, so at least two commits must conflict"
    )
    assert held(stores.lake) == copies_of(all_versions())
    assert {entry.contents for entry in stores.lake.manifest() if entry.slice == W5} == {
        archive([W5], stores, NOW)[W5].contents
    }


def test_an_archiver_killed_while_it_writes_commits_nothing(stores: Stores, tmp_path: Path) -> None:
    process = worker(tmp_path, "die while appending")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert held(stores.lake) == {}

    assert put_away(stores) == len(all_versions())

    assert held(stores.lake) == copies_of(all_versions())


def test_a_clear_killed_while_it_deletes_is_completed_by_the_next_clear(stores: Stores, tmp_path: Path) -> None:
    archive(stores.hot.slices(), stores, NOW)
    verify(stores.hot.slices(), stores, NOW)
    process = worker(tmp_path, "die while deleting")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    remaining = sum(stores.hot.counts(stores.hot.slices()).values())
    assert remaining == len(all_versions()) - 2  # those of the first transaction
    assert Action.CLEARED not in {entry.action for entry in stores.lake.manifest()}

    done = clear(stores.hot.slices(), stores, NOW)

    assert sum(cleared.cleared for cleared in done.values()) == remaining
    assert held(stores.lake) == copies_of(all_versions())
    assert [view.status for view in slice_views(stores, NOW, DAY, None)] == ["cleared"] * 2
