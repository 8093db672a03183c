"""Split items into lists, and pad lists so that only a few lengths occur."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Split items into lists of `size` items, as `itertools.batched` of Python 3.12; the last list may be shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def padded(ids: Sequence[str]) -> list[str]:
    """Repeat the last id until there are 2^n ids, so that `IN (...)` is prepared for only a few lengths."""
    return [*ids, *[ids[-1]] * ((1 << (len(ids) - 1).bit_length()) - len(ids))]


def bounded(
    items: Iterable[_Item], most: int, size_of: Callable[[_Item], int], most_size: int
) -> Iterator[list[_Item]]:
    """Split items into lists of at most `most` items. A list also ends when its sizes add up to `most_size`."""
    some: list[_Item] = []
    size = 0
    for item in items:
        some.append(item)
        size += size_of(item)
        if len(some) >= most or size >= most_size:
            yield some
            some, size = [], 0
    if some:
        yield some
