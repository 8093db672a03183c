"""The sealed entries of the manifest, in the order in which they were sealed, and the seals over them."""

from collections.abc import Collection, Iterator
from typing import NamedTuple, Protocol

from assess_core.domain.seals import Leaf, Stored
from assess_core.domain.slices import ArchiveSlice, IsoWeek


class Grown(NamedTuple):
    """The list of leaves after new entries were appended."""

    leaves: int
    covered: tuple[str, ...]
    """The files of the manifest whose entries are all leaves now."""


class Seals(Protocol):
    """Two tables in the lake. Both only grow. Methods raise `StoreUnavailable`, `NotOurTable`."""

    def all(self) -> list[Stored]:
        """All seals, the oldest first."""
        ...

    def grow(self, covered: Collection[str]) -> Grown:
        """Append the manifest entries that are no leaves yet, ordered by slice and number, in one commit.

        Files in `covered` are not read. Raises `LakeConflict` if another process appended leaves first.
        """
        ...

    def add(self, stored: Stored) -> None:
        """Append a seal. Raises `LakeConflict` if another process added one first."""
        ...

    def count(self) -> int:
        """The number of leaves."""
        ...

    def data(self, first: int, end: int) -> Iterator[bytes]:
        """The data of the leaves from `first` up to and without `end`, in their order."""
        ...

    def weeks(self) -> list[IsoWeek]:
        """The weeks of sealed slices, sorted."""
        ...

    def of_week(self, week: IsoWeek, size: int) -> list[Leaf]:
        """Those of the first `size` leaves that are of a week."""
        ...

    def newest_of(self, slice_: ArchiveSlice, size: int) -> tuple[int, Leaf] | None:
        """The slice's leaf with the highest number among the first `size` leaves, and its position, from 0."""
        ...
