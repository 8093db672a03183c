"""The keys that are registered, and the ranges that are selected."""

import pytest

from assess_assets.registration import Range, ranges, to_register


def test_new_keys_are_registered_in_the_given_order() -> None:
    assert to_register(["a", "b", "c"], ["b"], most=10) == ["a", "c"]


def test_a_tick_registers_no_more_keys_than_its_limit() -> None:
    first = to_register(["a", "b", "c"], [], most=2)
    second = to_register(["a", "b", "c"], first, most=2)

    assert (first, second) == (["a", "b"], ["c"])


def test_nothing_is_registered_twice() -> None:
    assert to_register(["a"], ["a"], most=10) == []


REGISTERED = list("abcdefghij")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", []),
        ("c", [Range("c", "c")]),
        ("cde", [Range("c", "e")]),
        ("ce", [Range("c", "e")]),  # one unwanted key costs less than another run
        ("cf", [Range("c", "c"), Range("f", "f")]),
        ("aj", [Range("a", "a"), Range("j", "j")]),
        ("abcdefghij", [Range("a", "j")]),
        ("z", []),  # not registered
    ],
)
def test_few_ranges_contain_all_wanted_keys(wanted: str, expected: list[Range]) -> None:
    assert ranges(REGISTERED, set(wanted), gap=1) == expected


def test_a_range_contains_all_keys_between_its_ends() -> None:
    assert [Range("c", "e").keys(REGISTERED), Range("j", "j").keys(REGISTERED)] == [["c", "d", "e"], ["j"]]
