"""Attempts in order, with their answers, when they are larger than the memory."""

from pathlib import Path

import pytest
from msgspec import structs

from assess_core.adapters.duckdb.memory import MemoryBudget
from assess_core.adapters.duckdb.union import DuckUnion, open_union
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_spec import Report, ReportSpec
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


@pytest.mark.parametrize("at_a_time", [1, 2, 3, 4096])
def test_the_order_does_not_depend_on_how_many_are_read_at_a_time(
    at_a_time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.in_order._AT_A_TIME", at_a_time)
    hot, lake = MemoryHot(), DeltaLake(Folder(tmp_path / "lake"))
    lake_rows = [version(batch_id=batch, user_id=user) for batch in ("b1", "b'2") for user in ("u1", "u2", "u3")]
    newer = version(batch_id="b1", user_id="u2", attempted=ATTEMPTED + WEEK)
    put(lake, lake_rows)
    keep(hot, [newer, lake_rows[0]])
    spec = ReportSpec(report=Report.SCORE, batches=("b1", "b'2"))

    def read(union: DuckUnion) -> list[list[tuple[str, str, int]]]:
        return [
            [key(attempt) for attempt in attempts]
            for attempts in (union.all_attempts(), union.selected(spec), union.all_versions(), union.copies("lake"))
        ]

    with open_union(hot, lake) as union:
        attempts, selected, versions, copies = read(union)

    assert attempts == selected == sorted(key(row) for row in [*lake_rows[:1], newer, *lake_rows[2:]])
    assert versions == sorted(map(key, [*lake_rows, newer]))
    assert copies == sorted(map(key, lake_rows))
