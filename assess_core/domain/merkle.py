"""Merkle trees of RFC 6962 over a list that only grows: roots, inclusion proofs and consistency proofs.

A proof is a list of roots of subtrees. Each subtree is a range of leaves, so all roots are computed while the leaves
are read once, in memory that grows with the logarithm of their number.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

EMPTY: Final = hashlib.sha256().digest()
"""The root of a tree without leaves."""


class Range(NamedTuple):
    """The leaves of a subtree: from `first`, up to and without `end`."""

    first: int
    end: int


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf. It keeps only the roots of its complete subtrees, the largest first."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree with {size} leaves has {size.bit_count()} complete subtrees, not {len(peaks)}")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        grown = leaf_hash(data)
        complete = self.size
        while complete & 1:  # two complete subtrees of one size become one
            grown = node_hash(self._peaks.pop(), grown)
            complete >>= 1
        self._peaks.append(grown)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves."""
        if not self._peaks:
            return EMPTY
        *lefts, root = self._peaks
        for left in reversed(lefts):
            root = node_hash(left, root)
        return root


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees of the proof that a tree of this size has its leaf `index`, the lowest first (RFC 6962, 2.1.1)."""
    first, end, ranges = 0, size, []
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            ranges.append(Range(middle, end))
            end = middle
        else:
            ranges.append(Range(first, middle))
            first = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The subtrees of the proof that the first `old` of `new` leaves were not changed (RFC 6962, 2.1.2)."""
    if not 0 < old < new:
        return []
    first, end, ranges = 0, new, []
    while old != end:
        middle = first + _split(end - first)
        if old <= middle:
            ranges.append(Range(middle, end))
            end = middle
        else:
            ranges.append(Range(first, middle))
            first = middle
    if first:  # otherwise this is the old root, which the reader has
        ranges.append(Range(first, end))
    return ranges[::-1]


def roots(leaves: Iterable[bytes], ranges: Sequence[Range]) -> dict[Range, bytes]:
    """The root of each of these ranges, which must not overlap. Reads the leaves, from the first one, once."""
    found: dict[Range, bytes] = {}
    waiting = iter(sorted(ranges))
    current, tree = next(waiting, None), Tree()
    for index, data in enumerate(leaves):
        if current is None:
            break
        if index < current.first:
            continue
        tree.add(data)
        if index + 1 == current.end:
            found[current] = tree.root()
            current, tree = next(waiting, None), Tree()
    return found


def root_by_inclusion(index: int, size: int, data: bytes, path: Iterable[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); None if the path has another length."""
    ranges, hashes = inclusion_ranges(index, size), list(path)
    if len(ranges) != len(hashes):
        return None
    root = leaf_hash(data)
    for subtree, sibling in zip(ranges, hashes, strict=True):
        root = node_hash(sibling, root) if subtree.first < index else node_hash(root, sibling)
    return root


def _split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def hexes(hashes: Iterable[bytes]) -> Iterator[str]:
    """Hashes as hex digits."""
    return (hash_.hex() for hash_ in hashes)
