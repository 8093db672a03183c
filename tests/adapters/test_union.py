"""The union of both tiers: by key and version, hot store first, also while rows move to the lake."""

import multiprocessing
from collections.abc import Callable, Collection, Iterable, Iterator
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.union import FEW_ROWS, DuckUnion, open_union
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import ReportFailed, StoreUnavailable
from assess_core.ports.lake import Lake
from tests.factories import ATTEMPTED, WEEK, answer, version
from tests.lakes import NASTY, keep, move, put


@pytest.fixture(params=[0, FEW_ROWS], ids=["views of files", "a table of few rows"])
def few_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A union of few rows reads files, like one of many rows, or a table."""
    monkeypatch.setattr("assess_core.adapters.duckdb.union.FEW_ROWS", request.param)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return DeltaLake(Folder(tmp_path / "lake"))


def newest(union: DuckUnion) -> list[tuple[object, ...]]:
    """Attempt, clock, receipt and number of versions of each attempt."""
    counts = {row["content_hash"]: row["versions"] for row in union.rows("SELECT content_hash, versions FROM winners")}
    return [
        (row.key.attempt_id, row.version.last_attempted_on, row.received_at, counts[row.version.content_hash])
        for row in union.all_attempts()
    ]


def hashes(rows: Iterable[AttemptVersion]) -> list[bytes]:
    return sorted(row.version.content_hash for row in rows)


# --- which copy and which version ---


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("older_tier", ["hot", "lake"])
def test_the_newer_version_counts_whether_it_is_hot_or_in_the_lake(older_tier: str, lake: Lake) -> None:
    hot = MemoryHot()
    older, newer = version(attempted=ATTEMPTED), version(attempted=ATTEMPTED + 1)
    keep(hot, [older if older_tier == "hot" else newer])
    put(lake, [newer if older_tier == "hot" else older])

    with open_union(hot, lake) as union:
        assert newest(union) == [("t1", ATTEMPTED + 1, newer.received_at, 2)]


def test_a_newer_clock_counts_even_if_it_was_received_earlier(lake: Lake) -> None:
    hot = MemoryHot()
    late = version(attempted=ATTEMPTED, received=ATTEMPTED + 2 * WEEK)
    newer = version(attempted=ATTEMPTED + 1, received=ATTEMPTED + WEEK)
    keep(hot, [late])
    put(lake, [newer])

    with open_union(hot, lake) as union:
        assert newest(union) == [("t1", ATTEMPTED + 1, newer.received_at, 2)]


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("early_tier", ["hot", "lake"])
def test_if_a_version_was_received_twice_the_earlier_receipt_counts(early_tier: str, lake: Lake) -> None:
    hot = MemoryHot()
    early, late = version(), version(received=ATTEMPTED + 2 * WEEK)
    keep(hot, [early if early_tier == "hot" else late])
    put(lake, [late if early_tier == "hot" else early])

    with open_union(hot, lake) as union:
        assert newest(union) == [("t1", ATTEMPTED, early.received_at, 1)]
        assert [row["week"] for row in union.rows("SELECT week FROM versions")] == [early.slice.week.week]


def test_at_equal_clocks_a_version_with_answers_is_newer_for_any_hash(lake: Lake) -> None:
    hot = MemoryHot()
    attempts = [f"t{number}" for number in range(8)]  # for some attempts the empty version has the higher hash
    keep(hot, [version(attempt_id=attempt, answers=[]) for attempt in attempts])
    put(lake, [version(attempt_id=attempt) for attempt in attempts])

    with open_union(hot, lake) as union:
        assert [
            row["tier"]
            for row in union.rows("SELECT tier FROM placed JOIN winners USING (file_index, file_row_number)")
        ] == ["lake"] * 8


@pytest.mark.usefixtures("few_rows")
def test_at_equal_clocks_with_answers_the_higher_hash_is_newer(lake: Lake) -> None:
    hot = MemoryHot()
    rows = [version(answers=[answer(score=score)]) for score in (0.0, 0.5, 1.0)]
    keep(hot, rows[:1])
    put(lake, rows[1:])

    with open_union(hot, lake) as union:
        assert hashes(union.all_attempts()) == [max(row.version.content_hash for row in rows)]
        assert newest(union) == [("t1", ATTEMPTED, rows[0].received_at, 3)]


@pytest.mark.usefixtures("few_rows")
def test_a_row_in_both_tiers_and_twice_in_the_lake_is_one_version(lake: Lake) -> None:
    hot, row = MemoryHot(), version()
    keep(hot, [row])
    put(lake, [row])
    put(lake, [row])

    with open_union(hot, lake) as union:
        copies = [*union.copies("hot"), *union.copies("lake")]
        assert [len(copies), len(list(union.all_versions())), len(list(union.all_attempts()))] == [3, 1, 1]
        assert newest(union) == [("t1", ATTEMPTED, row.received_at, 1)]


@pytest.mark.usefixtures("few_rows")
def test_each_row_has_the_lakes_columns_and_its_tier(lake: Lake) -> None:
    hot = MemoryHot()
    keep(hot, [version(attempt_id="t1")])
    put(lake, [version(attempt_id="t2")])

    with open_union(hot, lake) as union:
        columns = {row["column_name"] for row in union.rows("DESCRIBE FROM placed")}
        tiers = [row["tier"] for row in union.rows("SELECT tier FROM placed ORDER BY attempt_id")]

    assert columns >= {*LAKE_SCHEMA.names, "tier"}
    assert tiers == ["hot", "lake"]


@pytest.mark.usefixtures("few_rows")
def test_a_row_reads_the_same_from_either_tier(lake: Lake) -> None:
    row = version(answers=[answer("q1", assess_ts=None), answer("q2\0", score=-0.1)], user_id="u\0'\n")
    hot, no_rows = MemoryHot(), MemoryHot()
    keep(hot, [row])
    put(lake, [row])
    sql = "SELECT * EXCLUDE (tier, file_index, file_row_number) FROM placed"

    with open_union(hot, lake, weeks=[]) as nothing, open_union(no_rows, lake) as cold:
        assert list(nothing.rows(sql)) == []
        (from_lake,) = cold.rows(sql)
    with open_union(hot, DeltaLake(Folder(Path("none")))) as warm:
        (from_hot,) = warm.rows(sql)

    assert from_hot == from_lake


# --- which rows and files are read ---


@pytest.mark.parametrize("batch_id", NASTY, ids=ascii)
def test_a_batch_with_any_id_is_read_without_other_batches(batch_id: str, lake: Lake) -> None:
    hot = MemoryHot()
    keep(hot, [version(batch_id=batch_id, attempt_id="t1"), version(batch_id="b1", attempt_id="t2")])
    put(lake, [version(batch_id=batch_id, attempt_id="t3"), version(batch_id="b1", attempt_id="t4")])

    with open_union(hot, lake, batches=[batch_id]) as union:
        rows = list(union.rows("SELECT batch_id, attempt_id FROM placed ORDER BY attempt_id"))

    assert rows == [{"batch_id": batch_id, "attempt_id": "t1"}, {"batch_id": batch_id, "attempt_id": "t3"}]


def test_files_of_other_weeks_are_not_read(lake: Lake) -> None:
    hot = MemoryHot()
    mine, other = version(attempt_id="t1"), version(attempt_id="t2", attempted=ATTEMPTED + WEEK)
    put(lake, [mine, other])
    keep(hot, [version(attempt_id="t3", attempted=ATTEMPTED + WEEK)])
    for file in lake.pin().files([other.slice.week]):
        Path(file.url).unlink()

    with open_union(hot, lake, weeks=[mine.slice.week]) as union:
        assert [row[0] for row in newest(union)] == ["t1"]


def test_an_open_union_reads_no_file_without_rows_of_its_batches(lake: Lake) -> None:
    put(lake, [version(attempt_id="t1"), version(batch_id="b2", attempt_id="t2")])
    put(lake, [version(batch_id="b2", attempt_id="t3")])
    put(lake, [version(attempt_id="t4")])
    both, other, mine = (
        Path(file.url) for file in sorted(lake.pin().files(), key=lambda file: Path(file.url).stat().st_mtime_ns)
    )

    with open_union(MemoryHot(), lake, batches=["b1"]) as union:
        other.unlink()

        assert sorted(str(row[0]) for row in newest(union)) == ["t1", "t4"]
        assert {Path(file.name).name for file in union.lake_files()} == {both.name, mine.name}


@pytest.mark.usefixtures("few_rows")
def test_without_any_row_nothing_is_found(lake: Lake) -> None:
    with open_union(MemoryHot(), lake) as union:
        assert union.lake_version == -1
        found = [*union.copies("hot"), *union.copies("lake"), *union.all_versions(), *union.all_attempts()]
        assert found == []


@pytest.mark.usefixtures("few_rows")
def test_queries_can_overlap(lake: Lake) -> None:
    hot = MemoryHot()
    keep(hot, [version(attempt_id=f"t{number:04}") for number in range(1500)])

    with open_union(hot, lake) as union:
        first = union.rows("SELECT attempt_id FROM placed ORDER BY attempt_id")
        head = next(first)
        list(union.rows("SELECT 'another' AS attempt_id"))
        rest = list(first)

    assert [row["attempt_id"] for row in (head, *rest)] == [f"t{number:04}" for number in range(1500)]


# --- rule 4: the hot store is read to its end, then the lake is pinned ---


class WatchedHot(MemoryHot):
    """Calls `on_read` before the list of slices is read, and before each shard and each end of a shard."""

    def __init__(self, on_read: Callable[[], None]) -> None:
        super().__init__(shards=2)
        self._on_read = on_read

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        self._on_read()
        return super().slices(batch_id=batch_id, weeks=weeks)

    def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> list[Iterator[pa.RecordBatch]]:
        return [self._watched(shard) for shard in super().scan(slice_, answers=answers)]

    def _watched(self, shard: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self._on_read()
        yield from shard
        self._on_read()


ROWS = [
    version(user_id=f"u{number % 3}", attempt_id=f"t{number}", attempted=ATTEMPTED + number % 4 * WEEK)
    for number in range(12)
]
READS = 17  # the list of slices, and before and after each of 2 shards of 4 slices (the last one is before the pin)


@pytest.mark.parametrize("step", range(READS + 1))
def test_a_reader_misses_nothing_if_all_rows_are_archived_and_cleared_during_its_reads(step: int, lake: Lake) -> None:
    """At one step of the reader all rows move to the lake: before, within or after its read of the hot store."""
    steps = iter(range(READS + 1))

    def move_at_that_step() -> None:
        if next(steps) == step:
            move(hot, lake, ROWS)

    hot = WatchedHot(move_at_that_step)
    keep(hot, ROWS)

    with open_union(hot, lake) as union:
        move_at_that_step()
        assert hashes(union.all_attempts()) == sorted(row.version.content_hash for row in ROWS)

    assert next(steps, None) is None


def test_a_reader_misses_nothing_while_a_row_moves_at_every_step(lake: Lake) -> None:
    left = sorted(ROWS, key=lambda row: row.slice)

    def move_one() -> None:
        if left:
            move(hot, lake, [left.pop()])

    hot = WatchedHot(move_one)
    keep(hot, ROWS)

    with open_union(hot, lake) as union:
        assert hashes(union.all_attempts()) == sorted(row.version.content_hash for row in ROWS)
    assert not left


def _move_slice_by_slice(home: Path, reads: Semaphore) -> None:
    hot, lake = SqliteHot(f"sqlite:///{home / 'hot.sqlite'}"), DeltaLake(Folder(home / "lake"))
    for slice_ in sorted({row.slice for row in ROWS}):
        reads.acquire()  # a read began
        move(hot, lake, [row for row in ROWS if row.slice == slice_])


def test_reports_miss_nothing_while_another_process_archives_and_clears(tmp_path: Path) -> None:
    hot, lake = SqliteHot(f"sqlite:///{tmp_path / 'hot.sqlite'}"), DeltaLake(Folder(tmp_path / "lake"))
    keep(hot, ROWS)
    everything = sorted(row.version.content_hash for row in ROWS)
    spawn = multiprocessing.get_context("spawn")
    reads = spawn.Semaphore(0)
    mover = spawn.Process(target=_move_slice_by_slice, args=(tmp_path, reads))

    mover.start()
    seen: list[list[bytes]] = []
    moved: set[int] = set()
    while mover.is_alive() or not seen:
        moved.add(lake.pin().version)
        reads.release()
        with open_union(hot, lake) as union:
            seen.append(hashes(union.all_attempts()))
    mover.join()

    assert mover.exitcode == 0
    assert sum(hot.counts(hot.slices()).values()) == 0
    assert all(hashes_ == everything for hashes_ in seen)
    assert len(moved) > 2  # reads happened between the moves


# --- unreadable data ---


def _delete(path: Path) -> None:
    path.unlink()


def _replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _overwrite(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:4] + b"\xff" * 400 + raw[404:])


def _replace_by_another_table(path: Path) -> None:
    pq.write_table(pa.table({"batch_id": ["b1"]}), path)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("batches", [None, ["b1"]])
@pytest.mark.parametrize("damage", [_delete, _replace_by_a_folder, _empty, _cut, _overwrite, _replace_by_another_table])
def test_a_reader_fails_with_the_name_of_the_unreadable_file(
    damage: Callable[[Path], None], batches: list[str] | None, lake: Lake
) -> None:
    put(lake, [version(attempt_id="t1")])
    put(lake, [version(attempt_id="t2")])
    damaged = Path(lake.pin().files()[1].url)
    damage(damaged)

    with (
        pytest.raises(ReportFailed, match="restore") as failed,
        open_union(MemoryHot(), lake, batches=batches) as union,
    ):
        list(union.rows("SELECT * FROM placed"))

    assert damaged.name in str(failed.value)


def test_hot_rows_can_spill_to_a_folder_with_any_name(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's [a] *?"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    hot = MemoryHot()
    keep(hot, [version()])

    with open_union(hot, lake) as union:
        assert len(hashes(union.all_attempts())) == 1
    assert list(folder.iterdir()) == []


def test_an_error_of_the_hot_store_reaches_the_reader_unchanged(lake: Lake) -> None:
    def fail() -> None:
        raise StoreUnavailable("the cluster is away; try again later")

    hot = WatchedHot(fail)

    with pytest.raises(StoreUnavailable, match="the cluster is away"), open_union(hot, lake):
        pass


def test_an_invalid_query_raises_the_error_of_duckdb(lake: Lake) -> None:
    with open_union(MemoryHot(), lake) as union, pytest.raises(Exception, match="no_such_column"):
        list(union.rows("SELECT no_such_column FROM placed"))
