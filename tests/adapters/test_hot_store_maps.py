"""The contract of every hot store, continued: sizes of maps, and entries written with summaries."""

import pytest

from assess_core.domain.scores import Entry, derive
from tests.adapters.test_hot_store import SUMMARY, put, summary
from tests.conftest import Hot
from tests.factories import version


def test_the_size_of_each_map_of_a_learner_is_counted(hot: Hot) -> None:
    put(hot, version(attempt_id="t1"), version(attempt_id="t2"), version(content_id="a2"), version(user_id="u2"))

    assert hot.map_sizes(["u1", "nobody"]) == {SUMMARY: 2, SUMMARY._replace(assessment_id="a2"): 1}
    assert hot.map_sizes([]) == {}


def test_a_summary_without_map_entries_has_no_size(hot: Hot) -> None:
    hot.put_summaries([summary(versions=1)])

    assert hot.map_sizes(["u1"]) == {}


@pytest.mark.parametrize("count", [1, 3, 250])
def test_entries_and_summaries_are_written_together(hot: Hot, count: int) -> None:
    rows = [version(user_id=user_id, attempt_id=f"t{n}") for user_id in ("u1", "u2") for n in range(count)]
    entries = [Entry.of(row) for row in rows]
    derived = derive(entries).summaries

    hot.add_entries(entries[:count], list(derived.values()))  # a summary of u2 without entries of u2

    assert hot.learners(["u1", "u2"])["u1"].summaries == {SUMMARY: derived[SUMMARY]}
    assert hot.map_sizes(["u1", "u2"]) == {SUMMARY: count}
    hot.add_entries(entries[count:])
    assert {
        key: found for one in hot.learners(["u1", "u2"]).values() for key, found in one.summaries.items()
    } == derived
