"""A union with corrections: its rows are those of the union, each changed as the rules of the domain change it."""

import struct
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from assess_core.adapters.duckdb.union import FEW_ROWS
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion, with_totals
from assess_core.domain.corrections import (
    Correction,
    Drop,
    FullMarks,
    Key,
    Maximum,
    Response,
    Scale,
    corrected_version,
)
from tests.factories import ATTEMPTED, RECEIVED, WEEK, answer, version
from tests.lakes import keep, move, stores_over

IDS = st.sampled_from(["a1", "a1", "a1", "a1", "A1", 'é😀"b,c\0', "' OR 1=1 --"])
QUESTIONS = st.sampled_from(["q1", "q1", "q2", "q\0"])
NUMBERS = st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3, 0.125, 1.0, 1.33, 2.0, -1.0, 1e-300, 5e15, 1e15 / 3, 1e300])
RESPONSES = st.sampled_from([[], [{}], [{"1": "Dispur"}], [{"1": "Dispur", "0": 'a\0"\u000b\\é'}], [{"2": "b"}, {}]])


def response(members: Response) -> Response:
    """The same response with its members in the other order."""
    return [dict(reversed(one.items())) for one in members]


ANSWERS = st.lists(
    st.builds(
        lambda id_, score, max_score, chosen: structs.replace(answer(id_, score, max_score), resvalues=chosen),
        QUESTIONS, NUMBERS, NUMBERS, RESPONSES,
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip
ROWS = st.builds(
    version,
    user_id=st.sampled_from(["u1", "u2", "u3", "u4"]),
    course_id=st.sampled_from(["c1", "c1", "c2"]),
    batch_id=st.sampled_from(["b1", "b2"]),
    content_id=IDS,
    attempted=st.sampled_from([0, ATTEMPTED, ATTEMPTED + 1, ATTEMPTED + WEEK]),
    received=st.sampled_from([RECEIVED, RECEIVED + WEEK]),
    answers=ANSWERS,
)


@st.composite
def of_older_systems(draw: st.DrawFn) -> AttemptVersion:
    """A row whose totals need not be the sums of its answers."""
    row = draw(ROWS)
    totals = (draw(NUMBERS), draw(NUMBERS), draw(st.sampled_from(["", "7/9"])))
    return with_totals(row.key, row.version.last_attempted_on, totals, row.question.encode(), row.received_at)


MAXIMA = st.sampled_from([0.7, 1.0, 2.0, 1e9])
RULES = st.one_of(
    st.builds(FullMarks),
    st.builds(Drop),
    st.builds(Maximum, MAXIMA),
    st.builds(Scale, MAXIMA),
    st.builds(lambda chosen: Key(list(map(response, chosen))), st.lists(RESPONSES, min_size=1, max_size=3)),
)
MOMENTS = st.sampled_from([None, None, None, None, ATTEMPTED, ATTEMPTED + 1])
CORRECTIONS = st.builds(
    Correction,
    assessment=IDS,
    question=QUESTIONS,
    rule=RULES,
    course=st.sampled_from([None, None, None, "c1"]),
    batches=st.sampled_from([(), (), (), ("b1",), ("b2", "b3")]),
    attempted_from=MOMENTS,
    attempted_to=MOMENTS,
)


def bits(row: AttemptVersion) -> tuple[object, ...]:
    """A row with its totals as bytes, so that 0.0 and -0.0 differ."""
    return (struct.pack(">2d", row.total_score, row.total_max_score), *structs.astuple(row))


def expected(rows: Sequence[AttemptVersion], corrections: Sequence[Correction]) -> list[tuple[object, ...]]:
    return [bits(corrected_version(row, corrections)) for row in rows]


def test_a_key_compares_responses_by_content_in_both_tiers(tmp_path: Path) -> None:
    chosen = [{"0": 'a\0"\u000b\\é', "1": "Dispur"}]
    rows = [version(user_id=user, answers=[structs.replace(answer(), resvalues=chosen)]) for user in ("u1", "u2", "u3")]
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, rows)
    move(stores.hot, stores.lake, rows[:2])

    def scores(*responses: Response) -> list[float]:
        with stores.union() as union:
            return [row.total_score for row in union.all_attempts([Correction("a1", "q1", Key([*responses]))])]

    assert scores([{"2": "Dispur"}], response(chosen)) == [2.0, 2.0, 2.0]
    assert scores([], [{"1": "Dispur"}], [*chosen, {}]) == [0.0, 0.0, 0.0]


def test_a_response_belongs_to_its_own_key(tmp_path: Path) -> None:
    chosen = [{"1": "Dispur"}]
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, [version(answers=[structs.replace(answer(), resvalues=chosen)])])
    keys = [Correction("a1", "q1", Key([each])) for each in ([], chosen, [{"1": "Guwahati"}])]

    with stores.union() as union:
        assert [row.total_score for row in union.all_attempts(keys[:2])] == [2.0]
        assert [row.total_score for row in union.all_attempts(keys)] == [0.0]


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.one_of(ROWS, of_older_systems()), min_size=10, max_size=40),
    st.lists(CORRECTIONS, min_size=4, max_size=16),
    st.integers(0, 30),
    st.sampled_from([0, FEW_ROWS]),
)
def test_sql_corrects_rows_of_both_tiers_like_the_domain_to_the_last_bit(
    rows: list[AttemptVersion], corrections: list[Correction], archived: int, few: int
) -> None:
    with TemporaryDirectory() as folder, patch("assess_core.adapters.duckdb.union.FEW_ROWS", few):
        stores = stores_over(MemoryHot(), Path(folder))
        keep(stores.hot, rows)
        if rows[:archived]:
            move(stores.hot, stores.lake, rows[:archived])
        with stores.union() as union:
            stored = list(union.all_attempts())
            corrected = list(union.all_attempts(corrections))
            again = list(union.all_attempts())

    assert list(map(bits, corrected)) == expected(stored, corrections)
    assert again == stored
