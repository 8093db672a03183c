"""Pages of a batch: the newest version of each attempt from both tiers, at a cost that does not grow with the batch."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from random import Random

import pytest

from assess_core.adapters.duckdb.union import DuckUnion
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptKey, AttemptVersion
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import ReportFailed
from assess_core.ports.hot_store import AttemptRange
from assess_core.ports.lake import Lake
from tests.factories import ATTEMPTED, WEEK, version
from tests.lakes import NASTY, keep, move, put


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return DeltaLake(Folder(tmp_path / "lake"))


def all_pages(unions: DuckUnions, batch_id: str, limit: int, **named: str) -> list[AttemptVersion]:
    """All pages of a batch, one after the other."""
    found: list[AttemptVersion] = []
    after: AttemptKey | None = None
    while page := unions.page(batch_id, AttemptRange(after, limit, **named)):
        assert len(page) <= limit
        found += page
        after = page[-1].key
    return found


def newest_of(rows: Collection[AttemptVersion]) -> list[AttemptVersion]:
    """The newest version of each attempt with its earliest receipt, in the order of keys."""
    newest: dict[AttemptKey, AttemptVersion] = {}
    for row in sorted(rows, key=lambda row: (row.version, -row.received_at)):
        newest[row.key] = row
    return [newest[key] for key in sorted(newest)]


def random_versions(chance: Random) -> list[AttemptVersion]:
    """Versions of few keys in three weeks and two batches, so that most keys have several versions."""
    return [
        version(
            user_id=f"u{chance.randrange(6)}",
            course_id=f"c{chance.randrange(2)}",
            content_id=f"a{chance.randrange(2)}",
            attempt_id=f"t{chance.randrange(3)}",
            batch_id=f"b{chance.randrange(2)}",
            attempted=ATTEMPTED + chance.randrange(3),
            received=ATTEMPTED + 10 + chance.randrange(3) * WEEK,
        )
        for _ in range(120)
    ]


@pytest.mark.long
@pytest.mark.parametrize(("seed", "limit"), [(0, 1), (1, 3), (2, 3), (3, 4), (4, 20), (5, 20), (6, 20)])
def test_pages_hold_the_newest_version_of_each_attempt_from_both_tiers(seed: int, limit: int, lake: Lake) -> None:
    chance, hot = Random(seed), MemoryHot()
    rows = random_versions(chance)
    keep(hot, rows[:70])
    put(lake, rows[50:])
    of_batch = [row for row in rows if row.key.batch_id == "b1"]

    unions = DuckUnions(hot, lake)

    assert all_pages(unions, "b1", limit) == newest_of(of_batch)
    assert all_pages(unions, "b1", limit, course_id="c1", content_id="a0") == newest_of(
        [row for row in of_batch if (row.key.course_id, row.key.content_id) == ("c1", "a0")]
    )


@pytest.mark.parametrize("id_", NASTY, ids=ascii)
def test_a_page_can_begin_after_any_id(id_: str, lake: Lake) -> None:
    rows = [version(user_id=id_, batch_id=id_, attempt_id=f"t{number}") for number in range(3)]
    put(lake, rows)

    assert all_pages(DuckUnions(MemoryHot(), lake), id_, 1) == rows


def test_an_attempt_with_many_versions_counts_as_one_on_a_page(lake: Lake) -> None:
    often = [version(user_id="u1", attempted=ATTEMPTED + number) for number in range(50)]
    put(lake, [*often, version(user_id="u2")])

    page = DuckUnions(MemoryHot(), lake).page("b1", AttemptRange(None, 2))

    assert page == [often[-1], version(user_id="u2")]


# --- rule 4: the hot store first, then the lake ---


class WatchedHot(MemoryHot):
    """Calls `on_read` before the list of slices, and before and after each read of rows."""

    def __init__(self, on_read: Callable[[], None]) -> None:
        super().__init__(shards=2)
        self._on_read = on_read

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        self._on_read()
        assert batch_id is not None, "a page must list only the slices of its batch"
        return super().slices(batch_id=batch_id, weeks=weeks)

    def rows_after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        self._on_read()
        found = super().rows_after(slices, asked)
        self._on_read()
        return found


@pytest.mark.parametrize("step", range(3))
def test_a_page_misses_nothing_if_all_rows_are_archived_and_cleared_during_its_reads(step: int, lake: Lake) -> None:
    rows = [version(user_id=f"u{number}", attempted=ATTEMPTED + number % 3 * WEEK) for number in range(9)]
    steps = iter(range(3))

    def move_at_that_step() -> None:
        if next(steps) == step:
            move(hot, lake, rows)

    hot = WatchedHot(move_at_that_step)
    keep(hot, rows)

    assert DuckUnions(hot, lake).page("b1", AttemptRange(None, 20)) == rows
    assert next(steps, None) is None


# --- cost ---


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows that each query of a page returned."""
    counts: list[int] = []
    query = DuckUnion.rows

    def counted(
        self: DuckUnion, sql: str, parameters: Mapping[str, object] | None = None
    ) -> Iterator[dict[str, object]]:
        rows = list(query(self, sql, parameters))
        counts.append(len(rows))
        return iter(rows)

    monkeypatch.setattr(DuckUnion, "rows", counted)
    return counts


@pytest.mark.parametrize("attempts", [100, 2000])
def test_a_page_of_the_lake_reads_as_many_rows_from_a_large_batch_as_from_a_small_one(
    attempts: int, lake: Lake, read: list[int]
) -> None:
    rows = [version(user_id=f"u{number:05}") for number in range(attempts)]
    put(lake, rows)

    page = DuckUnions(MemoryHot(), lake).page("b1", AttemptRange(rows[49].key, 5))

    assert page == rows[50:55]
    assert read == [40, 40]


def test_a_full_page_of_hot_rows_limits_the_read_of_the_lake(lake: Lake, read: list[int]) -> None:
    hot = MemoryHot()
    rows = [version(user_id=f"u{number:03}") for number in range(100)]
    keep(hot, rows[:3])
    put(lake, rows)

    assert DuckUnions(hot, lake).page("b1", AttemptRange(None, 3)) == rows[:3]
    assert read == [24, 3]


def test_a_page_fails_with_the_name_of_the_damaged_file(lake: Lake) -> None:
    put(lake, [version()])
    damaged = Path(lake.pin().files()[0].url)
    damaged.write_bytes(b"")

    with pytest.raises(ReportFailed, match=damaged.name):
        DuckUnions(MemoryHot(), lake).page("b1", AttemptRange(None, 20))
