"""Which views of a union a statement reads, and what the numbers of a batch count."""

from pathlib import Path

import pytest

from assess_core.adapters.duckdb.union import FEW_ROWS
from assess_core.adapters.duckdb.views import views_of
from assess_core.adapters.memory import MemoryHot
from assess_core.ports.reports import WeekNumbers
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, version
from tests.lakes import keep, put, stores_over


@pytest.mark.parametrize(
    ("sql", "views"),
    [
        ("SELECT 1 AS versions", []),
        ("SELECT tier FROM placed", []),
        ("FROM versions", ["versions"]),
        ("SELECT count(*) FROM winners, (SELECT 1)", ["winners"]),
        ("FROM versions JOIN winners USING (user_id)", ["versions", "winners"]),
    ],
)
def test_a_statement_needs_the_views_that_it_reads(sql: str, views: list[str]) -> None:
    assert views_of(sql) == views


@pytest.mark.parametrize("few_rows", [0, FEW_ROWS], ids=["views of files", "a table of few rows"])
def test_a_version_that_was_received_twice_counts_once_and_in_its_first_week(
    few_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assess_core.adapters.duckdb.union.FEW_ROWS", few_rows)
    stores = stores_over(MemoryHot(), tmp_path)
    newer = version(attempted=ATTEMPTED + WEEK, received=RECEIVED + WEEK, answers=[answer(score=2.0)])
    put(stores.lake, [version(received=RECEIVED + 2 * WEEK), newer])
    keep(stores.hot, [version(received=RECEIVED)])

    with stores.union(batches=["b1"]) as union:
        numbers, weeks = union.batch_numbers(), union.week_numbers()

    assert (numbers.attempts, numbers.versions, numbers.sum_of_scores) == (1, 2, 2.0)
    assert (numbers.first_received, numbers.last_received) == (RECEIVED, RECEIVED + WEEK)
    assert weeks == [WeekNumbers(2024, 5, 0, 1), WeekNumbers(2024, 6, 1, 1)]
