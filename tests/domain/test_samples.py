"""Sample events: a seed gives the same events, every kind occurs, and they span the end of a year."""

import json
from collections import Counter
from hashlib import sha256
from itertools import islice

import pytest

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.events import Accepted, Decoded, FailedEvent, Recompute, Record, RecordKind, decode
from assess_core.domain.reasons import Reason
from assess_core.domain.samples import sample_events
from assess_core.domain.slices import IsoWeek
from assess_core.ports.facts import NoFacts
from assess_core.usecases.folding import Checks, Tally, fold


def decoded(events: int, seed: int = 0) -> list[Decoded]:
    lines = sample_events(events, seed)
    return [
        decode(Record("sample", 0, number, line.rstrip(b"\n"), kind=RecordKind.LINE))
        for number, line in enumerate(lines, 1)
    ]


def accepted(events: int, seed: int = 0) -> list[Accepted]:
    return [event for event in decoded(events, seed) if isinstance(event, Accepted)]


@pytest.mark.parametrize("events", [0, 1, 8, 9, 49, 50, 777])
def test_the_number_of_lines_is_as_requested(events: int) -> None:
    lines = list(sample_events(events))
    assert len(lines) == events
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)


def test_a_seed_gives_the_same_bytes_in_every_version_of_python() -> None:
    assert (
        sha256(b"".join(sample_events(500, 1))).hexdigest()
        == "2ae8fb12fd4a50d04c2535a1a665dd56cb2739ef5c6e4113a93e5da899bb68ca"
    )


def test_another_seed_gives_other_learners() -> None:
    one, other = ({event.version.key.user_id for event in accepted(200, seed)} for seed in (1, 2))
    assert not one & other


def test_the_first_events_do_not_wait_for_the_others() -> None:
    assert len(list(islice(sample_events(10**9), 100))) == 100


def test_fifty_lines_have_one_failed_one_recompute_and_one_repeated_event() -> None:
    hot, tally = MemoryHot(), Tally()
    tally.add(fold(decoded(1000), hot, Checks(NoFacts())))
    assert (tally.events, tally.failed, tally.recomputed, tally.repeated) == (1000, 20, 20, 20)
    assert (tally.stored, tally.superseded) == (940, 40)


def test_failed_samples_have_several_reasons() -> None:
    reasons = Counter(event.reason for event in decoded(800) if isinstance(event, FailedEvent))
    assert reasons == {
        Reason.NOT_JSON: 4,
        Reason.BAD_SHAPE: 2,
        Reason.BAD_NUMBER: 2,
        Reason.BAD_CLOCK: 6,
        Reason.BAD_ID: 2,
    }


def test_samples_have_weeks_before_and_after_the_end_of_a_year() -> None:
    weeks = {event.version.slice.week for event in accepted(1000)}
    assert weeks >= {IsoWeek(2024, 51), IsoWeek(2024, 52), IsoWeek(2025, 1), IsoWeek(2025, 2)}


def test_some_attempts_are_received_in_a_later_week_than_their_clock() -> None:
    late = [e for e in accepted(1000) if IsoWeek.of(e.version.version.last_attempted_on) < e.version.slice.week]
    assert len(late) >= 10


def test_some_lines_carry_their_receipt_and_some_are_bare() -> None:
    kinds = Counter(line.startswith(b'{"receivedAt":') for line in sample_events(1000))
    assert kinds[False] > 100
    assert kinds[True] > 700


def test_samples_have_several_courses_batches_and_assessments_and_five_to_ten_answers() -> None:
    events = accepted(1000)
    keys = [event.version.key for event in events]
    assert len({key.course_id for key in keys}) == 3
    assert len({key.batch_id for key in keys}) == 6
    assert len({key.content_id for key in keys}) == 6
    assert len({key.user_id for key in keys}) > 70
    assert {event.questions for event in events} == {5, 6, 7, 8, 9, 10}


def test_learners_and_batches_grow_with_the_number_of_events() -> None:
    keys = [
        event.version.key
        for event in (
            decode(Record("s", 0, 1, line, kind=RecordKind.LINE)) for line in islice(sample_events(100_000), 3000)
        )
        if isinstance(event, Accepted)
    ]
    assert len({key.batch_id for key in keys}) == 20
    assert len({key.user_id for key in keys}) > 2000


def test_a_recompute_names_a_learner_who_answered() -> None:
    events = decoded(500)
    learners = {event.version.key.user_id for event in events if isinstance(event, Accepted)}
    recomputes = [event for event in events if isinstance(event, Recompute)]
    assert len(recomputes) == 10
    assert {event.user_id for event in recomputes} <= learners


def test_texts_use_several_scripts_and_scores_vary() -> None:
    text = b"".join(sample_events(200)).decode()
    assert all(word in text for word in ("भारत", "நீரின்", "🍎", '\\"prime\\"', "¿Qué"))
    totals = {event.version.total_score for event in accepted(500)}
    assert any(total != int(total) for total in totals)
    assert len(totals) > 15


def test_bare_lines_are_events_as_a_client_sends_them() -> None:
    [line] = islice((line for line in sample_events(100) if line.startswith(b'{"batchId"')), 1)
    assert list(json.loads(line)) == [
        "batchId", "courseId", "userId", "attemptId", "contentId", "assessmentTs", "events",
    ]  # fmt: skip
