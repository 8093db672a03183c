"""Sample events: a log of four weeks around New Year. The same seed gives the same events."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from random import Random
from typing import Final, NamedTuple, TypeVar

from assess_core.domain.moments import DAY
from assess_core.domain.slices import WEEK, IsoWeek

BEGIN: Final = IsoWeek(2024, 51).start
SPAN: Final = 4 * WEEK  # 2024-W51, 2024-W52, 2025-W01 (which begins on 30 December 2024), 2025-W02
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE

_CYCLE: Final = 50  # lines; each cycle has one line of each special kind, the others are new attempts
_RECENT: Final = 200  # attempts; retries and repeated submissions choose one of these
_EVENTS_A_LEARNER: Final = 12
_EVENTS_A_BATCH: Final = 5000
_QUESTIONS: Final = (
    ("भारत की राजधानी क्या है?", ("नई दिल्ली", "मुंबई", "कोलकाता", "चेन्नई")),
    ("What is the full form of WHO?\n", ("World Health Organization", "Work Hell Organization", "None of these")),
    ("நீரின் வேதியியல் பெயர் என்ன?", ("H₂O", "CO₂", "O₂", "NaCl")),
    ('Which of these is a "prime" number?', ("7", "8", "9", "10")),
    ("Pick the fruit 🍎", ("🍌", "🚗", "🏠", "📚")),
    ("সূর্য কোন দিকে ওঠে?", ("পূর্ব", "পশ্চিম", "উত্তর", "দক্ষিণ")),
    ("2/3 + 1/3 = ?", ("1", "3/6", "3/9", "2/9")),
    ("Who wrote the Ramcharitmanas?", ("Tulsidas", "Kabir", "Surdas", "Mirabai")),
    ("¿Qué significa 'aula'?", ("classroom", "howl", "hall", "owl")),
    ("Name three parts of a plant", ("root, stem, leaf", "root, stem", "leaf", "stone")),
)
_PARTIAL: Final = 9  # the last question gives partial scores, so that sums are not whole numbers
_PARTIAL_SCORES: Final = (1, 0.67, 0.33, 0)
_COURSES: Final = ("do_31309287232935526411138", "do_31309287232935526411139", "do_31309287232935526411140")
_ASSESSMENTS: Final = 2  # of each course

_Item = TypeVar("_Item")


class _Attempt(NamedTuple):
    """An attempt that a later line may send again."""

    learner: int
    assessment: int
    attempt_id: str
    attempted: int
    received: int
    value: str
    bare: bool


def sample_events(events: int, seed: int = 0, events_a_learner: int = _EVENTS_A_LEARNER) -> Iterator[bytes]:
    """The lines of a log with this number of events, each with its line end, in the order of receipt.

    Most lines carry their receipt (`{"receivedAt": ..., "value": {...}}`), some are bare events. Each 50 lines contain
    one retry (the same event, another receipt), one attempt with newer answers, one with an older clock, one that is
    received days late, one request to recompute, and one bad event. Memory is constant.
    """
    return _Sampler(events, seed, events_a_learner).lines()


class _Sampler:
    def __init__(self, events: int, seed: int, events_a_learner: int) -> None:
        self._events, self._seed = events, seed
        # of Random's methods, only random() gives the same numbers in every version of Python
        self._random = Random(seed).random
        self._learners = max(10, events // events_a_learner)
        self._batches = max(2 * len(_COURSES), events // _EVENTS_A_BATCH)
        self._recent: deque[_Attempt] = deque(maxlen=_RECENT)
        self._answers = [_answer_texts(f"do_2130{n:04d}") for n in range(len(_COURSES) * _ASSESSMENTS)]
        self._special: dict[int, Callable[[int, int], str]] = {
            8: self._retry, 16: self._again, 24: self._older, 32: self._late, 40: self._recompute, 48: self._bad,
        }  # fmt: skip

    def lines(self) -> Iterator[bytes]:
        for n in range(self._events):
            received = BEGIN + (n * SPAN + int(self._random() * SPAN)) // self._events
            line = self._special.get(n % _CYCLE, self._fresh)(n, received)
            yield f"{line}\n".encode()

    def _below(self, bound: int) -> int:
        return int(self._random() * bound)

    def _one_of(self, items: Sequence[_Item]) -> _Item:
        return items[self._below(len(items))]

    def _id(self, kind: str, n: int) -> str:
        return sha256(f"{self._seed}/{kind}/{n}".encode()).hexdigest()[:32]

    def _learner_id(self, learner: int) -> str:
        text = self._id("learner", learner)
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    # --- kinds of lines; arguments: number and receipt ---

    def _fresh(self, n: int, received: int) -> str:
        return self._submit(n, received, received - MINUTE - self._below(HOUR), bare=self._random() < 0.2)

    def _late(self, n: int, received: int) -> str:
        return self._submit(n, received, received - DAY - self._below(9 * DAY))

    def _retry(self, n: int, received: int) -> str:
        first = self._one_of(self._recent)
        again = min(first.received + MINUTE + self._below(2 * DAY), received)
        return first.value if first.bare else _with_receipt(again, first.value)

    def _again(self, n: int, received: int) -> str:
        first = self._one_of(self._recent)
        return self._submit(n, received, min(first.attempted + MINUTE + self._below(DAY), received - MINUTE), first)

    def _older(self, n: int, received: int) -> str:
        first = self._one_of(self._recent)
        return self._submit(n, received, first.attempted - MINUTE - self._below(HOUR), first)

    def _recompute(self, n: int, received: int) -> str:
        first = self._one_of(self._recent)
        ids = self._ids(first.learner, first.assessment, first.attempt_id)
        return _with_receipt(received, f'{{{ids},"assessmentTs":{received - MINUTE},"events":[]}}')

    def _bad(self, n: int, received: int) -> str:
        value = self._one_of(self._recent).value
        attempted = received - MINUTE
        member = f'"assessmentTs":{self._recent[-1].attempted}'
        last = self._recent[-1].value
        kinds = (
            value[: len(value) // 2],
            "<html><body>502 Bad Gateway</body></html>",
            _with_receipt(received, last.replace('"attemptId":"', '"attemptId":17,"was":"')),
            _with_receipt(received, last.replace('"score":', '"score":"ten","was":')),
            _with_receipt(received, last.replace(member, f'"assessmentTs":{received + 3 * DAY}')),
            _with_receipt(received, last.replace(member, f'"assessmentTs":{attempted}.5')),
            _with_receipt(received, last.replace('"batchId":"', '"batchId":"","was":"')),
            _with_receipt(received, last.replace(member, '"assessmentTs":-1')),
        )
        return kinds[n // _CYCLE % len(kinds)]

    def _submit(self, n: int, received: int, attempted: int, first: _Attempt | None = None, bare: bool = False) -> str:
        """A line with a learner's answers, for a new attempt or for an attempt that was submitted before."""
        learner = first.learner if first else self._below(self._learners)
        assessment = first.assessment if first else self._below(_ASSESSMENTS)
        attempt_id = first.attempt_id if first else self._id("attempt", n)
        course = learner % self._batches % len(_COURSES)
        answers = self._answer_list(n, attempted, self._answers[course * _ASSESSMENTS + assessment])
        ids = self._ids(learner, assessment, attempt_id)
        value = f'{{{ids},"assessmentTs":{attempted},"events":[{answers}]}}'
        self._recent.append(_Attempt(learner, assessment, attempt_id, attempted, received, value, bare))
        return value if bare else _with_receipt(received, value)

    def _ids(self, learner: int, assessment: int, attempt_id: str) -> str:
        batch = learner % self._batches
        course = batch % len(_COURSES)
        content = f"do_2130{course * _ASSESSMENTS + assessment:04d}"
        return (
            f'"batchId":"01309299287396{batch:05d}","courseId":"{_COURSES[course]}",'
            f'"userId":"{self._learner_id(learner)}","attemptId":"{attempt_id}","contentId":"{content}"'
        )

    def _answer_list(self, n: int, attempted: int, texts: list[list[str]]) -> str:
        asked = 5 + self._below(len(texts) - 4)
        mid = self._id("mid", n)
        first = self._below(len(texts))
        at = attempted
        answers = []
        for index in range(asked):
            choices = texts[(first + index) % len(texts)]
            seconds = 1 + self._below(30)
            at += seconds * 1000
            answers.append(
                f'{{"eid":"ASSESS","ets":{at},"ver":"3.1","mid":"ASSESS:{mid}{index}","edata":{{"index":{index + 1},'
                f'"duration":{seconds},{self._one_of(choices)}}}}}'
            )
        return ",".join(answers)


def _with_receipt(received: int, value: str) -> str:
    return f'{{"receivedAt":{received},"value":{value}}}'


def _answer_texts(assessment: str) -> list[list[str]]:
    """The text of an answer without its clock, for each question and choice."""
    return [
        [_answer_text(f"{assessment}_q{question}", question, choice) for choice in range(len(choices))]
        for question, (_, choices) in enumerate(_QUESTIONS)
    ]


def _answer_text(question_id: str, question: int, choice: int) -> str:
    title, choices = _QUESTIONS[question]
    score = _PARTIAL_SCORES[choice] if question == _PARTIAL else int(choice == 0)
    options = [{str(n + 1): _compact({"text": text})} for n, text in enumerate(choices)]
    data = {
        "item": {
            "id": question_id,
            "maxscore": 1,
            "type": "ftb" if question == _PARTIAL else "mcq",
            "title": title,
            "desc": "",
            "params": [*options, {"answer": _compact({"correct": ["1"]})}],
        },
        "pass": "Yes" if choice == 0 else "No",
        "score": score,
        "resvalues": [options[choice]],
    }
    return _compact(data)[1:-1]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
