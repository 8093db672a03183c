"""The usual shape of an event saves time and changes no result."""

from random import Random

import pytest

from assess_core.domain import events
from assess_core.domain.events import Accepted, Decoded, Record, RecordKind, decode
from assess_core.domain.samples import sample_events
from assess_core.domain.usual import usual_event, usual_line
from tests.factories import ATTEMPTED, RECEIVED, event, line, record, text, wire_answer, without
from tests.fuzz import mutated

SAMPLES = [sample.rstrip(b"\n") for sample in sample_events(200)] + [
    text(event()),
    line(event(answers=[wire_answer("q2"), wire_answer("q1"), wire_answer("q2", score=-0.0, ets=ATTEMPTED - 1)])),
]


def without_the_usual_shape(record: Record, monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """The result if no event had the usual shape."""
    with monkeypatch.context() as patched:
        patched.setattr(events, "usual_event", lambda raw: None)
        patched.setattr(events, "usual_line", lambda raw: None)
        return decode(record)


@pytest.mark.parametrize("kind", RecordKind)
def test_an_event_of_the_usual_shape_gives_the_same_result_as_any_other(
    kind: RecordKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, accepted = Random(5), 0
    for _ in range(2000):
        raw = random.choice(SAMPLES)
        if random.random() < 0.8:
            raw = mutated(random, raw)
        one = Record("/log/a.jsonl", 0, 1, raw, random.choice([None, RECEIVED, 5]), kind)
        found = decode(one)

        assert found == without_the_usual_shape(one, monkeypatch)
        accepted += isinstance(found, Accepted)
    assert accepted > 50


EDGES = [
    {"ids": "é" * 256}, {"ids": "é" * 257}, {"ids": ""}, {"ids": "e" * 1025},
    {"attempted": 946_684_800_000}, {"attempted": 946_684_799_999}, {"attempted": 4_102_444_800_000},
    {"score": 0.0}, {"score": -0.0}, {"score": 9.9e15}, {"score": 1e16}, {"score": -1}, {"score": None},
    {"score": 1e-5}, {"duration": "3"}, {"ets": 0}, {"ets": -1}, {"ets": None}, {"id": None}, {"id": ""}, {"id": 7},
]  # fmt: skip


@pytest.mark.parametrize("edge", EDGES, ids=str)
def test_the_ends_of_the_usual_shape_give_the_same_result(
    edge: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {name: value for name, value in edge.items() if name not in ("ids", "attempted")}
    ids = {name: edge["ids"] for name in ("user", "course", "batch", "content", "attempt") if "ids" in edge}
    message = event(answers=[wire_answer(**members)], attempted=edge.get("attempted", ATTEMPTED), **ids)

    one = record(message)

    assert decode(one) == without_the_usual_shape(one, monkeypatch)


def test_nearly_all_sample_events_have_the_usual_shape() -> None:
    found = [usual_line(sample) is not None for sample in SAMPLES]

    assert sum(found) > 0.95 * len(found)


def test_a_member_named_value_makes_an_event_unusual_only_in_a_line() -> None:
    raw = text(event(value=1, receivedAt=RECEIVED))

    assert usual_line(raw) is None
    assert usual_event(raw) is not None


def test_an_event_without_answers_or_without_an_id_is_not_usual() -> None:
    assert usual_event(text(event(answers=[]))) is None
    assert usual_event(text(without(event(), "contentId"))) is None
