"""Decisions over partition keys: which to register, which to give up, which ranges of registered ones to ask for."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from assess_core.domain.slices import WEEK
from assess_core.usecases.archiving import SliceStatus, SliceView

KEYS_TO_WARN: Final = 25_000
KEYS_TO_FAIL: Final = 100_000
"""Dagster lists all keys of a partition set wherever it needs one of them: it gets slow, then stands still."""

KEPT: Final = 26 * WEEK
"""How long after its week (in ms) a cleared slice keeps its key: as long as people look at what was done to it."""

_Item = TypeVar("_Item")


def to_register(known: Iterable[str], registered: Collection[str], most: int) -> list[str]:
    """The first of the known keys that are not registered yet, at most `most`; `known` is in the order to keep."""
    there = set(registered)
    return list(islice((key for key in known if key not in there), most))


def is_over(view: SliceView, now: int) -> bool:
    """Whether nothing is left to do with a slice and its week is long past: it needs no key any more.

    A replay or an import that brings rows back makes it a slice like others again.
    """
    over = view.status is SliceStatus.CLEARED and not view.hot_rows and view.note is None
    return over and view.slice.week.end + KEPT <= now


def to_retire(views: Iterable[SliceView], registered: Collection[str], now: int, most: int) -> list[str]:
    """The registered keys of slices that are over, oldest week first, at most `most`."""
    there = set(registered)
    over = sorted(view.slice for view in views if is_over(view, now))
    return list(islice((key for key in map(str, over) if key in there), most))


def turn(items: Sequence[_Item], begin: int, most: int) -> tuple[Sequence[_Item], int]:
    """Items from place `begin` on, at most `most`, and where the next turn begins: at the start after the end."""
    begin = begin if begin < len(items) else 0
    end = begin + most
    return items[begin:end], end if end < len(items) else 0


class Budget(NamedTuple):
    """Whether Dagster holds more keys than it can bear."""

    passed: bool
    hard: bool
    """More than a warning."""
    message: str


def budget(keys: int) -> Budget:
    """What so many live slice keys mean, and what to do."""
    held = f"{keys:,} live slice keys (it warns at {KEYS_TO_WARN:,} and fails at {KEYS_TO_FAIL:,})"
    if keys < KEYS_TO_WARN:
        return Budget(True, False, held)
    advice = "start the sensor retire_cleared_slices, which takes away keys of slices that are long cleared"
    return Budget(False, keys >= KEYS_TO_FAIL, f"{held}: {advice}")


class Range(NamedTuple):
    """Registered keys from `first` to `last`, both among them."""

    first: str
    last: str

    def keys(self, registered: Sequence[str]) -> Sequence[str]:
        """All of them."""
        return registered[registered.index(self.first) : registered.index(self.last) + 1]


def ranges(registered: Sequence[str], wanted: Collection[str], *, gap: int) -> list[Range]:
    """Contiguous ranges of registered keys that hold all wanted ones.

    A range goes on over up to `gap` keys that need nothing: to pass them is cheaper than to start another run.
    """
    found: list[tuple[int, int]] = []
    for place, key in enumerate(registered):
        if key not in wanted:
            continue
        if found and place - found[-1][1] <= gap + 1:
            found[-1] = found[-1][0], place
        else:
            found.append((place, place))
    return [Range(registered[first], registered[last]) for first, last in found]
