"""Many items, some at a time: `itertools.batched` of Python 3.12, as lists; and lists of few different lengths."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

_Item = TypeVar("_Item")


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Items in lists of so many, the last one shorter."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def padded(ids: Sequence[str]) -> list[str]:
    """The ids, the last one repeated until there are 2^n of them: `IN (...)` is then prepared for few lengths."""
    return [*ids, *[ids[-1]] * ((1 << (len(ids) - 1).bit_length()) - len(ids))]
