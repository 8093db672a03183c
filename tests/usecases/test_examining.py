"""The findings for readers who cannot wait: one run of the checks at a time, and what it found so far."""

import threading
import time
from collections.abc import Callable, Iterator

from assess_core.ports.findings import Finding, Level
from assess_core.usecases.examining import Examined, Examiner
from assess_core.usecases.monitoring import FRESH
from tests.factories import MONDAY

FINE, SLOW = Finding(Level.OK, "lake", "empty"), Finding(Level.BAD, "log", "no answer", "start the broker")


class Clock:
    """A monotonic clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def examiner(examine: Callable[[], Iterator[Finding]], clock: Callable[[], float] | None = None) -> Examiner:
    return Examiner(examine, lambda: MONDAY, clock or Clock())


def complete(examiner: Examiner) -> Examined:
    give_up = time.monotonic() + 10
    while not (found := examiner.newest()).is_complete:
        assert time.monotonic() < give_up
        time.sleep(0.005)
    return found


def test_a_reader_gets_the_findings_of_all_checks() -> None:
    assert complete(examiner(lambda: iter([FINE, SLOW]))) == Examined(
        MONDAY, (FINE, SLOW), is_complete=True, again_at=MONDAY + int(FRESH * 1000)
    )


def test_a_reader_gets_the_findings_so_far_and_no_second_run_begins_while_a_store_is_slow() -> None:
    go_on, runs = threading.Event(), list[int]()

    def examine() -> Iterator[Finding]:
        runs.append(1)
        yield FINE
        go_on.wait(10)
        yield SLOW

    found = examiner(examine)
    give_up = time.monotonic() + 10
    while found.newest().findings != (FINE,):
        assert time.monotonic() < give_up
    assert not found.newest().is_complete
    go_on.set()
    assert complete(found).findings == (FINE, SLOW)
    assert runs == [1]


def test_checks_are_not_repeated_at_once() -> None:
    runs, clock = list[int](), Clock()

    def examine() -> Iterator[Finding]:
        runs.append(1)
        yield FINE

    found = examiner(examine, clock)
    complete(found)
    clock.now += FRESH - 1
    complete(found)
    assert len(runs) == 1
    clock.now += 1
    complete(found)
    assert len(runs) == 2


def test_a_check_that_breaks_is_a_finding_and_the_next_run_may_succeed() -> None:
    runs, clock = list[int](), Clock()

    def examine() -> Iterator[Finding]:
        runs.append(1)
        yield FINE
        if len(runs) == 1:
            raise ZeroDivisionError

    found = examiner(examine, clock)
    broken = complete(found).findings
    assert (broken[0], broken[1].level, broken[1].action) == (FINE, Level.BAD, "assess doctor")
    clock.now += FRESH
    assert complete(found).findings == (FINE,)
