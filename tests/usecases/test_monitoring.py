"""What a monitor sees of the stores, and how seldom the stores are read for it."""

import threading
from itertools import count

import pytest

from assess_core.domain.measures import HOT_ROWS, STATE_AGE, STATE_SECONDS, Sample
from assess_core.domain.moments import DAY
from assess_core.errors import StoreUnavailable
from assess_core.ports.log import Backlog
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving
from assess_core.usecases.monitoring import FRESH, SHARE, Monitor, read_state, state
from tests.factories import RECEIVED, WEEK, event
from tests.loop import NOW, put_away, take


def numbers(samples: list[Sample]) -> dict[str, float]:
    return {" ".join((sample.measure.name, *sample.labels)): sample.value for sample in samples}


def test_slices_are_counted_by_state_and_hot_rows_in_all(stores: Stores) -> None:
    take(stores, event(batch="b1"), event(batch="b1", user="u2"))
    take(stores, event(batch="b2"), received=RECEIVED + WEEK)
    found = numbers(read_state(stores, NOW, DAY))
    assert found["assess_hot_rows"] == 3
    assert (found["assess_slices planned"], found["assess_slices verified"]) == (2, 0)
    first, second = stores.hot.slices()
    archiving.archive([first], stores, NOW)
    archiving.verify([first], stores, NOW)
    found = numbers(read_state(stores, NOW, DAY))
    assert (found["assess_slices planned"], found["assess_slices verified"]) == (1, 1)
    assert found["assess_oldest_unverified_seconds"] == (NOW - second.week.end - DAY) / 1000
    put_away(stores)
    found = numbers(read_state(stores, NOW, DAY))
    assert found["assess_oldest_unverified_seconds"] == found["assess_hot_rows"] == 0
    assert "assess_slices cleared" not in found


def test_an_open_slice_is_not_late(stores: Stores) -> None:
    take(stores, event())
    found = numbers(read_state(stores, RECEIVED + 1, DAY))
    assert (found["assess_slices open"], found["assess_oldest_unverified_seconds"]) == (1, 0)


def test_the_unread_part_of_the_log_is_shown_by_partition() -> None:
    found = numbers(state([], [Backlog("0", 7, "records"), Backlog("1", 0, "records")], NOW, DAY))
    assert (found["assess_log_unread 0 records"], found["assess_log_unread 1 records"]) == (7, 0)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_stores_are_read_again_only_after_a_while_and_the_age_is_shown() -> None:
    clock, reads = Clock(), count(1)
    monitor = Monitor(lambda: [Sample(HOT_ROWS, next(reads))], clock)
    assert numbers(monitor.samples(10)) == {"assess_hot_rows": 1, STATE_SECONDS.name: 0, STATE_AGE.name: 0}
    clock.now = FRESH - 1
    assert numbers(monitor.samples(10))["assess_hot_rows"] == 1
    assert numbers(monitor.samples(10))[STATE_AGE.name] == FRESH - 1
    clock.now = FRESH
    assert numbers(monitor.samples(10))["assess_hot_rows"] == 2


def test_the_longer_a_read_takes_the_later_the_next_one_begins() -> None:
    clock, reads = Clock(), count(1)

    def slow() -> list[Sample]:
        clock.now += 60
        return [Sample(HOT_ROWS, next(reads))]

    monitor = Monitor(slow, clock)
    assert numbers(monitor.samples(10))[STATE_SECONDS.name] == 60
    clock.now = 60 + 60 * SHARE - 1
    assert numbers(monitor.samples(10))["assess_hot_rows"] == 1
    clock.now += 1
    assert numbers(monitor.samples(10))["assess_hot_rows"] == 2


def test_a_scrape_does_not_wait_for_a_slow_read_and_only_one_read_runs() -> None:
    go_on, reads = threading.Event(), count(1)

    def hanging() -> list[Sample]:
        number = next(reads)
        assert go_on.wait(10)
        return [Sample(HOT_ROWS, number)]

    monitor = Monitor(hanging, Clock())
    assert [numbers(monitor.samples(0)) for _ in range(3)] == [{STATE_AGE.name: 0, STATE_SECONDS.name: 0}] * 3
    go_on.set()
    assert numbers(monitor.samples(10))["assess_hot_rows"] == 1


def test_if_the_stores_do_not_answer_the_last_numbers_stay_and_get_older(caplog: pytest.LogCaptureFixture) -> None:
    clock, reads = Clock(), count(1)

    def read() -> list[Sample]:
        if (number := next(reads)) > 1:
            raise StoreUnavailable("the hot store does not answer")
        return [Sample(HOT_ROWS, number)]

    monitor = Monitor(read, clock)
    monitor.samples(10)
    clock.now = 500
    found = numbers(monitor.samples(10))
    assert (found["assess_hot_rows"], found[STATE_AGE.name]) == (1, 500)
    assert "the hot store does not answer" in caplog.text
