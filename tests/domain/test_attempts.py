"""Which answers count, how totals are computed, and what the content hash of a version covers."""

import hashlib
from collections.abc import Iterator

import duckdb
import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assess_core.adapters.arrow.hashes import content_hashes
from assess_core.adapters.arrow.rows import from_batch, to_batch
from assess_core.adapters.duckdb import connection as duck
from assess_core.domain.attempts import (
    Answer,
    AttemptKey,
    AttemptVersion,
    Version,
    canonical,
    grand_total,
    latest_answers,
    make_version,
    question_text,
    total,
    with_totals,
)
from assess_core.domain.moments import LATEST
from assess_core.domain.slices import ArchiveSlice
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, key, version

# --- which answers count ---


def test_the_answer_with_the_highest_ets_counts() -> None:
    answers = [answer("q1", 1, assess_ts=2), answer("q1", 2, assess_ts=3), answer("q1", 3, assess_ts=1)]

    assert latest_answers(answers) == [answers[1]]


def test_if_two_answers_have_equal_ets_the_first_in_the_list_counts() -> None:
    answers = [answer("q1", 1), answer("q1", 2)]

    assert latest_answers(answers) == answers[:1]


def test_an_answer_without_a_clock_is_older_than_any_other() -> None:
    answers = [answer("q1", 1, assess_ts=None), answer("q1", 2, assess_ts=1), answer("q1", 3, assess_ts=None)]

    assert latest_answers(answers) == [answers[1]]


def test_answers_are_sorted_by_question() -> None:
    assert [found.id for found in latest_answers(map(answer, ["q2", "", "q10", "Q"]))] == ["", "Q", "q10", "q2"]


# --- totals ---


def test_a_total_is_the_plain_sum_from_left_to_right_in_every_python_version() -> None:
    """From Python 3.12 on, `sum()` compensates rounding errors and gives 1.0 for both lists."""
    assert total([0.1] * 10) == 0.9999999999999999
    assert total([1e16, 1.0, -1e16]) == 0.0
    assert str(total([])) == "0.0"


def test_totals_are_added_in_the_order_of_question_ids() -> None:
    scores = {"a": 1e16, "b": 1.0, "c": -1e16}
    versions = {
        version(answers=[answer(id, scores[id]) for id in order]).total_score for order in ("abc", "cba", "bca")
    }

    assert versions == {0.0}


@pytest.mark.parametrize(
    ("score", "max_score", "text"),
    [
        (1.33, 2, "1.33/2.0"),
        (0, 0, "0.0/0.0"),
        (10, 20.5, "10.0/20.5"),
        (1.10, 1.0049, "1.1/1.0"),
        (0.125, 0.375, "0.12/0.38"),  # an exact half is rounded to even
        (2.675, 1.005, "2.67/1.0"),  # the nearest doubles are below the half
        (-1.5, 1e22, "-1.5/10000000000000000000000.0"),
    ],
)
def test_the_grand_total_is_rounded_to_two_decimals_and_one_trailing_zero_is_dropped(
    score: float, max_score: float, text: str
) -> None:
    assert grand_total(score, max_score) == text


def test_totals_are_neither_rounded_nor_clamped() -> None:
    row = version(answers=[answer("q1", 5.005, 1.0), answer("q2", -1.0, 0.0)])

    assert (row.total_score, row.total_max_score) == (4.005, 1.0)


# --- versions ---


def test_versions_are_ordered_by_clock_then_by_having_answers_then_by_hash() -> None:
    ascending = [
        Version(1, True, b"\xff"),
        Version(2, False, b"\xff"),
        Version(2, True, b"\x01"),
        Version(2, True, b"\x02"),
    ]

    assert sorted(set(ascending)) == ascending


def test_a_version_records_whether_it_has_answers() -> None:
    empty = version(answers=[])

    assert (empty.question, empty.version.has_answers, empty.grand_total) == ("[]", False, "0.0/0.0")
    assert version().version.has_answers


def test_the_hash_is_the_first_16_bytes_of_sha_256_over_the_canonical_text() -> None:
    row = version(answers=[])
    text = b'["u1","c1","b1","a1","t1",1706572800000,0.0,0.0,"0.0/0.0",[]]'

    assert canonical(row.key, ATTEMPTED, (0.0, 0.0, "0.0/0.0"), b"[]") == text
    assert row.version.content_hash == hashlib.sha256(text).digest()[:16]


def test_the_receipt_changes_the_slice_but_not_the_version() -> None:
    one, other = version(received=RECEIVED), version(received=RECEIVED + WEEK)

    assert one.version == other.version
    assert one.slice == ArchiveSlice.of("b1", RECEIVED) != other.slice
    assert one.row_key == (one.slice, one.key, one.version, RECEIVED)


OTHER: list[dict[str, object]] = [
    {"id": "q2"},
    {"assess_ts": ATTEMPTED + 1},
    {"assess_ts": None},
    {"max_score": 2.5},
    {"score": 1.5},
    {"type": None},
    {"title": ""},
    {"resvalues": []},
    {"params": [{"1": "x"}]},
    {"description": ""},
    {"duration": 3.5},
]


@pytest.mark.parametrize("change", OTHER, ids=str)
def test_the_hash_covers_every_stored_column_of_an_answer(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(answer(), **change)

    assert version(answers=[changed]).version.content_hash != version().version.content_hash


@pytest.mark.parametrize("part", ["user_id", "course_id", "batch_id", "content_id", "attempt_id"])
def test_the_hash_covers_every_part_of_the_key(part: str) -> None:
    assert version(key(**{part: "other"})).version.content_hash != version().version.content_hash


def test_the_hash_covers_the_clock_and_the_totals() -> None:
    row = version()
    totals = (row.total_score, row.total_max_score, row.grand_total)
    others = [(9.0, *totals[1:]), (totals[0], 9.0, totals[2]), (*totals[:2], "9.0/9.0")]

    hashes = {
        with_totals(row.key, ATTEMPTED, other, row.question.encode(), RECEIVED).version.content_hash for other in others
    }

    assert len(hashes | {row.version.content_hash, version(attempted=ATTEMPTED + 1).version.content_hash}) == 5
    assert with_totals(row.key, ATTEMPTED, totals, row.question.encode(), RECEIVED) == row


def test_the_hash_keeps_the_parts_of_the_key_separate() -> None:
    one, other = key(user_id='u","c', course_id="x"), key(user_id="u", course_id='c","x')

    assert version(one).version.content_hash != version(other).version.content_hash


# --- DuckDB writes the same text, so SQL over the lake's files can recompute the hash ---

odd_characters = st.sampled_from('\x00\x01\x0b\x1b\x1f\x7f\u2028\\"/u00bé\U0001f600 ')
texts = st.text(max_size=12) | st.text(odd_characters, max_size=8)
numbers = (
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
    | st.integers(0, 5000).map(lambda x: x / 100)
    | st.builds(lambda digits, power: float(f"{digits}e{power}"), st.integers(-(10**17), 10**17), st.integers(-30, 30))
)
maps = st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2)
answers = st.builds(
    Answer,
    id=texts,
    assess_ts=st.none() | st.integers(0, LATEST - 1),
    max_score=numbers,
    score=numbers,
    type=st.none() | texts,
    title=st.none() | texts,
    resvalues=maps,
    params=maps,
    description=st.none() | texts,
    duration=numbers,
)
keys = st.builds(AttemptKey, texts, texts, texts, texts, texts)


def _version(key: AttemptKey, clock: int, given: list[Answer], totals: tuple[float, float, str]) -> AttemptVersion:
    return with_totals(key, clock, totals, question_text(latest_answers(given)), RECEIVED)


versions = st.builds(
    _version,
    keys,
    st.integers(0, LATEST - 1),
    st.lists(answers, max_size=3),
    st.tuples(numbers, numbers, texts),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duck.connect() as connection:
        yield connection


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(versions, min_size=1, max_size=15))
def test_sql_recomputes_text_and_hash(engine: duckdb.DuckDBPyConnection, rows: list[AttemptVersion]) -> None:
    engine.register("hot", pa.Table.from_batches([to_batch(rows)]))

    found = engine.sql("""
        WITH lake AS (SELECT * REPLACE (question_of(question) AS question), question AS stored FROM hot)
        SELECT text_of(question) AS text, stored, content_hash, canonical_of(user_id, course_id, batch_id, content_id,
            attempt_id, last_attempted_on, total_score, total_max_score, grand_total, question) AS canonical
        FROM lake""").to_arrow_table()

    assert found.num_rows == len(rows)
    assert found["text"].equals(found["stored"])
    assert content_hashes(found["canonical"]).to_pylist() == found["content_hash"].to_pylist()


@settings(max_examples=40, deadline=None)
@given(st.lists(versions, max_size=5))
def test_rows_are_unchanged_after_a_round_trip_through_arrow(rows: list[AttemptVersion]) -> None:
    assert from_batch(to_batch(rows)) == rows


@settings(max_examples=60, deadline=None)
@given(st.lists(answers, max_size=4))
def test_the_stored_text_decodes_to_the_same_answers(given: list[Answer]) -> None:
    stored = latest_answers(given)

    assert msgspec.json.decode(make_version(key(), ATTEMPTED, stored, RECEIVED).question, type=list[Answer]) == stored
