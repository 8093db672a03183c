"""The rows that `table` shows of each table and tier."""

import pytest

from assess_core.domain.moments import iso
from assess_core.domain.scores import Entry
from assess_core.errors import BadRequest
from assess_core.ports.stores import Stores
from assess_core.usecases.queries import Queries
from assess_core.usecases.tables import COLUMNS, Name, Row, Tier
from tests.factories import ATTEMPTED, RECEIVED, WEEK, event, failed_event, version, wire_answer
from tests.loop import put_away, queries, take

LATER = ATTEMPTED + 3_600_000


@pytest.fixture
def ask(stores: Stores) -> Queries:
    return queries(stores)


def _column(rows: list[Row], name: str) -> list[object]:
    return [row[name] for row in rows]


def test_attempts_show_the_newest_version_with_its_week_and_answers(stores: Stores, ask: Queries) -> None:
    take(stores, event(), event(attempted=LATER, answers=[wire_answer(ets=None)]))

    [row] = ask.table(Name.ATTEMPTS)

    newest = version(attempted=LATER)
    assert {name: row[name] for name in COLUMNS[Name.ATTEMPTS] if name not in ("question", "content_hash")} == {
        "batch_id": "b1", "year": 2024, "week": 5, "user_id": "u1", "course_id": "c1", "content_id": "a1",
        "attempt_id": "t1", "last_attempted_on": iso(LATER), "total_score": 1.0, "total_max_score": 2.0,
        "grand_total": "1.0/2.0", "created_on": iso(RECEIVED), "updated_on": iso(RECEIVED),
    }  # fmt: skip
    assert len(str(row["content_hash"])) == len(newest.version.content_hash.hex())
    assert row["question"] == [
        {
            "id": "q1", "assess_ts": "1970-01-01T00:00:00.000Z", "max_score": 2.0, "score": 1.0, "type": "mcq",
            "title": "What is the capital of Assam?", "resvalues": [{"1": '{"text":"Dispur"}'}],
            "params": [{"1": '{"text":"Dispur"}'}, {"answer": '{"correct":["1"]}'}],
            "description": None, "duration": 3.0,
        }
    ]  # fmt: skip


def test_a_tier_shows_all_rows_that_it_holds(stores: Stores, ask: Queries) -> None:
    take(stores, event(), event(attempted=LATER), event(batch="b2"))
    put_away(stores, [slice_ for slice_ in stores.hot.slices() if slice_.batch_id == "b1"])
    take(stores, event(attempted=LATER + WEEK), received=RECEIVED + WEEK)

    assert _column(list(ask.table(Name.ATTEMPTS, tier=Tier.HOT)), "last_attempted_on") == [
        iso(LATER + WEEK),
        iso(ATTEMPTED),
    ]
    assert _column(list(ask.table(Name.ATTEMPTS, tier=Tier.LAKE)), "last_attempted_on") == [iso(ATTEMPTED), iso(LATER)]
    assert _column(list(ask.table(Name.ATTEMPTS)), "last_attempted_on") == [iso(LATER + WEEK), iso(ATTEMPTED)]


def test_rows_are_sorted_and_can_be_limited_to_a_batch(stores: Stores, ask: Queries) -> None:
    take(stores, *(event(batch=batch, user=user) for batch in ("b2", "b1") for user in ("u2", "u1")))
    put_away(stores, stores.hot.slices()[:1])

    for name in (Name.ATTEMPTS, Name.SUMMARIES, Name.ACTIVITY):
        found = list(ask.table(name))
        assert len(found) == 4
        assert _column(found, "user_id") == (["u1", "u2"] * 2 if name is Name.ATTEMPTS else ["u1", "u1", "u2", "u2"])
        assert _column(list(ask.table(name, "b2")), "user_id") == ["u1", "u2"]
    assert _column(list(ask.table(Name.SLICES, "b2")), "slice") == ["b2|2024-W05"]


def test_a_version_without_a_time_shows_no_time(stores: Stores, ask: Queries) -> None:
    row = version(attempted=0, received=RECEIVED)
    stores.hot.add_slices([row.slice])
    stores.hot.add_rows([row])
    stores.hot.add_entries([Entry.of(row)])

    assert next(ask.table(Name.ATTEMPTS))["last_attempted_on"] is None
    summary = next(ask.table(Name.SUMMARIES))
    assert summary["attempts"] == [
        {
            "attempt_id": "t1", "last_attempted_on": None, "content_hash": row.version.content_hash.hex(),
            "score": 1.0, "max_score": 2.0, "has_answers": True, "slice": "b1|2024-W05", "received_at": iso(RECEIVED),
        }
    ]  # fmt: skip
    assert summary["best_score"] is None, "no derived columns were written"


def test_summaries_show_the_map_and_the_derived_columns(stores: Stores, ask: Queries) -> None:
    take(stores, event(), event(attempt="t2", attempted=LATER, answers=[wire_answer(score=2.0)]))

    [row] = ask.table(Name.SUMMARIES)

    assert tuple(row) == COLUMNS[Name.SUMMARIES]
    assert {name: row[name] for name in COLUMNS[Name.SUMMARIES] if name != "attempts"} == {
        "user_id": "u1", "assessment_id": "a1", "course_id": "c1", "batch_id": "b1",
        "last_attempted_score": 2.0, "total_max_score": 2.0, "best_score": 2.0, "min_score": 1.0,
        "average_score": 1.5, "attempts_count": 2, "updated_on": iso(LATER),
    }  # fmt: skip
    assert isinstance(row["attempts"], list)
    assert _column(row["attempts"], "attempt_id") == ["t1", "t2"]


def test_activity_has_the_columns_that_sunbird_reads(stores: Stores, ask: Queries) -> None:
    take(stores, event())

    [row] = ask.table(Name.ACTIVITY)

    assert tuple(row) == COLUMNS[Name.ACTIVITY]
    assert (row["activity_type"], row["activity_id"], row["user_id"], row["context_id"]) == (
        "Course",
        "c1",
        "u1",
        "cb:b1",
    )
    assert row["aggregates"] == {"score:a1": 1.0, "max_score:a1": 2.0, "attempts_count:a1": 1.0}
    assert row["agg_last_updated"] == dict.fromkeys(("score:a1", "max_score:a1", "attempts_count:a1"), iso(ATTEMPTED))


def test_failed_events_are_shown_with_all_their_columns(stores: Stores, ask: Queries) -> None:
    stores.hot.add_failed(
        [failed_event(offset=2, raw=b"\xff{caf\xc3\xa9}", received_at=RECEIVED), failed_event(offset=1)]
    )

    found = list(ask.table(Name.FAILED))

    assert tuple(found[0]) == COLUMNS[Name.FAILED]
    assert _column(found, "offset") == [1, 2]
    assert _column(found, "raw") == ["nonsense", "\\xff{café}"]
    assert _column(found, "received_at") == [None, iso(RECEIVED)]
    assert found[0]["reason"] == "not_json"


def test_slices_are_shown_with_their_status(stores: Stores, ask: Queries) -> None:
    take(stores, event())
    take(stores, event(batch="b2"))
    put_away(stores, stores.hot.slices()[:1])

    found = list(ask.table(Name.SLICES))

    assert tuple(found[0]) == COLUMNS[Name.SLICES]
    assert _column(found, "slice") == ["b1|2024-W05", "b2|2024-W05"]
    assert _column(found, "status") == ["cleared", "planned"]
    assert (found[0]["hot_rows"], found[0]["lake_rows"]) == (0, 1)
    assert found[1]["cleared_at"] is None


@pytest.mark.parametrize("name", [Name.SUMMARIES, Name.ACTIVITY, Name.FAILED, Name.SLICES])
def test_only_attempts_are_in_the_lake(ask: Queries, name: Name) -> None:
    with pytest.raises(BadRequest, match="only attempts"):
        ask.table(name, tier=Tier.LAKE)


def test_failed_events_cannot_be_limited_to_a_batch(ask: Queries) -> None:
    with pytest.raises(BadRequest, match="batch"):
        ask.table(Name.FAILED, "b1")
