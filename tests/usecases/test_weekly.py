"""Weekly activity: the numbers, and the table that stores them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from assess_core.domain.attempts import AttemptVersion, total
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import NotOurTable
from assess_core.ports.reports import WeeklyActivity
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.weekly import refresh, weekly_activity
from assess_core.wiring import open_weekly
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, version
from tests.lakes import keep, move
from tests.loop import put_away

W05, W06 = IsoWeek(2024, 5), IsoWeek(2024, 6)


def scored(score: float, user_id: str = "u1", attempt_id: str = "t1", batch_id: str = "b1") -> AttemptVersion:
    return version(answers=[answer(score=score)], user_id=user_id, attempt_id=attempt_id, batch_id=batch_id)


def activity(week: IsoWeek, attempts: int, learners: int, mean: float, batch: str = "b1") -> WeeklyActivity:
    return WeeklyActivity(ArchiveSlice(week, batch), attempts, learners, mean)


def add_entries(stores: Stores, versions: Iterable[AttemptVersion]) -> None:
    """Write map entries."""
    stores.hot.add_entries([Entry.of(each) for each in versions])


def store_twice(stores: Stores) -> None:
    """Stores a version with two copies: received in week 5, and again in week 6."""
    add_entries(stores, [version()])
    keep(stores.hot, [version(), version(received=RECEIVED + WEEK)])


def test_attempts_and_learners_are_counted_for_each_batch(stores: Stores) -> None:
    keep(
        stores.hot,
        [
            scored(1.0, user_id="u1", attempt_id="t1"),
            scored(2.0, user_id="u1", attempt_id="t2"),
            scored(0.0, user_id="u2"),
            scored(5.0, batch_id="b2"),
        ],
    )

    assert weekly_activity(stores, [W05]) == [activity(W05, 3, 2, 1.0), activity(W05, 1, 1, 5.0, batch="b2")]


def test_an_attempt_counts_with_its_newest_version_of_the_week(stores: Stores) -> None:
    first = version(answers=[answer(score=1.0)])
    again = version(answers=[answer(score=2.0)], attempted=ATTEMPTED + 1)
    later = version(answers=[answer(score=9.0)], attempted=ATTEMPTED + WEEK)
    keep(stores.hot, [first, again, later])

    assert weekly_activity(stores, [W05, W06]) == [activity(W05, 1, 1, 2.0), activity(W06, 1, 1, 9.0)]


def test_a_second_receipt_in_a_later_week_counts_once_in_the_first(stores: Stores) -> None:
    store_twice(stores)

    assert weekly_activity(stores, [W06]) == []
    assert weekly_activity(stores, [W05]) == [activity(W05, 1, 1, 1.0)]


def test_a_second_receipt_counts_once_also_if_both_copies_were_archived(stores: Stores) -> None:
    store_twice(stores)
    put_away(stores)

    assert weekly_activity(stores, [W06]) == []
    assert weekly_activity(stores, [W05, W06]) == [activity(W05, 1, 1, 1.0)]


def test_a_week_counts_its_own_older_version_if_the_newer_one_was_first_received_earlier(stores: Stores) -> None:
    older, newer = version(answers=[answer(score=1.0)]), version(answers=[answer(score=2.0)], attempted=ATTEMPTED + 1)
    again = version(answers=[answer(score=2.0)], attempted=ATTEMPTED + 1, received=RECEIVED + WEEK)
    other = version(answers=[answer(score=5.0)], attempted=ATTEMPTED - 1, received=RECEIVED + WEEK)
    add_entries(stores, [older, newer])
    keep(stores.hot, [older, newer, again, other])

    assert weekly_activity(stores, [W06]) == [activity(W06, 1, 1, 5.0)]


def test_earlier_weeks_are_not_read(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(stores.hot, [version(), version(attempted=ATTEMPTED + WEEK)])
    scan, read = stores.hot.scan, list[ArchiveSlice]()

    def counted(slice_: ArchiveSlice, *, answers: bool = True) -> list[Iterator[pa.RecordBatch]]:
        read.append(slice_)
        return scan(slice_, answers=answers)

    monkeypatch.setattr(stores.hot, "scan", counted)

    assert weekly_activity(stores, [W06]) == [activity(W06, 1, 1, 1.0)]
    assert {slice_.week for slice_ in read} == {W06}


def test_the_numbers_are_the_same_if_some_or_all_rows_are_in_the_lake(stores: Stores) -> None:
    rows = [scored(score, user_id=f"u{score}") for score in (0.1, 0.2, 0.3, 0.7, 1e16, -1e16)]
    keep(stores.hot, rows)
    before = weekly_activity(stores, [W05])

    for row in rows:
        move(stores.hot, stores.lake, [row])
        assert weekly_activity(stores, [W05]) == before


def test_scores_are_added_in_the_order_of_their_hashes(stores: Stores) -> None:
    scores = (0.1, 1e16, 0.7, -1e16, 3.0, 1e15, -1e15, 0.3)
    rows = [scored(score, user_id=f"u{score}") for score in scores]
    keep(stores.hot, rows)

    [found] = weekly_activity(stores, [W05])

    by_hash = sorted(rows, key=lambda row: row.version.content_hash)
    assert found.mean_score == total(row.total_score for row in by_hash) / len(rows)


def test_scores_whose_sum_overflows_a_float_have_a_mean(stores: Stores) -> None:
    keep(stores.hot, [scored(1e308, user_id="u1"), scored(1e308, user_id="u2")])

    assert weekly_activity(stores, [W05]) == [activity(W05, 2, 2, 1e308)]


def test_without_attempts_there_are_no_rows(stores: Stores) -> None:
    assert weekly_activity(stores, [W05]) == []


def test_a_refresh_replaces_only_its_own_weeks(stores: Stores, settings: Settings) -> None:
    table = open_weekly(settings)
    keep(stores.hot, [version(), version(attempted=ATTEMPTED + WEEK)])
    refresh(stores, table, [W05, W06])
    keep(stores.hot, [version(user_id="u2"), version(user_id="u2", attempted=ATTEMPTED + WEEK)])

    refreshed = refresh(stores, table, [W06])

    assert refreshed.bytes > 0
    assert table.rows() == [activity(W05, 1, 1, 1.0), activity(W06, 2, 2, 1.0)]


def test_a_week_that_lost_its_attempts_loses_its_row(stores: Stores, settings: Settings) -> None:
    table = open_weekly(settings)
    table.replace([W05, W06], [activity(W05, 1, 1, 1.0), activity(W06, 1, 1, 1.0)])

    refresh(stores, table, [W05])

    assert table.rows() == [activity(W06, 1, 1, 1.0)]


def test_a_replace_without_weeks_changes_nothing(settings: Settings) -> None:
    table = open_weekly(settings)
    table.replace([W05], [activity(W05, 1, 1, 1.0)])

    table.replace([], [])

    assert table.rows() == [activity(W05, 1, 1, 1.0)]


def test_all_weeks_of_twelve_years_can_be_replaced_in_one_call(settings: Settings) -> None:
    table = open_weekly(settings)
    weeks = [IsoWeek.of(IsoWeek(2015, 1).start + n * WEEK) for n in range(620)]

    table.replace(weeks, [activity(week, 1, 1, 1.0) for week in weeks[::100]])

    assert [row.slice.week for row in table.rows()] == weeks[::100]


def test_a_table_of_another_program_is_refused(settings: Settings) -> None:
    folder = Path(settings.lake) / "weekly_activity"
    write_deltalake(str(folder), pa.table({"theirs": [1]}))

    with pytest.raises(NotOurTable, match="move it away"):
        open_weekly(settings).replace([W05], [])
    with pytest.raises(NotOurTable, match="move it away"):
        open_weekly(settings).rows()
