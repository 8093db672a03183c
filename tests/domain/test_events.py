"""Decoding of events: some become versions, some request a recomputation, and the others are rejected."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assess_core.domain.attempts import Answer
from assess_core.domain.events import (
    Accepted,
    FailedEvent,
    Recompute,
    Record,
    RecordKind,
    batch_of,
    decode,
    failed,
    learner_of,
    raw_hash,
)
from assess_core.domain.moments import DAY, iso
from assess_core.domain.reasons import Reason
from tests.domain.test_events_refused import reason, refused, with_answer
from tests.factories import (
    ATTEMPTED,
    RECEIVED,
    WEEK,
    accepted,
    decoded,
    event,
    line,
    record,
    text,
    wire_answer,
    without,
)


def only_answer(message: object) -> Answer:
    """The only answer of a message, as it is stored."""
    question = json.loads(accepted(message).version.question)
    assert len(question) == 1
    return Answer(**question[0])


# --- accepted events ---


def test_an_event_becomes_a_version_of_the_attempt_that_it_names() -> None:
    result = accepted(event(answers=[wire_answer("q2", 0.33, 1), wire_answer("q1", 1, 1)]))

    version = result.version
    assert version.key == ("u1", "c1", "b1", "a1", "t1")
    assert (version.version.last_attempted_on, version.version.has_answers) == (ATTEMPTED, True)
    assert (version.total_score, version.total_max_score, version.grand_total) == (1.33, 2.0, "1.33/2.0")
    assert version.received_at == RECEIVED
    assert [answer["id"] for answer in json.loads(version.question)] == ["q1", "q2"]
    assert result.questions == 2


def test_one_answer_counts_for_each_question() -> None:
    sent = [wire_answer("q1", 1, ets=ATTEMPTED), wire_answer("q1", 0, ets=ATTEMPTED + 1), wire_answer("q2", 1)]

    result = accepted(event(answers=sent))

    assert (result.questions, result.version.total_score) == (2, 1.0)


def test_unknown_keys_and_the_eid_are_ignored() -> None:
    sent = {**wire_answer(), "eid": "SOMETHING", "mid": "m1", "tags": [1, None, {"a": []}]}

    assert accepted(event(answers=[sent], other={"x": 1}, mid=7)).version == accepted().version


def test_key_order_white_space_and_escapes_do_not_change_the_version() -> None:
    message = event(user="Zoë \U0001f600", answers=[wire_answer("q1", 1.0)])
    reordered = dict(reversed(list(message.items())))

    spellings = [text(message), json.dumps(reordered, indent=2).encode() + b"\r\n"]

    assert len({accepted(spelling).version for spelling in spellings}) == 1


def test_if_a_key_appears_twice_the_last_one_counts() -> None:
    raw = text(event(user="u2")).replace(b'{"userId":"u2"', b'{"userId":"u1","userId":"u2"')

    assert accepted(raw).version == accepted(event(user="u2")).version


def test_ids_with_any_characters_are_stored_unchanged() -> None:
    odd = 'a\x00b "q" \\ /../\n\U0001f600|;--'

    assert accepted(event(odd, odd, odd, odd, odd)).version.key == (odd, odd, odd, odd, odd)


def test_an_attempt_id_may_be_empty_but_not_missing() -> None:
    assert accepted(event(attempt="")).version.key.attempt_id == ""
    assert refused(without(event(), "attemptId")) == (
        Reason.BAD_SHAPE,
        "the event does not have the expected shape: `attemptId` is missing",
    )


@pytest.mark.parametrize("clock", [ATTEMPTED, float(ATTEMPTED), str(ATTEMPTED), "2024-01-30T00:00:00Z", "2024-01-30"])
def test_clocks_may_be_numbers_numeric_text_or_iso_8601(clock: object) -> None:
    message = event(attempted=clock, answers=[wire_answer(ets=clock)])

    assert accepted(message).version == accepted(event(answers=[wire_answer(ets=ATTEMPTED)])).version


def test_the_time_zone_of_a_clock_is_used() -> None:
    version = accepted(event(attempted="2024-01-30T05:30:00+05:30")).version

    assert version.version.last_attempted_on == ATTEMPTED


def test_a_null_ets_is_0_and_a_missing_ets_fails() -> None:
    assert only_answer(event(answers=[wire_answer(ets=None)])).assess_ts == 0
    assert reason(event(answers=[without(wire_answer(), "ets")])) == Reason.BAD_SHAPE


@pytest.mark.parametrize("name", ["score", "maxscore", "duration"])
@pytest.mark.parametrize(("sent", "stored"), [(None, 0.0), (2, 2.0), ("1.50", 1.5), ("-1e2", -100.0), (-0.0, 0.0)])
def test_numbers_may_be_numeric_text_and_null_is_0(name: str, sent: object, stored: float) -> None:
    column = {"maxscore": "max_score"}.get(name, name)

    value = getattr(only_answer(with_answer(**{name: sent})), column)

    assert str(value) == str(stored)  # -0.0 is stored as 0.0, because both must have the same hash


def test_missing_score_maxscore_and_duration_are_0() -> None:
    bare = {"ets": ATTEMPTED, "edata": {"resvalues": [], "item": {"params": []}}}

    assert only_answer(event(answers=[bare])) == Answer("", ATTEMPTED, 0.0, 0.0, None, None, [], [], None, 0.0)


@pytest.mark.parametrize(("sent", "stored"), [(None, ""), ("", ""), (7, "7"), (1.5, "1.5"), ("q", "q")])
def test_a_question_id_may_be_missing_empty_or_a_number(sent: object, stored: str) -> None:
    assert only_answer(event(answers=[wire_answer(id=sent)])).id == stored


def test_answers_without_a_question_id_belong_to_one_question() -> None:
    assert accepted(event(answers=[wire_answer(id=None), wire_answer(id="")])).questions == 1


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("text", "text"),
        ("", ""),
        (1, "1"),
        (1.0, "1.0"),
        (True, "true"),
        ([1, None, "é"], '[1,null,"é"]'),
        ({"b": {"c": None, "d": []}, "a": None}, '{"b":{"d":[]}}'),
        (10**25, "1" + "0" * 25),
    ],
)
@pytest.mark.parametrize("column", ["params", "resvalues"])
def test_options_and_responses_that_are_not_text_are_stored_as_json_text(
    column: str, value: object, stored: str
) -> None:
    stored_entries = getattr(only_answer(with_answer(**{column: [{"1": value}, {}]})), column)

    assert stored_entries == [{"1": stored}, {}]


def test_the_order_of_members_in_an_option_does_not_change_the_version() -> None:
    one, other = (with_answer(params=[entry]) for entry in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}))

    assert accepted(one).version == accepted(other).version


# --- receipts ---


def test_a_line_may_carry_its_receipt() -> None:
    bare = decode(record(line(event(), RECEIVED + 5), received=None))

    assert isinstance(bare, Accepted)
    assert bare.version.received_at == bare.record.received_at == RECEIVED + 5


@pytest.mark.parametrize("ets", [ATTEMPTED - 5, ATTEMPTED + 5])
def test_a_bare_event_was_received_at_the_later_of_its_newest_ets_and_its_assessment_ts(ets: int) -> None:
    message = event(answers=[wire_answer("q1", ets=1), wire_answer("q2", ets=ets)])

    assert accepted(message, received=None).version.received_at == max(ATTEMPTED, ets)


def test_the_receipt_is_not_part_of_the_version() -> None:
    assert accepted(received=RECEIVED).version.version == accepted(received=RECEIVED + DAY).version.version


@pytest.mark.parametrize("receipt", [-1, 0, 946_684_799_999, 4_102_444_800_000, 2**62])
def test_a_receipt_outside_2000_to_2100_fails_and_is_not_kept(receipt: int) -> None:
    by_log = decoded(event(), received=receipt)
    by_line = decoded(line(event(), receipt), received=None)

    assert isinstance(by_log, FailedEvent)
    assert isinstance(by_line, FailedEvent)
    assert (by_log.reason, by_log.received_at) == (by_line.reason, by_line.received_at) == (Reason.BAD_CLOCK, None)


@pytest.mark.parametrize("receipt", ["soon", 1.5, -5])
def test_a_receipt_that_is_not_a_clock_fails(receipt: object) -> None:
    assert reason(text({"receivedAt": receipt, "value": event()}), None) == Reason.BAD_CLOCK


def test_a_receipt_that_a_client_writes_into_its_event_is_ignored() -> None:
    forged = {**event(), "receivedAt": RECEIVED - WEEK, "value": event(attempt="forged")}

    found = decode(Record("topic", 3, 17, text(forged), RECEIVED))

    assert isinstance(found, Accepted)
    assert (found.version.key.attempt_id, found.version.received_at) == (event()["attemptId"], RECEIVED)
    receipts: tuple[object, ...] = ("soon", -1, [], RECEIVED - WEEK)
    for receipt in receipts:
        alone = decode(Record("topic", 3, 17, text({"receivedAt": receipt, "value": event()}), RECEIVED))
        assert isinstance(alone, FailedEvent)
        assert alone.reason is Reason.BAD_ID


@pytest.mark.parametrize("received", [RECEIVED, None])
def test_a_kafka_record_is_never_unwrapped(received: int | None) -> None:
    forged = text({"receivedAt": RECEIVED, "value": event(user="victim")})

    found = decode(Record("topic", 3, 17, forged, received))

    assert isinstance(found, FailedEvent)
    assert decode(found.record) == found
    assert batch_of(found.record) is None
    assert "`receivedAt` and `value`; send only the event in `value`" in found.message
    assert learner_of(found) == "victim"  # so an erased learner does not come back as a failed event


def test_a_line_is_unwrapped_once() -> None:
    inner = {**event(user="me"), "receivedAt": RECEIVED, "value": event(user="victim")}

    found = decode(Record("/log/a.jsonl", 0, 1, line(inner), kind=RecordKind.LINE))

    assert isinstance(found, Accepted)
    assert found.version.key.user_id == "me"


@pytest.mark.parametrize("receipt", [RECEIVED, str(RECEIVED), iso(RECEIVED)])
def test_a_replay_of_a_failed_line_with_a_receipt_gives_the_same_result(receipt: object) -> None:
    line = text({"receivedAt": receipt, "value": event()})
    first = decode(Record("/log/events.jsonl", 0, 1, line, kind=RecordKind.LINE))
    assert isinstance(first, Accepted)

    again = decode(failed(first.record, Reason.NOT_A_LEAF_NODE, "").record)

    assert again == first


def test_a_failed_event_keeps_the_receipt_of_its_line() -> None:
    result = decoded(line({"userId": 5}, RECEIVED + 5), received=None)

    assert isinstance(result, FailedEvent)
    assert (result.reason, result.received_at) == (Reason.BAD_SHAPE, RECEIVED + 5)


# --- recompute ---


@pytest.mark.parametrize("events", ["missing", None, []])
def test_an_event_without_answers_requests_a_recomputation(events: object) -> None:
    message = {**event(), "events": events}
    if events == "missing":
        message = without(message, "events")

    result = decoded(without(message, "attemptId", "contentId", "assessmentTs"))

    assert isinstance(result, Recompute)
    assert (result.user_id, result.course_id, result.batch_id) == ("u1", "c1", "b1")


def test_a_request_to_recompute_must_name_a_learner_a_course_and_a_batch() -> None:
    for name in ("userId", "courseId", "batchId"):
        assert reason(without(event(answers=[]), name)) == Reason.BAD_ID


def test_a_request_to_recompute_with_an_impossible_clock_fails() -> None:
    assert reason(event(answers=[], attempted=-1)) == Reason.BAD_CLOCK


# --- rejected events are kept whole ---


def test_a_failed_event_has_its_position_and_its_bytes() -> None:
    result = decode(Record("topic", 3, 17, b"nonsense", RECEIVED))

    assert isinstance(result, FailedEvent)
    assert result.key == ("topic", 3, 17, raw_hash(b"nonsense"))
    assert result.record == Record("topic", 3, 17, b"nonsense", RECEIVED)
    assert result.message.startswith("the event is not JSON: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_json_value_in_an_event_gives_a_result(data: st.DataObject) -> None:
    """Hypothesis replaces any member of an event by any JSON value."""
    message = event(answers=[wire_answer()])
    places: list[tuple[Any, str | int]] = []

    def walk(value: Any) -> None:
        members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, member in members:
            places.append((value, name))
            walk(member)

    walk(message)
    place, name = data.draw(st.sampled_from(places))
    place[name] = data.draw(json_values)

    result = decode(record(message))

    assert isinstance(result, Accepted | Recompute | FailedEvent)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.integers(0, 60))
def test_any_bytes_give_a_result(noise: bytes, start: int, length: int) -> None:
    raw = text(event())

    for bytes_ in (noise, raw[:start] + noise + raw[start + length :]):
        assert isinstance(decode(record(bytes_)), Accepted | Recompute | FailedEvent)
