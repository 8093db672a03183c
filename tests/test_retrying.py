"""The retry policy. Most tests record the waits instead of waiting."""

import pytest

from assess_core.retrying import retrying


class Temporary(Exception):
    """A temporary fault."""


def is_temporary(error: BaseException) -> bool:
    return isinstance(error, Temporary)


class Call:
    """Raises the given errors, one at each call, then returns an answer."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_a_temporary_error_is_retried_until_there_is_an_answer() -> None:
    call, waits, notified = Call(Temporary("one"), Temporary("two")), list[float](), list[tuple[str, float]]()
    policy = retrying(
        is_temporary, deadline_seconds=60, notify=lambda e, s: notified.append((str(e), s)), sleep=waits.append
    )
    assert policy(call) == "answer"
    assert call.calls == 3
    assert notified == list(zip(("one", "two"), waits, strict=True))


def test_a_permanent_error_is_raised_immediately() -> None:
    call = Call(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong"):
        retrying(is_temporary, deadline_seconds=60, sleep=lambda _: None)(call)
    assert call.calls == 1


def test_waits_double_up_to_the_longest_and_are_random() -> None:
    def waits() -> list[float]:
        found = list[float]()
        policy = retrying(is_temporary, deadline_seconds=None, first_wait=1, longest_wait=8, sleep=found.append)
        policy(Call(*(Temporary() for _ in range(12))))
        return found

    some, others = waits(), waits()
    for found in (some, others):
        assert all(0.5 <= wait <= min(2**number, 8) for number, wait in enumerate(found))
    assert some != others


def test_the_error_is_raised_when_the_next_wait_would_pass_the_deadline() -> None:
    call = Call(*(Temporary(str(number)) for number in range(1000)))
    with pytest.raises(Temporary):
        retrying(is_temporary, deadline_seconds=0.2, first_wait=0.02, longest_wait=0.05)(call)
    assert 2 < call.calls < 30
