"""Decisions over partition keys: which to register, and which ranges of registered ones to ask for."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple


class Registration(NamedTuple):
    """What one tick registers, in this order."""

    keys: list[str]
    refused: list[str]
    """What Dagster cannot take as a key."""


def to_register(
    known: Iterable[str], registered: Collection[str], accepts: Callable[[str], bool], most: int
) -> Registration:
    """The first of the known keys that are not registered yet, at most `most`; `known` is in the order to keep."""
    there = set(registered)
    new = [key for key in known if key not in there]
    refused = [key for key in new if not accepts(key)]
    unwanted = set(refused)
    return Registration([key for key in new if key not in unwanted][:most], refused)


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
