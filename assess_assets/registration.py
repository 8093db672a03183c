"""Decisions about partition keys: which to register, which to retire, and which ranges to select."""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from assess_core.domain.counts import counted
from assess_core.domain.slice_status import FINISHED, SliceView
from assess_core.domain.slices import WEEK, ArchiveSlice

KEYS_TO_WARN: Final = 25_000
KEYS_TO_FAIL: Final = 100_000
"""Dagster lists all keys of a partition set each time it needs one, so it slows down and then stops responding."""

KEY_LIFETIME: Final = 26 * WEEK
"""How long (ms) after its week a cleared slice keeps its key, so that people can look up its history."""

_Item = TypeVar("_Item")


def to_register(known: Iterable[str], registered: Collection[str], most: int) -> list[str]:
    """The known keys that are not registered yet, at most `most`, in the order of `known`."""
    existing = set(registered)
    return list(islice((key for key in known if key not in existing), most))


def is_finished(view: SliceView, now: int) -> bool:
    """Whether a slice needs no key any more: nothing is left to do, and its week ended half a year ago.

    If a replay or an import brings rows back, it is not finished any more.
    """
    done = view.status in FINISHED and not view.hot_rows and view.note is None
    return done and is_old(view.slice, now)


def is_old(slice_: ArchiveSlice, now: int) -> bool:
    """Whether the week of a slice ended half a year ago or earlier."""
    return slice_.week.end + KEY_LIFETIME <= now


def to_retire(views: Iterable[SliceView], registered: Collection[str], now: int, most: int) -> list[str]:
    """The registered keys of slices that need no key any more, oldest week first, at most `most`."""
    existing = set(registered)
    finished = sorted(view.slice for view in views if is_finished(view, now))
    return list(islice((key for key in map(str, finished) if key in existing), most))


def rotate(items: Sequence[_Item], begin: int, most: int) -> tuple[Sequence[_Item], int]:
    """At most `most` items from index `begin`, and the index for the next call: 0 after the end."""
    begin = begin if begin < len(items) else 0
    end = begin + most
    return items[begin:end], end if end < len(items) else 0


class Budget(NamedTuple):
    """Whether Dagster holds more keys than it can handle."""

    passed: bool
    hard: bool
    """Whether this is an error and not only a warning."""
    message: str


def budget(keys: int) -> Budget:
    """Compare the number of registered slice keys with the limits; the message gives the next step."""
    held = f"{counted(keys, 'registered slice key')} (it warns at {KEYS_TO_WARN:,} and fails at {KEYS_TO_FAIL:,})"
    if keys < KEYS_TO_WARN:
        return Budget(True, False, held)
    advice = "start the sensor retire_cleared_slices; it deletes the keys of slices that were cleared half a year ago"
    return Budget(False, keys >= KEYS_TO_FAIL, f"{held}: {advice}")


class Range(NamedTuple):
    """Registered keys from `first` to `last`, inclusive."""

    first: str
    last: str

    def keys(self, registered: Sequence[str]) -> Sequence[str]:
        """The keys of this range."""
        return registered[registered.index(self.first) : registered.index(self.last) + 1]


def ranges(registered: Sequence[str], wanted: Collection[str], *, gap: int) -> list[Range]:
    """Contiguous ranges of registered keys that contain all wanted keys.

    A range continues over up to `gap` unwanted keys: that costs less than another run.
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
