"""Whose turn it is: no channel waits for the whole queue of another one."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_core.domain.report_jobs import Rules
from assess_core.domain.report_queue import Queued, Usage, in_turn, is_used_up, next_day, require_room, unserved
from assess_core.errors import QueueFull
from tests.report_requests import NOW, RULES


def queued(channel: str, n: int, ready_at: int = 0, is_processing: bool = False) -> Queued:
    """The n-th job of a channel, each created a millisecond later."""
    return Queued(channel, NOW - 1000 + n, f"{channel}{n}", f"t:{channel}", ready_at, is_processing)


def names(jobs: list[Queued]) -> list[str]:
    return [job.id for job in jobs]


def test_channels_take_turns() -> None:
    queue = [*(queued("a", n) for n in range(3)), *(queued("b", n + 10) for n in range(2))]
    assert names(in_turn(queue, {}, NOW, RULES)) == ["a0", "b10", "a1", "b11", "a2"]


def test_the_channel_that_was_served_least_recently_comes_first() -> None:
    usage = {"a": Usage(5, 100, NOW - 10), "b": Usage(50, 1000, NOW - 20)}
    assert names(in_turn([queued("a", 0), queued("b", 1)], usage, NOW, RULES)) == ["b1", "a0"]


def test_a_channel_with_a_job_in_progress_waits_for_channels_without_one() -> None:
    queue = [queued("a", 0, NOW + 1, True), queued("a", 1), queued("b", 2)]
    assert names(in_turn(queue, {}, NOW, RULES)) == ["b2", "a1"]


def test_a_job_whose_lease_expired_has_its_turn_again() -> None:
    assert names(in_turn([queued("a", 0, NOW, True)], {}, NOW, RULES)) == ["a0"]


def test_a_job_that_waits_for_its_next_try_has_no_turn() -> None:
    assert in_turn([queued("a", 0, NOW + 1)], {}, NOW, RULES) == []


@pytest.mark.parametrize("used", [Usage(batches=500), Usage(bytes=10**10)], ids=["batches", "bytes"])
def test_a_channel_that_used_up_its_day_has_no_turn_and_others_do(used: Usage) -> None:
    assert is_used_up(used, RULES)
    assert names(in_turn([queued("a", 0), queued("b", 1)], {"a": used}, NOW, RULES)) == ["b1"]


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=40),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, NOW)),
)
def test_between_two_jobs_of_a_channel_every_other_waiting_channel_is_served_at_most_once(
    channels: list[str], served: dict[str, int]
) -> None:
    queue = [queued(channel, n) for n, channel in enumerate(channels)]

    order = [
        job.channel for job in in_turn(queue, {name: Usage(served_at=at) for name, at in served.items()}, NOW, RULES)
    ]

    assert Counter(order) == Counter(channels)
    for channel in set(order):
        places = [n for n, name in enumerate(order) if name == channel]
        for first, second in pairwise(places):
            others = Counter(order[first + 1 : second])
            assert max(others.values(), default=0) <= 1


def test_the_jobs_of_one_channel_keep_their_order() -> None:
    assert names(in_turn([queued("a", 2), queued("a", 0), queued("a", 1)], {}, NOW, RULES)) == ["a0", "a1", "a2"]


def test_one_channel_cannot_fill_the_queue() -> None:
    rules = Rules(open_of_channel=2, open_of_all=3)
    full = [queued("a", 0), queued("a", 1)]

    with pytest.raises(QueueFull, match=r"channel a has 2 open requests.*submit it again later"):
        require_room(full, "a", rules)
    require_room(full, "b", rules)
    with pytest.raises(QueueFull, match="there are 3 open requests"):
        require_room([*full, queued("b", 2)], "c", rules)


def test_a_job_is_unserved_after_a_worker_could_have_begun_it_for_some_time() -> None:
    queue = [queued("a", 0), queued("b", 999), queued("c", 0, NOW - 10)]
    assert names(unserved(queue, NOW, 500)) == ["a0"]


def test_the_next_day_begins_at_midnight_utc() -> None:
    assert next_day(NOW) == next_day(NOW + 86_399_999) == NOW + 86_400_000
