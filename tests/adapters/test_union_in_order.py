"""Attempts in order, with their answers, when they are larger than the memory."""

from pathlib import Path

import duckdb
import pytest
from msgspec import structs

from assess_core.adapters.duckdb import in_order
from assess_core.adapters.duckdb.memory import MemoryBudget
from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from tests.factories import ATTEMPTED, WEEK, answer, version
from tests.lakes import keep, put


def key(found: AttemptVersion) -> tuple[str, str, int]:
    return found.key.batch_id, found.key.user_id, found.version.last_attempted_on


@pytest.mark.long
def test_attempts_larger_than_the_memory_are_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(150_000_000))
    hot, lake = MemoryHot(), DeltaLake(Folder(tmp_path / "lake"))
    long_answer = structs.replace(answer(), title="x" * 20_000)
    rows = [
        version(batch_id=f"b{number % 3}", user_id=f"u{number * 7919 % 10_007:05}", answers=[long_answer])
        for number in range(4_500)
    ]
    put(lake, rows[:2_000])
    keep(hot, rows[2_000:])

    with open_union(hot, lake) as union:
        found = [key(attempt) for attempt in union.all_attempts()]

    assert found == sorted(map(key, rows))


@pytest.mark.parametrize("most", [1, 3, 4, 100])
def test_every_order_is_the_same_however_many_fit_into_the_memory(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = in_order.fetched

    def fetched_if_it_fits(duck: duckdb.DuckDBPyConnection, these: str) -> list[dict[str, object]]:
        rows = fetched(duck, these)
        if len(rows) > most:
            raise duckdb.OutOfMemoryException
        return rows

    monkeypatch.setattr(in_order, "fetched", fetched_if_it_fits)
    monkeypatch.setattr("assess_core.adapters.duckdb.union.FEW_ROWS", 0)  # read files, as for many rows
    hot, lake = MemoryHot(), DeltaLake(Folder(tmp_path / "lake"))
    ids = [(batch_id, user_id) for batch_id in ("b1", "b'2", "b\0{}") for user_id in ("u1", 'u"2', "u%$3")]
    old = [version(batch_id=b, user_id=u, answers=[answer(score=float(n))]) for n, (b, u) in enumerate(ids)]
    newer = version(batch_id="b1", user_id="u1", attempted=ATTEMPTED + WEEK)
    put(lake, old)
    keep(hot, [newer, old[3]])

    with open_union(hot, lake) as union:
        attempts, versions = list(union.all_attempts()), list(union.all_versions())
        picked = list(union.selected(ReportSpec(report=Report.SCORE, batches=tuple({batch for batch, _ in ids}))))
        hot_copies, lake_copies = list(union.copies("hot")), list(union.copies("lake"))

    assert attempts == picked == sorted([newer, *old[1:]], key=key)
    assert versions == sorted([newer, *old], key=key)
    assert hot_copies == sorted([newer, old[3]], key=key)
    assert lake_copies == sorted(old, key=key)


def test_two_readers_of_a_union_do_not_disturb_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_order, "_AT_A_TIME", 2)
    hot, lake = MemoryHot(), DeltaLake(Folder(tmp_path / "lake"))
    rows = [version(user_id=f"u{number}") for number in range(7)]
    put(lake, rows)

    with open_union(hot, lake) as union:
        left_early = union.all_versions()
        next(left_early)
        pairs = list(zip(union.all_attempts(), union.copies("lake"), strict=True))

    assert pairs == [(row, row) for row in rows]


def test_too_little_memory_is_not_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hot, lake = MemoryHot(), DeltaLake(Folder(tmp_path / "lake"))
    titles = [f"{number:03}" * 40_000 for number in range(900)]
    put(lake, [version(user_id=f"u{title[:3]}", answers=[structs.replace(answer(), title=title)]) for title in titles])
    slices = [ArchiveSlice.of("b1", ATTEMPTED)]
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(40_000_000))

    with pytest.raises(StoreUnavailable, match="no room"), open_union(hot, lake) as union:
        list(union.all_attempts())
    with pytest.raises(StoreUnavailable, match="memory"), lake.copies(lake.pin(), slices, proved=True):
        pass
