"""Folding a batch of events into the hot store."""

from itertools import permutations

import pytest

from assess_core.adapters.arrow.rows import from_batch
from assess_core.adapters.files.facts import JsonFacts
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import Accepted, Decoded, decode
from assess_core.domain.reasons import Reason
from assess_core.domain.scores import ActivityKey, SummaryKey, derive
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.facts import NoFacts
from assess_core.ports.hot_store import HotStore
from assess_core.usecases.folding import Checks, Folded, Tally, fold
from tests.conftest import Hot
from tests.factories import ATTEMPTED, RECEIVED, WEEK, accepted, decoded, event, line, wire_answer

UNCHECKED = Checks(NoFacts())
SLICE = ArchiveSlice.of("b1", RECEIVED)
SUMMARY = SummaryKey("u1", "a1", "c1", "b1")


def folded(hot: HotStore, *batch: Decoded, checks: Checks = UNCHECKED) -> Folded:
    return fold(batch, hot, checks)


def counts(result: Folded) -> tuple[int, int, int, int]:
    """(stored, repeated, recomputed, failed)."""
    return result.stored, result.repeated, result.recomputed, result.failed


def scored(attempt: str, score: float, at: int = ATTEMPTED, offset: int = 1, user: str = "u1") -> Accepted:
    message = event(user=user, attempt=attempt, attempted=at, answers=[wire_answer(score=score)])
    return accepted(message, offset, received=at + 60_000)


def again(event: Accepted, received: int) -> Accepted:
    """The same event with another receipt."""
    return accepted(line({}, received).replace(b"{}", event.record.raw), 99, None)


def slices_of(hot: HotStore) -> dict[str, int]:
    return {str(slice_): rows for slice_, rows in hot.counts(hot.slices()).items() if rows}


def is_whole(hot: HotStore) -> bool:
    """Whether every map entry has its row and the derived columns follow from the maps."""
    entries = [entry for _, learner in hot.all_learners() for entry in learner.entries]
    derived = derive(entries)
    stored = {key: summary for _, learner in hot.all_learners() for key, summary in learner.summaries.items()}
    return (
        len(hot.get([entry.row_key for entry in entries])) == len(entries)
        and stored == derived.summaries
        and {activity.key: activity for activity in hot.all_activities()} == derived.activities
    )


def tables(hot: HotStore) -> tuple[object, ...]:
    """Everything that readers can see."""
    rows = [
        row for slice_ in hot.slices() for shard in hot.scan(slice_) for batch in shard
        for row in from_batch(batch)
    ]  # fmt: skip
    learners = {user_id: (set(learner.entries), learner.summaries) for user_id, learner in hot.all_learners()}
    return set(map(repr, rows)), learners, list(hot.all_activities()), list(hot.failed())


# --- results of a fold ---


def test_a_new_event_is_stored_as_row_entry_summary_and_activity(hot: Hot) -> None:
    new = accepted()

    result = folded(hot, new)

    assert counts(result) == (1, 0, 0, 0)
    assert hot.slices() == [SLICE]
    learner = hot.learners(["u1"])["u1"]
    assert hot.get([learner.entries[0].row_key]) == [new.version]
    assert (learner.summaries[SUMMARY].best_score, learner.summaries[SUMMARY].attempts_count) == (1.0, 1)
    assert hot.activities([ActivityKey("u1", "c1", "b1")])[ActivityKey("u1", "c1", "b1")].aggregates["score:a1"] == 1.0


def test_an_empty_batch_changes_nothing(hot: Hot) -> None:
    assert folded(hot) == (0, 0, 0, [], [], set(), 0)


def test_every_event_of_a_batch_with_several_learners_is_counted_once(hot: Hot) -> None:
    batch = [
        scored("t1", 1, user="u1"),
        scored("t1", 2, user="u2"),
        scored("t1", 1, user="u1"),
        decoded(event(answers=[])),
        decoded(b"nonsense"),
        scored("t2", 3, user="u2"),
    ]

    assert counts(folded(hot, *batch)) == (3, 1, 1, 1)
    assert is_whole(hot)
    assert [user_id for user_id, _ in hot.all_learners()] == ["u1", "u2"]


def test_a_reused_attempt_id_loses_nothing(hot: Hot) -> None:
    folded(hot, scored("t1", 2, ATTEMPTED), scored("t1", 1, ATTEMPTED + 1))

    assert hot.counts([SLICE]) == {SLICE: 2}
    assert hot.learners(["u1"])["u1"].summaries[SUMMARY].last_attempted_score == 1.0


def test_a_failed_event_is_kept_and_the_rest_of_its_batch_is_stored(hot: Hot) -> None:
    bad = decoded(b"nonsense", offset=7)

    folded(hot, bad, accepted())

    assert list(hot.failed()) == [bad]
    assert hot.counts([SLICE]) == {SLICE: 1}


# --- repeats ---


def test_a_repeat_is_counted_and_changes_nothing(hot: Hot) -> None:
    folded(hot, accepted())
    before = tables(hot)

    assert counts(folded(hot, accepted(), accepted())) == (0, 2, 0, 0)
    assert tables(hot) == before


def test_a_repeat_with_a_later_receipt_writes_neither_row_nor_entry(hot: Hot) -> None:
    folded(hot, accepted())
    before = tables(hot)

    assert counts(folded(hot, again(accepted(), RECEIVED + WEEK))) == (0, 1, 0, 0)
    assert tables(hot) == before
    assert hot.slices() == [SLICE]


def test_an_earlier_receipt_writes_its_row_in_its_own_slice_and_lowers_the_entry(hot: Hot) -> None:
    folded(hot, again(accepted(), RECEIVED + WEEK))

    assert counts(folded(hot, accepted())) == (0, 1, 0, 0)

    [entry] = hot.learners(["u1"])["u1"].entries
    assert entry.received_at == RECEIVED
    assert slices_of(hot) == {"b1|2024-W05": 1, "b1|2024-W06": 1}


@pytest.mark.parametrize("order", list(permutations([0, 1000, 2 * WEEK])))
def test_the_earliest_of_several_receipts_in_one_batch_wins(hot: Hot, order: tuple[int, ...]) -> None:
    assert counts(folded(hot, *(again(accepted(), RECEIVED + late) for late in order))) == (1, 2, 0, 0)

    assert hot.learners(["u1"])["u1"].entries[0].received_at == RECEIVED
    assert slices_of(hot) == {"b1|2024-W05": 1}


def test_a_replay_after_clear_brings_nothing_back(hot: Hot) -> None:
    folded(hot, accepted())
    hot.delete([accepted().version.row_key])

    assert counts(folded(hot, accepted(), again(accepted(), RECEIVED + 1000))) == (0, 2, 0, 0)
    assert hot.counts([SLICE]) == {SLICE: 0}


def test_the_best_score_does_not_fall_when_rows_were_cleared(hot: Hot) -> None:
    best = scored("t1", 9)
    folded(hot, best)
    hot.delete([best.version.row_key])

    folded(hot, scored("t2", 3))

    summary = hot.learners(["u1"])["u1"].summaries[SUMMARY]
    assert (summary.best_score, summary.attempts_count) == (9.0, 2)


# --- facts ---

FACTS = JsonFacts({"c1": frozenset({"a1"})}, {"a1": 1})


def test_an_assessment_that_is_not_a_leaf_node_of_a_known_course_fails(hot: Hot) -> None:
    other = accepted(event(content="a2"), offset=5)

    assert counts(folded(hot, other, accepted(), checks=Checks(FACTS))) == (1, 0, 0, 1)

    [rejected] = hot.failed()
    assert (rejected.reason, rejected.offset, rejected.raw) == (Reason.NOT_A_LEAF_NODE, 5, other.record.raw)
    assert rejected.received_at == RECEIVED
    assert rejected.message == "assessment 'a2' is not among the leaf nodes of course 'c1'"


def test_an_unknown_course_is_accepted(hot: Hot) -> None:
    assert counts(folded(hot, accepted(event(course="c2", content="a2")), checks=Checks(FACTS))) == (1, 0, 0, 0)


def test_an_event_with_too_many_questions_fails_only_if_the_number_is_checked(hot: Hot) -> None:
    two = accepted(event(answers=[wire_answer("q1"), wire_answer("q2"), wire_answer("q2")]))

    assert counts(folded(hot, two, checks=Checks(FACTS, question_count=True))) == (0, 0, 0, 1)
    [rejected] = hot.failed()
    assert rejected.reason == Reason.TOO_MANY_QUESTIONS
    assert rejected.message == "2 distinct questions were answered; assessment 'a1' has 1"
    assert counts(folded(hot, two, checks=Checks(FACTS))) == (1, 0, 0, 0)


def test_an_event_passes_with_the_right_number_of_questions_or_an_unknown_assessment(hot: Hot) -> None:
    one = accepted(event(answers=[wire_answer("q1"), wire_answer("q1")]))
    unknown = accepted(event(course="c2", content="a2", answers=[wire_answer("q1"), wire_answer("q2")]))

    assert counts(folded(hot, one, unknown, checks=Checks(FACTS, question_count=True))) == (2, 0, 0, 0)


def test_leaf_nodes_are_checked_before_the_number_of_questions(hot: Hot) -> None:
    both = accepted(event(content="a2", answers=[wire_answer("q1"), wire_answer("q2")]))

    folded(hot, both, checks=Checks(JsonFacts({"c1": frozenset({"a1"})}, {"a2": 1}), question_count=True))

    assert [failed.reason for failed in hot.failed()] == [Reason.NOT_A_LEAF_NODE]


def test_a_later_change_of_the_facts_does_not_fail_a_stored_event(hot: Hot) -> None:
    other = accepted(event(content="a2"))
    folded(hot, other)

    assert counts(folded(hot, other, checks=Checks(FACTS))) == (0, 1, 0, 0)
    assert list(hot.failed()) == []


# --- recompute and crashes ---


def test_a_recompute_rewrites_the_derived_columns_and_stores_no_version(hot: Hot) -> None:
    folded(hot, scored("t1", 1), scored("t2", 2))
    correct = tables(hot)
    summary = hot.learners(["u1"])["u1"].summaries[SUMMARY]
    [activity] = hot.all_activities()
    hot.put_summaries([type(summary)(*(SUMMARY, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, summary.versions))])
    hot.put_activities([type(activity)(activity.key, {}, [], {}, activity.versions)])
    assert not is_whole(hot)

    assert counts(folded(hot, decoded(event(answers=[])))) == (0, 0, 1, 0)

    assert tables(hot) == correct


def test_a_recompute_for_a_learner_without_attempts_writes_nothing(hot: Hot) -> None:
    before = tables(hot)

    assert counts(folded(hot, decoded(event(answers=[])))) == (0, 0, 1, 0)
    assert tables(hot) == before


class Crash(Exception):
    """Simulates a killed process."""


class Writes:
    """A hook that kills the process after this many writes."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        if not self.left:
            raise Crash
        self.left -= 1


def events_of_a_day() -> list[Decoded]:
    return [
        scored("t1", 1, offset=1),
        scored("t1", 2, ATTEMPTED + 5, offset=2),
        decoded(b"nonsense", offset=3),
        scored("t1", 3, offset=4, user="u2"),
        again(scored("t1", 3, user="u2"), RECEIVED + WEEK),
    ]


def test_a_crash_between_any_two_writes_is_repaired_by_the_replay_and_readers_never_see_wrong_data() -> None:
    enough, whole = Writes(1000), MemoryHot()
    folded(MemoryHot(on_write=enough), *events_of_a_day())
    folded(whole, *events_of_a_day())

    assert enough.left < 1000, "the store never calls its hook"
    for crash_at in range(1000 - enough.left):
        writes = Writes(crash_at)
        hot = MemoryHot(on_write=writes)
        with pytest.raises(Crash):
            folded(hot, *events_of_a_day())

        named = [entry.row_key for _, learner in hot.all_learners() for entry in learner.entries]
        assert len(hot.get(named)) == len(named)
        assert {row.slice for row in named} <= set(hot.slices())

        writes.left = 1000
        folded(hot, *events_of_a_day())
        assert tables(hot) == tables(whole)
        assert is_whole(hot)


class Recorded(MemoryHot):
    """A store that records the order of its writes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name.startswith(("add_", "put_", "resolve")):
            self.calls.append(name)
        return super().__getattribute__(name)


def test_slices_are_written_before_rows_rows_before_entries_and_entries_before_derived_columns() -> None:
    hot = Recorded()
    folded(hot, decoded(b"nonsense"), accepted())

    assert hot.calls == ["add_slices", "add_rows", "add_entries", "put_summaries", "put_activities", "add_failed"]


def test_a_repeat_writes_nothing_at_all() -> None:
    hot = Recorded()
    folded(hot, accepted())
    hot.calls.clear()

    folded(hot, accepted())

    assert hot.calls == []


# --- resolved events ---


def test_a_failed_event_that_is_stored_later_is_resolved_and_counted_once(hot: Hot) -> None:
    first = accepted(event(content="a2"), offset=5)
    folded(hot, first, decoded(b"nonsense", offset=6), checks=Checks(FACTS))

    assert counts(folded(hot, first, decoded(b"nonsense", offset=6))) == (1, 0, 0, 1)

    assert [failed.offset for failed in hot.failed()] == [6]


def test_another_event_at_the_same_offset_resolves_nothing(hot: Hot) -> None:
    bad = decoded(b"nonsense", offset=5)
    folded(hot, bad)

    folded(hot, accepted(offset=5))

    assert list(hot.failed()) == [bad]


def test_a_replay_of_the_record_of_a_failed_event_resolves_it(hot: Hot) -> None:
    folded(hot, accepted(event(content="a2"), received=None), checks=Checks(FACTS))
    [rejected] = hot.failed()

    assert counts(folded(hot, decode(rejected.record))) == (1, 0, 0, 0)
    assert list(hot.failed()) == []


# --- totals of a run ---


def test_a_tally_counts_stored_repeated_recomputed_failed_and_superseded_events(hot: Hot) -> None:
    tally = Tally()
    batches: list[list[Decoded]] = [
        [scored("t1", 1, ATTEMPTED + 2), scored("t1", 2, ATTEMPTED), decoded(b"nonsense")],
        [scored("t1", 3, ATTEMPTED + 1), scored("t2", 1), scored("t2", 1), decoded(event(answers=[]))],
        [scored("t1", 4, ATTEMPTED + 3)],
    ]
    for batch in batches:
        tally.add(fold(batch, hot, UNCHECKED))

    assert (tally.stored, tally.repeated, tally.recomputed, tally.failed) == (5, 1, 1, 1)
    assert tally.events == 8
    assert tally.superseded == 3


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_number_of_superseded_versions_does_not_depend_on_the_order(order: tuple[int, ...]) -> None:
    events = [scored("t1", 1, ATTEMPTED + at) for at in range(3)] + [scored("t2", 1)]
    hot, tally = MemoryHot(), Tally()

    for number in order:
        tally.add(fold([events[number]], hot, UNCHECKED))

    assert (tally.stored, tally.superseded) == (4, 2)


def test_versions_of_an_earlier_run_do_not_count_as_superseded_in_this_run(hot: Hot) -> None:
    folded(hot, scored("t1", 1))
    tally = Tally()

    tally.add(fold([scored("t1", 2, ATTEMPTED + 1)], hot, UNCHECKED))

    assert (tally.stored, tally.superseded) == (1, 0)
