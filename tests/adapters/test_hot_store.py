"""The contract of every hot store. The memory store is the reference. To test a new store, add a param to `hot`."""

from itertools import permutations

import pytest

from assess_core.adapters.arrow.rows import HOT_SCHEMA, from_batch
from assess_core.domain.attempts import AttemptVersion, Version
from assess_core.domain.moments import DAY
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey, derive
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from tests.conftest import Hot
from tests.factories import ATTEMPTED, MONDAY, RECEIVED, WEEK, answer, key, version

ODD = "a\x00b 'q' \"d\" \\ /../ \n \U0001f600 é ' OR 1=1 --"
SLICE = ArchiveSlice.of("b1", RECEIVED)
SUMMARY = SummaryKey("u1", "a1", "c1", "b1")
ACTIVITY = ActivityKey("u1", "c1", "b1")


def rows_of(hot: Hot, slice_: ArchiveSlice = SLICE) -> list[AttemptVersion]:
    """All rows of a slice, shard by shard."""
    return [row for shard in hot.scan(slice_) for batch in shard for row in from_batch(batch)]


def put(hot: Hot, *rows: AttemptVersion) -> None:
    """Write versions in the order in which a fold writes them."""
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
    hot.add_entries([Entry.of(row) for row in rows])


def summary(versions: int, best: float = 1.0, of: SummaryKey = SUMMARY) -> Summary:
    return Summary(of, best, 2.0, best, best, best, 1, ATTEMPTED, versions)


def activity(versions: int, best: float = 1.0, of: ActivityKey = ACTIVITY) -> Activity:
    return Activity(of, {"score:a1": best}, ["{}"], {"score:a1": ATTEMPTED}, versions)


def received(row: AttemptVersion, at: int) -> AttemptVersion:
    """Another copy of the same version."""
    return version(row.key, row.version.last_attempted_on, received=at)


def test_an_empty_store_is_empty_everywhere(hot: Hot) -> None:
    row = version()

    assert hot.shards == 4
    assert hot.learners(["u1"]) == {}
    assert hot.learners([]) == {}
    assert hot.activities([ACTIVITY]) == {}
    assert hot.activities([]) == {}
    assert hot.slices() == []
    assert hot.counts([SLICE]) == {SLICE: 0}
    assert rows_of(hot) == []
    assert hot.get([row.row_key]) == []
    assert hot.delete([row.row_key]) == 0
    assert list(hot.failed()) == []
    assert hot.unresolved("events.jsonl", 0, 0, 10) == []
    assert list(hot.all_learners()) == []
    assert list(hot.all_activities()) == []
    assert hot.positions() == {}


def test_writing_nothing_changes_nothing(hot: Hot) -> None:
    hot.add_slices([])
    hot.add_rows([])
    hot.add_entries([])
    hot.put_summaries([])
    hot.put_activities([])
    hot.add_failed([])
    hot.resolve([])
    hot.commit({})

    assert hot.slices() == []
    assert hot.delete([]) == 0


# --- learners: maps and derived data ---


def test_a_learner_is_read_with_all_courses_batches_and_assessments(hot: Hot) -> None:
    rows = [
        version(),
        version(course_id="c2"),
        version(batch_id="b2"),
        version(content_id="a2"),
        version(attempt_id=""),
        version(attempted=ATTEMPTED + 1),
    ]
    put(hot, *rows, version(user_id="u2"))

    found = hot.learners(["u1", "nobody"])

    assert list(found) == ["u1"]
    assert sorted(found["u1"].entries) == sorted(Entry.of(row) for row in rows)
    assert found["u1"].summaries == {}


def test_many_learners_are_read_together(hot: Hot) -> None:
    rows = [version(user_id=f"u{number}") for number in range(1300)]
    put(hot, *rows)

    found = hot.learners({row.key.user_id for row in rows})

    assert {user_id: learner.entries for user_id, learner in found.items()} == {
        row.key.user_id: [Entry.of(row)] for row in rows
    }


def test_versions_with_equal_clocks_and_different_answers_are_separate_entries_and_rows(hot: Hot) -> None:
    rows = [version(), version(answers=[answer(score=2.0)]), version(answers=[])]
    put(hot, *rows)

    assert len(hot.learners(["u1"])["u1"].entries) == 3
    assert sorted(rows_of(hot), key=lambda row: row.version) == sorted(rows, key=lambda row: row.version)


@pytest.mark.parametrize("order", list(permutations([0, 1000, 2 * WEEK])))
def test_the_map_keeps_the_earliest_of_several_receipts_of_a_version(hot: Hot, order: tuple[int, ...]) -> None:
    for late in order:
        hot.add_entries([Entry.of(received(version(), RECEIVED + late))])

    assert hot.learners(["u1"])["u1"].entries == [Entry.of(received(version(), RECEIVED))]


def test_receipts_of_one_call_are_treated_like_receipts_of_several_calls(hot: Hot) -> None:
    entries = [Entry.of(received(version(), RECEIVED + late)) for late in (5, 3, 4)]

    hot.add_entries(entries)

    assert hot.learners(["u1"])["u1"].entries == [entries[1]]


def test_a_summary_from_fewer_versions_never_replaces_one_from_more(hot: Hot) -> None:
    put(hot, version())
    hot.put_summaries([summary(versions=3, best=3.0)])
    hot.put_summaries([summary(versions=2, best=2.0)])

    assert hot.learners(["u1"])["u1"].summaries == {SUMMARY: summary(versions=3, best=3.0)}


def test_a_summary_from_equally_many_versions_replaces_the_stored_one(hot: Hot) -> None:
    put(hot, version())
    hot.put_summaries([summary(versions=2, best=2.0)])
    hot.put_summaries([summary(versions=2, best=5.0)])

    assert hot.learners(["u1"])["u1"].summaries == {SUMMARY: summary(versions=2, best=5.0)}


def test_a_summary_without_map_entries_is_ignored(hot: Hot) -> None:
    hot.put_summaries([summary(versions=1)])

    assert hot.learners(["u1"]) == {}


def test_every_column_of_a_summary_is_stored_exactly(hot: Hot) -> None:
    stored = Summary(SUMMARY, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1.0, 1 / 3, 7, 9, 8)
    put(hot, version())
    hot.put_summaries([stored])

    assert hot.learners(["u1"])["u1"].summaries == {stored.key: stored}


def test_an_activity_from_fewer_versions_never_replaces_one_from_more(hot: Hot) -> None:
    for versions in (1, 3, 2):
        hot.put_activities([activity(versions, best=float(versions))])

    assert hot.activities([ACTIVITY]) == {ACTIVITY: activity(3, best=3.0)}


def test_an_activity_from_equally_many_versions_replaces_the_stored_one(hot: Hot) -> None:
    for best in (1.0, 2.0):
        hot.put_activities([activity(2, best)])

    assert hot.activities([ACTIVITY]) == {ACTIVITY: activity(2, 2.0)}


def test_only_the_requested_activities_are_read(hot: Hot) -> None:
    keys = [ActivityKey(f"u{number}", course, "b1") for number in range(600) for course in ("c1", "c2")]
    hot.put_activities([activity(1, of=key) for key in keys])
    requested = [key for key in keys if key.course_id == "c2"]

    found = hot.activities([*requested, ActivityKey("u1", "c2", "b9")])

    assert found == {key: activity(1, of=key) for key in requested}


# --- slices and rows ---


def test_slices_are_listed_by_week_then_batch_and_are_never_removed(hot: Hot) -> None:
    new_year = ArchiveSlice(IsoWeek(2025, 1), "a")
    old_year = ArchiveSlice(IsoWeek(2024, 52), "z")
    row = version()
    hot.add_slices([new_year, old_year, ArchiveSlice(IsoWeek(2025, 1), "A|b")])
    put(hot, row)

    hot.delete([row.row_key])
    hot.add_slices([new_year])

    assert hot.slices() == [SLICE, old_year, ArchiveSlice(IsoWeek(2025, 1), "A|b"), new_year]


def test_a_row_is_stored_in_the_slice_of_its_receipt(hot: Hot) -> None:
    last_moment = version(received=MONDAY + WEEK - 1)
    next_week = version(attempt_id="t2", received=MONDAY + WEEK)
    put(hot, last_moment, next_week)

    assert rows_of(hot, ArchiveSlice(IsoWeek(2024, 5), "b1")) == [last_moment]
    assert rows_of(hot, ArchiveSlice(IsoWeek(2024, 6), "b1")) == [next_week]


def test_receipts_of_a_version_in_two_weeks_are_two_copies(hot: Hot) -> None:
    first = version()
    again = received(first, RECEIVED + WEEK)
    put(hot, again)
    put(hot, first)

    assert rows_of(hot) == [first]
    assert rows_of(hot, again.slice) == [again]
    assert hot.counts([again.slice, SLICE]) == {again.slice: 1, SLICE: 1}


@pytest.mark.parametrize("order", list(permutations([0, 1000, DAY])))
def test_a_slice_keeps_the_row_with_the_earliest_of_several_receipts(hot: Hot, order: tuple[int, ...]) -> None:
    for late in order:
        put(hot, received(version(), RECEIVED + late))

    assert rows_of(hot) == [received(version(), RECEIVED)]
    assert hot.counts([SLICE]) == {SLICE: 1}


def test_all_rows_of_a_learner_are_in_one_shard_and_each_row_once(hot: Hot) -> None:
    rows = [version(user_id=f"u{user}", attempt_id=f"t{attempt}") for user in range(40) for attempt in range(3)]
    put(hot, *rows)

    shards = [[row for batch in shard for row in from_batch(batch)] for shard in hot.scan(SLICE)]

    assert sorted(row.key for shard in shards for row in shard) == sorted(row.key for row in rows)
    assert all(shard_of(row.key.user_id, 4) == number for number, shard in enumerate(shards) for row in shard)
    assert all(shards)


def test_a_shard_is_read_in_order_of_learner_course_assessment_attempt_and_clock(hot: Hot) -> None:
    parts = ("", "B", "a", "b", "ä", "\U0001f600", "\uffff")
    rows = [
        version(key(user_id=f"u{user}", course_id=f"c{course}", attempt_id=attempt), ATTEMPTED + clock)
        for user in parts
        for course in parts[:3]
        for attempt in parts
        for clock in (5, 10)
    ]
    put(hot, *reversed(rows))

    for shard in hot.scan(SLICE):
        found = [row for batch in shard for row in from_batch(batch)]
        assert found == sorted(found, key=lambda row: (row.key, row.version))
    assert hot.counts([SLICE]) == {SLICE: len(rows)}


def test_rows_are_read_in_batches_of_bounded_size_with_the_declared_schema(hot: Hot) -> None:
    rows = [version(user_id="u1", attempt_id=f"{number:05d}") for number in range(5200)]
    put(hot, *rows)

    batches = list(hot.scan(SLICE)[shard_of("u1", 4)])

    assert all(batch.schema == HOT_SCHEMA for batch in batches)
    assert all(0 < batch.num_rows <= 5000 for batch in batches)
    assert [row for batch in batches for row in from_batch(batch)] == rows


def test_all_of_many_versions_of_one_attempt_with_equal_clocks_are_read(hot: Hot) -> None:
    rows = [version(answers=[answer(score=float(score))]) for score in range(2100)]
    put(hot, *rows)

    assert {row.version for row in rows_of(hot)} == {row.version for row in rows}


def test_other_slices_are_not_read(hot: Hot) -> None:
    put(hot, version(), version(batch_id="b2"), version(received=RECEIVED + WEEK), version(batch_id="b"))

    assert (len(rows_of(hot)), hot.counts([SLICE])) == (1, {SLICE: 1})


def test_text_and_numbers_are_stored_exactly(hot: Hot) -> None:
    odd = answer(id=ODD, score=0.1 + 0.2, max_score=1e22)
    row = version(key(ODD + "u", ODD + "c", ODD + "b", ODD + "a", ODD + "t"), answers=[odd])
    put(hot, row)

    assert rows_of(hot, row.slice) == [row]
    assert hot.get([row.row_key]) == [row]
    assert hot.slices() == [row.slice]
    assert hot.learners([row.key.user_id])[row.key.user_id].entries == [Entry.of(row)]
    derived = derive([Entry.of(row)])
    hot.put_summaries(list(derived.summaries.values()))
    hot.put_activities(list(derived.activities.values()))
    assert hot.learners([row.key.user_id])[row.key.user_id].summaries == derived.summaries
    assert hot.activities(derived.activities.keys()) == derived.activities
    assert hot.delete([row.row_key]) == 1


def test_a_row_without_a_clock_can_be_read(hot: Hot) -> None:
    row = version(attempted=0, received=RECEIVED)
    put(hot, row)

    assert rows_of(hot) == [row]


def test_rows_may_be_written_and_deleted_while_a_slice_is_read(hot: Hot) -> None:
    rows = [version(user_id="u1", attempt_id=f"{number:05d}") for number in range(5200)]
    put(hot, *rows)
    reading = hot.scan(SLICE)[shard_of("u1", 4)]
    seen = from_batch(next(reading))

    hot.delete([row.row_key for row in rows[:100]])
    hot.delete([row.row_key for row in rows[5000:5100]])
    put(hot, version(user_id="u2"))
    seen += [row for batch in reading for row in from_batch(batch)]

    kept = {row.version for row in rows[:5000] + rows[5100:]}
    assert kept <= {row.version for row in seen} <= {row.version for row in rows}


def test_rows_are_read_by_slice_key_and_version_with_any_receipt(hot: Hot) -> None:
    row = version()
    put(hot, row, version(attempted=ATTEMPTED + 1))

    assert hot.get([received(row, RECEIVED + 1).row_key]) == [row]
    assert hot.get([received(row, RECEIVED + WEEK).row_key]) == []
    assert hot.get([version(attempted=ATTEMPTED + 2).row_key]) == []
    assert hot.get([row.row_key._replace(version=Version(ATTEMPTED, True, b"another hash"))]) == []


def test_many_rows_are_read_together_by_key(hot: Hot) -> None:
    rows = [version(user_id=f"u{number}") for number in range(1100)]
    put(hot, *rows)

    assert sorted(row.key for row in hot.get([row.row_key for row in rows])) == sorted(row.key for row in rows)


# --- delete ---


def test_only_the_given_copies_are_deleted(hot: Hot) -> None:
    row = version()
    newer = version(attempted=ATTEMPTED + 1)
    same_clock = version(answers=[answer(score=2.0)])
    later_copy = received(row, RECEIVED + WEEK)
    put(hot, row, newer, same_clock, later_copy)

    assert hot.delete([row.row_key]) == 1

    assert {kept.version for kept in rows_of(hot)} == {newer.version, same_clock.version}
    assert rows_of(hot, later_copy.slice) == [later_copy]
    assert len(hot.learners(["u1"])["u1"].entries) == 3


def test_a_copy_that_got_an_earlier_receipt_in_the_meantime_is_not_deleted(hot: Hot) -> None:
    verified = received(version(), RECEIVED + 1000)
    put(hot, verified)
    put(hot, version())

    assert hot.delete([verified.row_key]) == 0
    assert rows_of(hot) == [version()]


def test_rows_that_were_deleted_before_are_not_counted_again(hot: Hot) -> None:
    rows = [version(user_id=f"u{number}") for number in range(30)]
    put(hot, *rows)

    assert hot.delete([row.row_key for row in rows[:20]]) == 20
    assert hot.delete([row.row_key for row in rows]) == 10
    assert hot.counts([SLICE]) == {SLICE: 0}


# --- everything, for tables and audits ---


def test_all_learners_are_listed_by_id_with_derived_data(hot: Hot) -> None:
    rows = [version(user_id=f"u{number:04d}", attempt_id=f"t{attempt}") for number in range(1100) for attempt in (1, 2)]
    put(hot, *rows)
    derived = derive([Entry.of(row) for row in rows])
    hot.put_summaries(list(derived.summaries.values()))

    found = list(hot.all_learners())

    assert [user_id for user_id, _ in found] == sorted({row.key.user_id for row in rows})
    assert sorted(entry for _, learner in found for entry in learner.entries) == sorted(Entry.of(row) for row in rows)
    assert {key: value for _, learner in found for key, value in learner.summaries.items()} == derived.summaries


def test_all_activities_are_listed_by_key(hot: Hot) -> None:
    keys = [ActivityKey(f"u{user}", course, batch) for user in range(300) for course in "cC" for batch in "bB"]
    hot.put_activities([activity(1, of=key) for key in keys])

    assert [found.key for found in hot.all_activities()] == sorted(keys)
