"""Decoding of events: which events fail, and for which reason."""

import json
from typing import Any

import pytest

from assess_core.domain.events import Accepted, Decoded, FailedEvent, batch_of
from assess_core.domain.json_text import MAX_DEPTH, is_too_deep
from assess_core.domain.moments import DAY
from assess_core.domain.reasons import Reason
from tests.factories import ATTEMPTED, RECEIVED, accepted, decoded, event, line, record, text, wire_answer, without


def refused(message: object, received: int | None = RECEIVED) -> tuple[Reason, str]:
    """The reason and the text of a failure. The failed event must contain the whole message."""
    result = decoded(message, received=received)
    assert isinstance(result, FailedEvent), result
    assert result.raw == (message if isinstance(message, bytes) else text(message))
    return result.reason, result.message


def reason(message: object, received: int | None = RECEIVED) -> Reason:
    return refused(message, received)[0]


def with_answer(**members: object) -> dict[str, object]:
    """An event with one answer, in which `edata`, `item` or other members are replaced."""
    sent = wire_answer()
    edata: dict[str, Any] = sent["edata"]  # type: ignore[assignment]  # as the factory makes it
    for name, value in members.items():
        (edata if name in ("resvalues", "score", "duration") else edata["item"])[name] = value
    return event(answers=[sent])


def spliced(message: object, raw: bytes) -> bytes:
    """The text of a message with raw bytes instead of `"@"`, for JSON that no encoder writes."""
    return text(message).replace(b'"@"', raw)


# --- rejected: shape ---

NOT_JSON = [b"", b"  ", b"nonsense", b"{", b'{"userId":"u1"', b"\xff\xfe", text(event())[:-20], text(event()) * 2]


@pytest.mark.parametrize("raw", NOT_JSON)
def test_text_that_is_not_json_is_rejected(raw: bytes) -> None:
    assert reason(raw) == Reason.NOT_JSON


@pytest.mark.parametrize("raw", [b"null", b"1", b"[]", b'"text"', line("text"), line(None), line([event()])])
def test_json_that_is_not_an_event_is_rejected(raw: bytes) -> None:
    assert reason(raw, None) == Reason.BAD_SHAPE


@pytest.mark.parametrize("member", ["userId", "courseId", "batchId", "contentId", "attemptId"])
@pytest.mark.parametrize("value", [5, 1.5, True, None, [], {}])
def test_an_id_that_is_not_text_fails(member: str, value: object) -> None:
    assert reason({**event(), member: value}) == Reason.BAD_SHAPE


@pytest.mark.parametrize("member", ["userId", "courseId", "batchId", "contentId"])
def test_an_id_that_is_missing_or_empty_fails(member: str) -> None:
    assert refused({**event(), member: ""}) == (Reason.BAD_ID, f"`{member}` is missing or empty")
    assert refused(without(event(), member)) == (Reason.BAD_ID, f"`{member}` is missing or empty")


def test_an_event_with_answers_needs_a_clock() -> None:
    shape = "the event does not have the expected shape: `assessmentTs` is"
    assert refused(without(event(), "assessmentTs")) == (Reason.BAD_SHAPE, f"{shape} missing")
    assert refused(event(attempted=None)) == (Reason.BAD_SHAPE, f"{shape} null")


@pytest.mark.parametrize("value", ["text", 5, True, {}, [5], ["text"], [None], [[]]])
def test_answers_that_are_not_a_list_of_objects_fail(value: object) -> None:
    assert reason(event(answers=value)) == Reason.BAD_SHAPE


@pytest.mark.parametrize("path", [("edata",), ("edata", "item")])
def test_an_answer_needs_edata_and_item(path: tuple[str, ...]) -> None:
    sent = wire_answer()
    place: Any = sent
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]

    assert reason(event(answers=[sent])) == Reason.BAD_SHAPE


@pytest.mark.parametrize("raw", [b"1e400", b"-1e400", b"9" * 400])
def test_a_number_outside_floating_point_fails(raw: bytes) -> None:
    for name in ("score", "maxscore", "duration"):
        assert reason(spliced(with_answer(**{name: "@"}), raw)) == Reason.BAD_NUMBER


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b"-Infinity"])
def test_nan_and_infinity_are_not_json(raw: bytes) -> None:
    assert reason(spliced(with_answer(score="@"), raw)) == Reason.NOT_JSON


def test_a_total_outside_floating_point_fails() -> None:
    both = [wire_answer("q1", score=1e308), wire_answer("q2", score=1e308)]

    assert reason(event(answers=both)) == Reason.BAD_NUMBER
    assert accepted(event(answers=both[:1])).version.total_score == 1e308


# --- rejected: clocks ---


@pytest.mark.parametrize("clock", [-1, "-1", 1.5, ATTEMPTED + 0.5, "soon", "", "1e3", "2024-13-01", 10**30, "9" * 30])
def test_a_clock_that_is_negative_fractional_or_unreadable_fails(clock: object) -> None:
    assert reason(event(attempted=clock)) == Reason.BAD_CLOCK
    assert reason(event(answers=[wire_answer(ets=clock)])) == Reason.BAD_CLOCK


@pytest.mark.parametrize("clock", [True, [], {}])
def test_a_clock_of_another_type_fails(clock: object) -> None:
    assert reason(event(attempted=clock)) == reason(event(answers=[wire_answer(ets=clock)])) == Reason.BAD_SHAPE


@pytest.mark.parametrize(
    "clock",
    [0, 946_684_799_999, 4_102_444_800_000, "1999-12-31T23:59:59Z", "2100-01-01", "9999-12-31", "0001-01-01"],
)
def test_an_assessment_ts_outside_2000_to_2100_fails(clock: object) -> None:
    assert reason(event(attempted=clock), None) == Reason.BAD_CLOCK


@pytest.mark.parametrize("clock", [946_684_800_000, 4_102_444_799_999])
def test_the_first_and_the_last_moment_of_the_century_are_accepted(clock: int) -> None:
    assert accepted(event(attempted=clock, answers=[wire_answer(ets=0)]), received=clock)


def test_an_ets_may_be_older_than_2000_but_not_after_2100() -> None:
    assert accepted(event(answers=[wire_answer(ets=1)]))
    assert reason(event(answers=[wire_answer(ets=4_102_444_800_000)]), None) == Reason.BAD_CLOCK


def test_a_clock_may_be_at_most_one_day_ahead_of_its_receipt() -> None:
    ahead = RECEIVED + DAY

    assert accepted(event(attempted=ahead))
    assert accepted(event(answers=[wire_answer(ets=ahead)]))
    assert reason(event(attempted=ahead + 1)) == Reason.BAD_CLOCK
    assert reason(event(answers=[wire_answer(), wire_answer("q2", ets=ahead + 1)])) == Reason.BAD_CLOCK
    assert reason(line(event(attempted=ahead + 1)), None) == Reason.BAD_CLOCK


# --- rejected: size, depth, text ---


@pytest.mark.parametrize("member", ["userId", "courseId", "batchId", "contentId", "attemptId"])
def test_an_identifier_over_1_kb_fails(member: str) -> None:
    assert isinstance(decoded({**event(), member: "é" * 512}), Accepted)
    assert refused({**event(), member: "é" * 512 + "x"}) == (Reason.BAD_ID, f"`{member}` is longer than 1024 bytes")


def test_a_question_id_over_1_kb_fails() -> None:
    assert reason(event(answers=[wire_answer(id="q" * 1025)])) == Reason.BAD_ID
    assert reason(spliced(event(answers=[wire_answer(id="@")]), b"9" * 1025)) == Reason.BAD_ID


def test_an_event_over_8_mib_fails_with_any_content() -> None:
    size = 8 * 1024 * 1024
    fits = text(event()).ljust(size)

    assert accepted(fits).version == accepted().version
    assert reason(fits + b" ") == Reason.TOO_LARGE
    assert refused(b"x" * 50_000_000) == (
        Reason.TOO_LARGE,
        "the event has more than 8,388,608 bytes, the most that is accepted",
    )


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_an_event_that_is_nested_too_deeply_fails(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return opening * depth + (b"1" if closing == b"}" else b"") + closing * depth

    option = with_answer(params=[{"1": "@"}])

    around = 7  # the event, `events`, an answer, `edata`, `item`, `params`, and an option
    for message, room in ((option, MAX_DEPTH - around), (event(ignored="@"), MAX_DEPTH - 1)):
        assert isinstance(decoded(spliced(message, nested(room))), Accepted)
        for depth in (room + 1, 500, 940, 100_000):
            assert refused(spliced(message, nested(depth))) == (Reason.BAD_SHAPE, "the event is nested too deeply")
    assert reason(opening * 100_000) == Reason.BAD_SHAPE


def test_the_depth_limit_does_not_depend_on_the_callers_stack() -> None:
    deep = spliced(event(ignored="@"), b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1))

    def decoded_at(depth: int) -> Decoded:
        return decoded(deep) if depth == 0 else decoded_at(depth - 1)

    assert decoded_at(0) == decoded_at(550)


@pytest.mark.parametrize("text", ['"[[["', r'"\\"', r'"\"["', r'"\\\"[[["', '""', '"]"', "[[]]"])
def test_only_brackets_outside_strings_count_for_the_depth(text: str) -> None:
    value = json.loads(text)
    filled = b"[" + b",".join([text.encode()] * 300) + b"]"
    depth = 3 if value == [[]] else 1
    inside = b"[" * (MAX_DEPTH - depth) + filled + b"]" * (MAX_DEPTH - depth)
    assert not is_too_deep(inside)
    assert is_too_deep(b"[" + inside + b"]")


@pytest.mark.parametrize("raw", [b'"\xed\xa0\x80"', b'"\xff"'])
def test_bytes_that_are_not_utf_8_fail(raw: bytes) -> None:
    assert reason(spliced(event(user="@"), raw)) == Reason.NOT_JSON
    assert reason(spliced(with_answer(params=[{"1": "@"}]), raw)) == Reason.NOT_JSON


HALVES = [rb"x\ud83d", rb"\udc00x", rb"\ud800\u0041", rb"\uD83D\ud83d\ude00", rb"\\\ud83d"]


@pytest.mark.parametrize("half", HALVES)
def test_half_of_a_surrogate_pair_in_a_text_becomes_u_fffd(half: bytes) -> None:
    shown = json.loads(b'"' + half + b'"').encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    answer = accepted(spliced(with_answer(params=[{"1": "@"}], title="t"), b'"' + half + b'"')).version
    assert json.loads(answer.question)[0]["params"] == [{"1": shown}]
    assert "\ufffd" in shown


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", ["user", "course", "batch", "content", "attempt"])
def test_an_event_fails_if_an_id_has_half_of_a_surrogate_pair(name: str, half: bytes) -> None:
    assert reason(spliced(event(**{name: "@"}), b'"' + half + b'"')) == Reason.BAD_UNICODE


def test_an_event_fails_if_a_question_id_has_half_of_a_surrogate_pair() -> None:
    assert reason(spliced(with_answer(id="@"), rb'"q\ud83d"')) == Reason.BAD_UNICODE


@pytest.mark.parametrize("id_", ["\ufffd", r"a\ud83d"])
def test_an_id_that_only_looks_like_half_a_pair_is_accepted(id_: str) -> None:
    assert accepted(event(user=id_)).version.key.user_id == id_


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert accepted(spliced(event(user="@"), b'"\\ud83d\\ude00"')).version.key.user_id == "\U0001f600"


@pytest.mark.parametrize(
    ("raw", "batch_id"),
    [
        (text(event(batch="b1", attempted=-5)), "b1"),
        (line(event(batch="b|2 ü", answers=[{}])), "b|2 ü"),
        (text(event(batch=12)), None),
        (text(event(batch="")), None),
        (text(event(batch="b" * 1025)), None),
        (line({"batchId": None}), None),
        (b'{"value": null}', None),
        (b"nonsense", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_the_batch_of_a_failed_event_is_read_if_it_has_one(raw: bytes, batch_id: str | None) -> None:
    assert batch_of(record(raw, received=None)) == batch_id
