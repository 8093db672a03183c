"""The contract of `ports.CorrectedTotalsTable`, in every hot store."""

from assess_core.domain.corrected_scores import CorrectedTotals
from assess_core.domain.corrections import Totals
from tests.adapters.test_hot_store import ODD
from tests.conftest import Hot


def row(user_id: str = "u1", version: int = 1, corrections: int = 1, score: float = 1.5) -> CorrectedTotals:
    return CorrectedTotals(user_id, bytes([version] * 16), bytes([corrections] * 16), Totals(score, 2.0))


def test_rows_of_learners_are_read_by_content_hash(hot: Hot) -> None:
    rows = [row(), row(version=2), row(ODD, 3, score=-0.0), row("u3", 4)]
    hot.corrected_totals.put(rows)
    hot.corrected_totals.put([])

    assert hot.corrected_totals.of(["u1", ODD, "unknown"]) == {each.content_hash: each for each in rows[:3]}
    assert hot.corrected_totals.of([]) == {}


def test_a_row_replaces_that_of_the_same_version(hot: Hot) -> None:
    for corrections in (1, 3, 2):
        hot.corrected_totals.put([row(corrections=corrections, score=float(corrections))])

    assert hot.corrected_totals.of(["u1"]) == {row().content_hash: row(corrections=2, score=2.0)}


def test_rows_of_more_learners_than_one_statement_has_are_found(hot: Hot) -> None:
    rows = [row(f"u{number}", number % 256) for number in range(130)]
    hot.corrected_totals.put(rows)

    assert len(hot.corrected_totals.of([each.user_id for each in rows])) == 130


def test_rows_written_in_a_transaction_that_fails_do_not_stay_where_there_are_transactions(hot: Hot) -> None:
    try:
        with hot.transaction() as alone:
            hot.corrected_totals.put([row()])
            raise ValueError
    except ValueError:
        assert bool(hot.corrected_totals.of(["u1"])) is not alone
