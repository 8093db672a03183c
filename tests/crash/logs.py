"""A log from a seed: small alphabets, so that versions, attempts, receipts and clocks collide all the time."""

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
"""Receipts that a log draws from: of one week, or of two, where putting away takes twice as long."""
_ONE_MORE_OFTEN: Final = (3, 1)
"""So that a third of the events are of one attempt: it has several versions, some archived and some not yet."""
_SCORES: Final = (0, 1, 1.33, "0.5", None, 0.1)
_BAD: Final = (b"nonsense", b"[]", b"\xff", b'{"userId": "u1"', b'{"receivedAt": 1, "value": {}}')


def make_lines(chance: random.Random) -> list[bytes]:
    """The lines of a log, in the order in which they come.

    Most are one of a few events, received once or several times, also in another week and also after others; some of
    those differ in answers alone, so that versions of one attempt have equal clocks. Some are bad, some ask to
    recompute.
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
        user=chance.choices(LEARNERS, _ONE_MORE_OFTEN)[0],
        batch=chance.choices(BATCHES, _ONE_MORE_OFTEN)[0],
        content=chance.choices(("a1", "a2"), _ONE_MORE_OFTEN)[0],
        attempt=chance.choices(("t1", "t2"), _ONE_MORE_OFTEN)[0],
        attempted=chance.choice(CLOCKS),
        answers=answers,
    )
