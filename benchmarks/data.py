"""Sample data whose courses, questions and learners repeat as on a platform.

Courses are chosen with Zipf's law (exponent 1) from 200. Each course has 4 assessments with a bank of 30 questions
each, and an attempt asks 10 of them in any order. A title has 30 to 120 characters, each of 4 options 4 to 40, in
five scripts. An event has 7.7 kB. There are five attempts per learner on average, and Zipf's law (exponent 0.8)
decides whose: a few learners have hundreds. A learner takes one to three courses. Events arrive in four weeks. The
same seed gives the same events.
"""

import os
from bisect import bisect
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from assess_core.chunks import chunks
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.events import Accepted, Decoded, Record, RecordKind, decode
from assess_core.domain.slices import WEEK, IsoWeek
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import BATCH_RECORDS
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.folding import Checks, fold
from assess_core.wiring import open_stores
from benchmarks.row import Missing

FIRST: Final = IsoWeek(2024, 5).start
WEEKS: Final = 4
NOW: Final = FIRST + 52 * WEEK
ANSWERS: Final = 10
BATCH: Final = "0130929928739000000"
"""The only batch, if there is only one course with one batch."""
ASSESSMENT: Final = "do_21300000"
"""The first assessment of the first course."""
QUESTION: Final = "do_2130000000000"
"""Its first question."""
_COURSES: Final = 200
_BATCHES: Final = 5  # of a course
_ASSESSMENTS: Final = 4
_BANK: Final = 30
_ATTEMPTS: Final = 5  # of a learner on average
_CHUNK: Final = 2_000
_REFERENCE: Final = Path(__file__).parents[2] / "shared" / "fixtures" / "sunbird" / "stream" / "events"
_WORDS: Final = (
    "the volume of a sphere is which city capital plants need water light energy nation river prime number sum of "
    'angles भारत की राजधानी क्या है नदी गणित विज्ञान உலகம் நீர் வேதியியல் பெயர் সূর্য কোন দিকে ওঠে πr² x²+y² ½ "all" none, these'
)
_PROSE: Final = " ".join(Random(1).choices(_WORDS.split(), k=20_000))


def events(count: int, seed: int = 5, courses: int = _COURSES, batches: int = _BATCHES) -> Iterator[bytes]:
    """The lines of a log, each with its receipt and its line end."""
    chance = Random(seed)
    learners = _zipf(max(1, count // _ATTEMPTS), 0.8)
    popular = _zipf(courses, 1.0)
    for number in range(count):
        learner = bisect(learners, chance.random() * learners[-1])
        its = Random(learner * 3 + chance.randrange(1 + learner % 3))  # one of the learner's courses
        course, batch = bisect(popular, its.random() * popular[-1]), its.randrange(batches)
        at = FIRST + number % WEEKS * WEEK + number * (WEEK // (count + 1))
        yield _line(chance, number, learner, course, batch, chance.randrange(_ASSESSMENTS), at)


def attempts_at_one_assessment(learners: int) -> Iterator[bytes]:
    """The lines of one attempt of each learner at `ASSESSMENT`, in `BATCH`. All of them get the same ten questions."""
    chance = Random(5)
    for number in range(learners):
        at = FIRST + number % WEEKS * WEEK + number * (WEEK // (learners + 1))
        yield _line(chance, number, number, 0, 0, 0, at, bank=ANSWERS)


def _zipf(count: int, exponent: float) -> list[float]:
    """The cumulative weights of ranks."""
    return list(accumulate(1 / rank**exponent for rank in range(1, count + 1)))


def _mixed(number: int) -> int:
    """A different large number for each number, so that ids do not follow the order of receipt."""
    return (number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)


def _line(
    chance: Random, number: int, learner: int, course: int, batch: int, assessment: int, at: int, bank: int = _BANK
) -> bytes:
    answers = ",".join(
        f'{{"eid":"ASSESS","ets":{at - 60_000 + 5_000 * place},"ver":"3.1",'
        f'"mid":"ASSESS:{chance.getrandbits(128):032x}",'
        f'"edata":{{"index":{place},"duration":{chance.randrange(1, 90)},'
        f"{_answer(course, assessment, question, chance.randrange(4))}}}}}"
        for place, question in enumerate(chance.sample(range(bank), ANSWERS))
    )
    line = (
        f'{{"receivedAt":{at},"value":{{"batchId":"0130929928739{course:03}{batch:03}","courseId":"do_31309287{course:013}",'
        f'"userId":"{_mixed(learner):032x}","attemptId":"{_mixed(number):032x}",'
        f'"contentId":"do_2130{course:03}{assessment}","assessmentTs":{at - 60_000},"events":[{answers}]}}}}\n'
    )
    return line.encode()


@cache
def _answer(course: int, assessment: int, question: int, choice: int) -> str:
    """The members of an answer that are the same for all learners."""
    chance = Random(((course * _ASSESSMENTS) + assessment) * _BANK + question)
    title = _text(chance, 30, 120)
    texts = [_text(chance, 4, 40) for _ in range(4)]
    right = chance.randrange(4)
    options = [{str(place): _json({"text": text})} for place, text in enumerate(texts, 1)]
    item = {
        "id": f"do_2130{course:03}{assessment}{question:05}",
        "maxscore": 1,
        "type": "mcq",
        "title": title,
        "desc": "",
        "params": [*options, {"answer": _json({"correct": [str(right + 1)]})}],
    }
    score = 1 if choice == right else chance.choice([0, 0, 0.33, 0.67])
    return _json({"item": item, "pass": "Yes" if score == 1 else "No", "score": score, "resvalues": [options[choice]]})[
        1:-1
    ]


def _text(chance: Random, shortest: int, longest: int) -> str:
    start, length = chance.randrange(len(_PROSE) - longest), chance.randint(shortest, longest)
    return _PROSE[start : start + length] + "\n"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def decoded(lines: Iterable[bytes]) -> Iterator[list[Decoded]]:
    """Decoded lines, in the batches that the stream folds."""
    records = (Record("sample.jsonl", 0, number, line, kind=RecordKind.LINE) for number, line in enumerate(lines, 1))
    yield from (list(batch) for batch in chunks(map(decode, records), BATCH_RECORDS))


def versions(lines: Iterable[bytes]) -> Iterator[AttemptVersion]:
    """The versions of attempts of the lines."""
    for batch in decoded(lines):
        yield from (event.version for event in batch if isinstance(event, Accepted))


def reference_events(count: int) -> Iterator[bytes]:
    """The events of Project Sunbird's own tests, as bare events, again and again. Raises `Missing`."""
    files = sorted(_REFERENCE.glob("*.json"))
    if not files:
        raise Missing(f"the reference events are missing: {_REFERENCE} has none")
    lines = [msgspec.json.encode(msgspec.json.decode(file.read_bytes())) + b"\n" for file in files]
    return (lines[number % len(lines)] for number in range(count))


def settings_of(home: Path) -> Settings:
    """Embedded stores below a folder, with the memory that ASSESS_MEMORY allows."""
    return Settings.from_env({"ASSESS_MEMORY": os.environ.get("ASSESS_MEMORY", "")}, str(home))


def stores(home: Path) -> Stores:
    """The stores of these settings."""
    return open_stores(settings_of(home))


def fill_rows(home: Path, lines: Iterable[bytes]) -> None:
    """Write only attempt rows into the hot store below a folder: enough for archive and reports."""
    hot = stores(home).hot
    for rows in chunks(versions(lines), _CHUNK):
        hot.add_slices({row.slice for row in rows})
        hot.add_rows(rows)


def fill_all(home: Path, lines: Iterable[bytes]) -> None:
    """Fold the lines into the hot store below a folder."""
    hot = stores(home).hot
    for batch in decoded(lines):
        fold(batch, hot, Checks(NoFacts()))
