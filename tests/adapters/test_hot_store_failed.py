"""The contract of every hot store, continued: failed events, and the positions of the log."""

from assess_core.domain.events import FailedEvent
from assess_core.ports.log import Position
from tests.adapters.test_hot_store import ODD
from tests.conftest import Hot
from tests.factories import RECEIVED, failed_event


def failed_of(hot: Hot) -> list[FailedEvent]:
    return list(hot.failed())


def test_failed_events_are_read_whole_in_order_of_topic_partition_and_offset(hot: Hot) -> None:
    events = [
        failed_event("a.jsonl", 2, raw=b"\x00\xff" * 10, received_at=RECEIVED),
        failed_event("a.jsonl", 10, raw=b"", message=ODD),
        failed_event("a.jsonl", 1, partition=1),
        failed_event("b.jsonl", 1, raw=bytes(range(256)) * 4096 * 3 + b"the rest"),
        failed_event(ODD, 1),
    ]
    hot.add_failed(list(reversed(events)))

    assert failed_of(hot) == sorted(events, key=lambda event: event.key)


def test_a_failed_event_that_is_added_again_is_not_changed(hot: Hot) -> None:
    hot.add_failed([failed_event(message="first")])
    hot.add_failed([failed_event(message="second")])

    assert failed_of(hot) == [failed_event(message="first")]


def test_other_bytes_at_the_same_offset_are_another_failed_event(hot: Hot) -> None:
    events = [failed_event(raw=b"one"), failed_event(raw=b"two")]
    hot.add_failed(events)

    assert failed_of(hot) == sorted(events, key=lambda event: event.key)


def test_a_resolved_event_is_not_listed_and_stays_resolved_when_it_is_added_again(hot: Hot) -> None:
    event, other = failed_event(offset=1), failed_event(offset=2)
    hot.add_failed([event, other])

    hot.resolve([event.key])
    hot.add_failed([event])

    assert failed_of(hot) == [other]
    assert hot.unresolved("events.jsonl", 0, 1, 2) == [other.key]


def test_an_event_that_is_resolved_before_a_late_worker_adds_it_stays_resolved(hot: Hot) -> None:
    hot.resolve([failed_event().key])
    hot.add_failed([failed_event()])

    assert failed_of(hot) == []
    assert hot.unresolved("events.jsonl", 0, 0, 9) == []


def test_unresolved_events_are_found_by_topic_partition_and_inclusive_offsets(hot: Hot) -> None:
    events = [failed_event(offset=offset) for offset in (1, 2, 3, 10)]
    hot.add_failed([*events, failed_event("other.jsonl", 2), failed_event(offset=2, partition=1)])

    assert hot.unresolved("events.jsonl", 0, 2, 3) == [events[1].key, events[2].key]


def test_many_failed_events_are_read_in_order(hot: Hot) -> None:
    events = [failed_event(offset=offset) for offset in range(1, 1203)]
    hot.add_failed(events)

    assert [event.offset for event in hot.failed()] == list(range(1, 1203))


def test_failed_events_after_a_key_are_read_from_there_on(hot: Hot) -> None:
    events = [failed_event(topic, offset) for topic in ("a.jsonl", "b.jsonl") for offset in (1, 2, 20_000)]
    twice = failed_event("a.jsonl", 2, raw=b"other bytes")
    hot.add_failed([*events, twice])
    in_order = sorted([*events, twice], key=lambda event: event.key)
    absent = failed_event("a.jsonl", 3).key

    for number, event in enumerate(in_order):
        assert list(hot.failed(event.key)) == in_order[number + 1 :]
    assert list(hot.failed(absent)) == in_order[3:]


def test_each_topic_keeps_its_last_position(hot: Hot) -> None:
    hot.commit({"/log/a.jsonl": Position(2, 17), ODD: Position(1, 0)})
    hot.commit({"/log/a.jsonl": Position(3, 40)})

    assert hot.positions() == {"/log/a.jsonl": Position(3, 40), ODD: Position(1, 0)}
