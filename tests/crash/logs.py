"""A log from a seed. It has few different values, so that versions, attempts, receipts and clocks often collide."""

import random
from typing import Any, Final

from tests.factories import event, line, text, wire_answer, without

LEARNERS: Final = ("u1", "ü'\"3\n")
BATCHES: Final = ("b1", "b|2 ü")
DAY: Final = 86_400_000
SUNDAY: Final = 1_735_470_000_000
"""2024-12-29T11:00:00Z, in 2024-W52."""
CLOCKS: Final = (SUNDAY - 3 * DAY, SUNDAY - 2 * DAY)
_MONDAY: Final = 1_735_516_800_000  # 2024-12-30T00:00:00Z, the first moment of 2025-W01
_WEEKS: Final = ((SUNDAY, _MONDAY - 1), (_MONDAY - 1, _MONDAY, _MONDAY + 2 * DAY))
"""The possible receipts of a log: in one week, or in two weeks, which take twice as long to archive."""
_WEIGHTS: Final = (3, 1)
"""About a third of the events belong to one attempt, so it has several versions, some of them archived."""
_SCORES: Final = (0, 1, 1.33, "0.5", None, 0.1)
_BAD: Final = (b"nonsense", b"[]", b"\xff", b'{"userId": "u0"', b'{"receivedAt": 1, "value": {}}')


def make_lines(chance: random.Random) -> list[bytes]:
    """The lines of a log, in their order of arrival.

    Most lines are one of a few events, received once or several times, in one or two weeks, in any order. Some of these
    events differ only in their answers, so that versions of one attempt have equal clocks. Some lines are bad, and some
    request a recompute.
    """
    receipts = chance.choices(_WEEKS, (2, 1))[0]
    events = [_event(chance) for _ in range(chance.randint(3, 7))]
    lines = [line(message, chance.choice(receipts)) for message in events]
    for _ in range(chance.randint(4, 10)):
        message, received = chance.choice(events), chance.choice(receipts)
        moved = received + chance.choice((-DAY, -1, 1, DAY))
        recompute = line(without(message, "attemptId", "events"), received)
        bad = chance.choice((*_BAD, line(message | {"assessmentTs": -5}, received)))
        more = (line(message, received), line(message, moved), text(message), recompute, bad)
        lines += chance.choices(more, (6, 3, 1, 1, 2))
    chance.shuffle(lines)
    return lines


def _event(chance: random.Random) -> dict[str, Any]:
    answers = [
        wire_answer(id=id_, score=chance.choice(_SCORES), maxscore=2, ets=chance.choice(CLOCKS))
        for id_ in ("q1", "q2")[: chance.randint(1, 2)]
    ]
    return event(
        user=chance.choices(LEARNERS, _WEIGHTS)[0],
        batch=chance.choices(BATCHES, _WEIGHTS)[0],
        content=chance.choices(("a1", "a2"), _WEIGHTS)[0],
        attempt=chance.choices(("t1", "t2"), _WEIGHTS)[0],
        attempted=chance.choice(CLOCKS),
        answers=answers,
    )
