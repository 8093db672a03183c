"""Decoding takes time linear in the size of an event, for any content."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assess_core.domain.events import MAX_EVENT_BYTES, Record
from tests.factories import RECEIVED, event, text, wire_answer
from tests.fuzz import HOSTILE, checked, growth, run

SMALL, LARGE = 20_000, 640_000  # 32 times as large: with quadratic time a byte would take 32 times as long
MAX_GROWTH = 8.0


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_per_byte_does_not_grow_with_the_size_of_an_event(name: str) -> None:
    assert growth(HOSTILE[name], SMALL, LARGE) < MAX_GROWTH


UNITS = [
    b"1", b" ", b"e", b"-", b".", b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"\xc3\xa9", b"\\ud83d", b"\\u000b",
]  # fmt: skip
TEMPLATES = [
    text(event(user="@")), text(event(attempted="@")), text(event(answers="@")), text(event(ignored="@")),
    *(text(event(answers=[wire_answer(**{name: "@"})])) for name in ("id", "score", "ets", "title")),
]  # fmt: skip


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    template=st.sampled_from(TEMPLATES),
    units=st.lists(st.sampled_from(UNITS), min_size=1, max_size=4),
    end=st.lists(st.sampled_from([*UNITS, b"x"]), max_size=3),
    in_quotes=st.booleans(),
    size=st.sampled_from([1_000, 100_000, MAX_EVENT_BYTES - 1_000]),
)
def test_any_event_up_to_the_size_limit_is_decoded_in_linear_time(
    template: bytes, units: list[bytes], end: list[bytes], in_quotes: bool, size: int
) -> None:
    unit = b"".join(units)
    quote = b'"' if in_quotes else b""
    run_of_units = quote + unit * (size // len(unit)) + b"".join(end) + quote
    checked(Record("topic", 0, 1, template.replace(b'"@"', run_of_units), RECEIVED))


def test_two_seconds_of_mutated_events_break_no_rule() -> None:
    found = run(2.0, seed=7)
    assert {"Accepted", "Recompute", "not_json", "bad_shape", "bad_number"} <= found.outcomes.keys()
