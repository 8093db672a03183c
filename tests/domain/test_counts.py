"""A count agrees with its noun."""

import pytest

from assess_core.domain.counts import counted


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_880, "1,880 rows")],
)
def test_a_count_agrees_with_its_noun(number: int, text: str) -> None:
    assert counted(number, "row") == text


def test_a_plural_without_s_and_a_verb_are_given() -> None:
    assert counted(1, "batch", "batches") == "1 batch"
    assert counted(2, "batch", "batches") == "2 batches"
    assert counted(1, "learner is", "learners are") == "1 learner is"
    assert counted(3, "learner is", "learners are") == "3 learners are"
