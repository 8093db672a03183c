"""Random logs with few different values, so that rare cases of real logs occur in every other example.

Two or three learners, batches, assessments and attempt ids often collide. Clocks tie and go backwards. One version is
received in several weeks, also before and after a new year. Some lines are bad, and some request a recompute.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st

from tests.factories import event, line, text, wire_answer, without

DAY = 86_400_000
TOPIC = "events.jsonl"

SUNDAY_2024_W52 = 1_735_470_000_000  # 2024-12-29T11:00:00Z
RECEIPTS = [
    SUNDAY_2024_W52,  # 2024-W52
    1_735_516_799_999,  # 2024-12-29T23:59:59.999Z, the last moment of 2024-W52
    1_735_516_800_000,  # 2024-12-30T00:00:00Z, the first moment of 2025-W01, although the calendar year is 2024
    1_735_700_000_000,  # 2025-01-01, 2025-W01
    1_736_200_000_000,  # 2025-01-06, 2025-W02
]
TURN_OF_THE_YEAR = RECEIPTS[1:4]
"""Receipts in only two weeks, because archive, verify and clear take about 0.2 s per week."""
CLOCKS = [SUNDAY_2024_W52 - 3 * DAY, SUNDAY_2024_W52 - 2 * DAY, SUNDAY_2024_W52 - 2 * DAY + 1, SUNDAY_2024_W52]
WRITTEN_CLOCKS = [
    *CLOCKS,
    str(CLOCKS[1]),
    "2024-12-27T11:00:00Z",
    float(CLOCKS[0]),
]  # with three other spellings of these clocks
AHEAD = RECEIPTS[3]  # more than a day later than the first receipts, but not than the last one

BATCHES = ["b1", "b|2 '/../ü"]
LEARNERS = ["u1", "u2", "ü'\"3\n"]


def examples(n: int) -> settings:
    """Run `n` examples, or forty times as many with HYPOTHESIS_PROFILE=thorough (see conftest.py)."""
    return settings(max_examples=n * (40 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 1))


class Line(NamedTuple):
    """One line of the log with its position."""

    topic: str
    offset: int
    raw: bytes


class Facts(NamedTuple):
    """Facts as in a facts file, and whether the number of questions is checked."""

    content: dict[str, Any]
    question_count: bool


answers = st.builds(
    wire_answer,
    id=st.sampled_from(["q1", "q2", None, 7]),
    score=st.sampled_from([0, 1, 1.33, "0.5", None, -1, 0.1, 0.2]),
    maxscore=st.sampled_from([1, 2.0, "3", None]),
    ets=st.sampled_from([CLOCKS[0], CLOCKS[0], CLOCKS[1], str(CLOCKS[1]), None, CLOCKS[3]]),
    duration=st.sampled_from([2, 0.5, None]),
)

good_events = st.builds(
    event,
    user=st.sampled_from(LEARNERS),
    course=st.sampled_from(["c1", "c1", "c2"]),
    batch=st.sampled_from(BATCHES),
    content=st.sampled_from(["a1", "a2"]),
    attempt=st.sampled_from(["t1", "t2", ""]),
    attempted=st.sampled_from([*WRITTEN_CLOCKS, AHEAD]),
    answers=st.lists(answers, min_size=1, max_size=3),
)

recomputes = st.builds(
    lambda message, how: without(message, "attemptId", "events") | how,
    good_events,
    st.sampled_from([{}, {"events": None}, {"events": []}]),
)

DAMAGES: list[Callable[[dict[str, object]], dict[str, object]]] = [
    lambda message: without(message, "userId"),
    lambda message: message | {"batchId": 12},
    lambda message: message | {"courseId": ""},
    lambda message: message | {"attemptId": None},
    lambda message: message | {"assessmentTs": -5},
    lambda message: message | {"assessmentTs": 1_735_000_000_000.5},
    lambda message: message | {"assessmentTs": "yesterday"},
    lambda message: message | {"assessmentTs": 1},
    lambda message: message | {"events": [wire_answer(), wire_answer(score="many")]},
    lambda message: message | {"events": [wire_answer(score="")]},
    lambda message: message | {"events": [wire_answer(duration=True)]},
    lambda message: message | {"events": [wire_answer(score=1e308, id="q1"), wire_answer(score=1e308, id="q2")]},
    lambda message: message | {"events": [{"edata": {}}]},
    lambda message: message | {"contentId": "a" * 1025},
]
bad_lines = st.one_of(
    st.sampled_from([b"nonsense", b"", b"[]", b'{"userId": "u1"', b"\xff", b'{"receivedAt": 1, "value": {}}', b"null"]),
    st.builds(lambda message, damage: line(damage(message), RECEIPTS[0]), good_events, st.sampled_from(DAMAGES)),
)


@st.composite
def logs(
    draw: st.DrawFn,
    max_size: int = 8,
    events: st.SearchStrategy[dict[str, object]] = good_events,
    receipts: Sequence[int] = RECEIPTS,
) -> list[Line]:
    """A log: mostly good events, many repeated and with different receipts."""
    different = draw(st.lists(events, min_size=1, max_size=max_size))
    received = st.sampled_from([*receipts, None])
    submissions = st.builds(
        lambda message, at: text(message) if at is None else line(message, at), st.sampled_from(different), received
    )
    requests = st.builds(line, recomputes, st.sampled_from(receipts))
    usual = st.one_of(*[submissions] * 6, requests, bad_lines)
    # each different event at least once, because unused events would slow down shrinking
    raws = [draw(st.builds(line, st.just(message), st.sampled_from(receipts))) for message in different]
    raws += draw(st.lists(usual, max_size=max_size))
    return [Line(TOPIC, number, raw) for number, raw in enumerate(draw(st.permutations(raws)), 1)]


crowded_events = st.builds(
    event,
    content=st.sampled_from(["a1", "a1", "a2"]),
    attempt=st.sampled_from(["t1", "t2"]),
    attempted=st.sampled_from(CLOCKS[:2]),
    answers=st.builds(
        lambda score, maximum: [wire_answer(score=score, maxscore=maximum, ets=CLOCKS[0])],
        st.sampled_from([0, 1, 2]),
        st.sampled_from([2, 3]),
    ),
)


def crowded_logs(max_size: int = 4, receipts: Sequence[int] = RECEIPTS) -> st.SearchStrategy[list[Line]]:
    """Logs of one learner in one batch, so that two writers nearly always write the same rows.

    Half of the logs repeat a single event, also within a week.
    """
    retries = st.builds(
        lambda message, received: [Line(TOPIC, n, line(message, at)) for n, at in enumerate(received, 1)],
        crowded_events,
        st.lists(st.sampled_from(receipts), min_size=2, max_size=max_size + 1, unique=True),
    )
    return st.one_of(logs(max_size, crowded_events, receipts), retries)


busy_events = st.builds(
    event,
    user=st.sampled_from(LEARNERS[1:]),
    batch=st.sampled_from(BATCHES),
    attempted=st.sampled_from(CLOCKS[:2]),
    answers=st.lists(answers, min_size=1, max_size=2),
)
"""Events of four attempts, so that most attempts have several versions, many with equal clocks."""


@st.composite
def continuations(draw: st.DrawFn, log: Sequence[Line], receipts: Sequence[int] = RECEIPTS) -> list[Line]:
    """Lines that follow a log: some of its own lines with earlier or later receipts, and new ones."""
    raws = [line.raw for line in draw(logs(3, busy_events, receipts))]
    for old in draw(st.lists(st.sampled_from(log), max_size=4)) if log else []:
        with suppress(ValueError, TypeError, KeyError):
            message = json.loads(old.raw)
            moved = message["receivedAt"] + draw(st.sampled_from([-DAY, -1, 1, DAY]))
            raws.append(line(message["value"], moved))
    return [Line(TOPIC, len(log) + number, raw) for number, raw in enumerate(draw(st.permutations(raws)), 1)]


wild_texts = st.text(st.sampled_from("aZ'\"\\/\n\t\r\x01\x0b\x1f\x7f\u2028é😀{}[]:,<& "), max_size=5)
wild_numbers = st.sampled_from(
    [0, -0.0, 0.1 + 0.2, 1e-7, 1e-6, 1e-5, 1e15, 1e16, 2**60, 1e20, 1e21, 1e22, 5e-324, "1e3"]
)
wild_values = st.one_of(wild_texts, wild_numbers, st.none())
wild_maps = st.lists(st.dictionaries(wild_texts, wild_values, max_size=2), max_size=2)
wild_answers = st.builds(
    lambda ets, item, data: {"ets": ets, "edata": {**data, "item": item}},
    st.sampled_from(CLOCKS),
    st.fixed_dictionaries(
        {"params": wild_maps},
        optional=dict.fromkeys(("id", "title", "desc", "type"), wild_texts) | {"maxscore": wild_numbers},
    ),
    st.fixed_dictionaries({"resvalues": wild_maps}, optional={"score": wild_numbers, "duration": wild_numbers}),
)
wild_events = st.builds(
    event,
    user=st.sampled_from(LEARNERS),
    batch=st.sampled_from(BATCHES),
    attempt=wild_texts,
    attempted=st.sampled_from(CLOCKS),
    answers=st.lists(wild_answers, min_size=1, max_size=3),
)
"""Events with texts and numbers that are hard to store. The oracle does not support them."""


@st.composite
def deliveries(draw: st.DrawFn, log: Sequence[Line], everything: bool = True, max_cuts: int = 4) -> list[list[Line]]:
    """The lines of a log in random order and in batches, some repeated. `everything` means each at least once."""
    order = list(draw(st.permutations(log))) if everything else []
    order += draw(st.lists(st.sampled_from(log), max_size=6)) if log else []
    order = list(draw(st.permutations(order)))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=max_cuts)))
    edges = [0, *cuts, len(order)]
    return [order[start:end] for start, end in pairwise(edges) if start < end]


@st.composite
def shared(draw: st.DrawFn, log: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """The lines of a log, divided between two writers. Both get some of the lines."""
    whose = draw(st.lists(st.sampled_from([(0,), (1,), (0, 1)]), min_size=len(log), max_size=len(log)))
    first, second = ([line for line, to in zip(log, whose, strict=True) if who in to] for who in (0, 1))
    return first, second


facts = st.one_of(
    st.none(),
    st.builds(
        Facts,
        st.sampled_from(
            [
                {"leafNodes": {"c1": ["a1"], "c3": ["a2"]}},
                {"leafNodes": {"c1": []}, "questionCounts": {"a1": 1}},
                {"questionCounts": {"a1": 1, "a2": 2}},
            ]
        ),
        st.booleans(),
    ),
)

schedules = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), max_size=12)
"""Schedules for `interruptions.Turns`: which of two pieces of work continues, and for how many boundaries."""
