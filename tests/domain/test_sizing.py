"""The arithmetic from learners to an installation."""

from pathlib import Path

import pytest

from assess_cli.size import figure
from assess_core.domain.sizing import Platform, Prices, plan

PAGE = Path(__file__).parents[2] / "docs" / "sizing.md"


def planned(platform: Platform, prices: Prices | None = None) -> dict[str, float]:
    return {line.what: line.value for line in plan(platform, prices)}


def test_twice_the_learners_need_twice_of_everything_but_the_least_number_of_nodes() -> None:
    once, twice = planned(Platform(10**6)), planned(Platform(2 * 10**6))

    assert once.pop("Cassandra, nodes") == twice.pop("Cassandra, nodes") == 3
    assert twice == pytest.approx({what: 2 * value for what, value in once.items()})


def test_a_million_learners_with_20_attempts_have_20_million_attempts_of_which_three_weeks_stay_in_the_hot_store() -> (
    None
):
    found = planned(Platform(10**6, attempts=20, copies=3))

    assert found["attempts a year"] == 20e6
    assert found["Cassandra, attempts"] == pytest.approx(20e6 * 3 / 52 * 1950 * 3 / 1e9)
    assert found["lake, all years"] == pytest.approx(20e6 * 5 * 500 / 1e9)


def test_nodes_follow_the_bytes_the_cores_and_the_copies() -> None:
    assert planned(Platform(1, copies=5))["Cassandra, nodes"] == 5
    assert planned(Platform(50 * 10**6))["Cassandra, nodes"] == 9  # 4.1 TB, twice, on nodes of 1 TB
    busy = planned(Platform(10**6, attempts=10_000, answers=100, years=1))
    assert busy["Cassandra, nodes"] >= busy["Cassandra, cores"] / 8


def test_twice_the_answers_need_twice_the_bytes_of_attempts_and_the_same_of_scores() -> None:
    ten, twenty = planned(Platform(10**6)), planned(Platform(10**6, answers=20))

    assert twenty["lake, all years"] == pytest.approx(2 * ten["lake, all years"])
    assert twenty["Cassandra, scores of all years"] == ten["Cassandra, scores of all years"]


def test_the_cost_is_the_sum_of_cores_disks_and_objects() -> None:
    only_lake = planned(Platform(10**6), Prices(0, 0, 2))
    assert only_lake["cost a month, last year"] == pytest.approx(2 * only_lake["lake, all years"])
    assert "cost a month, last year" not in planned(Platform(10**6))


def test_the_table_of_the_docs_has_these_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for lines in zip(*(plan(Platform(learners)) for learners in (10**5, 10**6, 10**7, 5 * 10**7)), strict=True):
        cells = " | ".join(f"{figure(line.value)} {line.unit}".rstrip() for line in lines)
        assert f"| {lines[0].what} | {cells} |\n" in page
