"""Folding while another writer adds versions of the same learner."""

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, fold
from tests.properties.interruptions import At, watched
from tests.usecases.test_folding import folded, is_whole, scored


@pytest.mark.parametrize("moment", range(18))
def test_a_version_that_another_writer_adds_during_a_fold_counts(moment: int) -> None:
    hot = MemoryHot()
    folded(hot, scored("t1", 1))
    other = At(moment, lambda: folded(hot, scored("t2", 2)))

    fold([scored("t3", 0)], watched(hot, other), Checks(NoFacts()))

    [summary] = hot.learners(["u1"])["u1"].summaries.values()
    assert (summary.versions, summary.best_score, summary.min_score) == (3, 2, 0)
    assert is_whole(hot)
