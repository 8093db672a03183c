"""Decisions over partition keys: which to register, and which ranges of registered ones to ask for."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import NamedTuple


def to_register(known: Iterable[str], registered: Collection[str], most: int) -> list[str]:
    """The first of the known keys that are not registered yet, at most `most`; `known` is in the order to keep."""
    there = set(registered)
    return list(islice((key for key in known if key not in there), most))


class Range(NamedTuple):
    """Registered keys from `first` to `last`, both among them."""

    first: str
    last: str


def ranges(registered: Sequence[str], wanted: Collection[str], *, most: int, gap: int) -> list[Range]:
    """Contiguous ranges of registered keys that hold all wanted ones.

    A range has at most `most` keys. It goes on over up to `gap` keys that need nothing: to pass them is cheaper than
    to start another run.
    """
    found: list[tuple[int, int]] = []
    for place, key in enumerate(registered):
        if key not in wanted:
            continue
        if found and place - found[-1][1] <= gap + 1 and place - found[-1][0] < most:
            found[-1] = found[-1][0], place
        else:
            found.append((place, place))
    return [Range(registered[first], registered[last]) for first, last in found]
