"""Use case: a page of slices. Its cost grows with the page, not with the slices that exist."""

from collections.abc import Iterator
from heapq import merge
from itertools import groupby, islice
from typing import Final, NamedTuple

from assess_core.domain.manifest import by_slice
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import ArchiveSlice, Unread
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import known, views_of

_PORTION: Final = 1000


class SlicePage(NamedTuple):
    """A page of slices, sorted."""

    views: list[SliceView]
    has_next: bool


def slice_page(
    stores: Stores,
    now: int,
    grace: int,
    unread: Unread | None,
    *,
    batch_id: str | None = None,
    after: ArchiveSlice | None = None,
    first: int,
) -> SlicePage:
    """The `first` slices after `after` (None: from the beginning) that the hot store or the manifest knows.

    Only the rows of these slices are counted, and only their manifest entries are read.
    """
    found = _of_batch(stores, batch_id, after) if batch_id is not None else known_after(stores, after, first + 1)
    page = found[:first]
    records = by_slice(stores.lake.manifest(page))
    return SlicePage(views_of(page, records, stores, now, grace, unread), len(found) > first)


def _of_batch(stores: Stores, batch_id: str, after: ArchiveSlice | None) -> list[ArchiveSlice]:
    return [slice_ for slice_ in known(stores, batch_id) if after is None or slice_ > after]


def known_after(stores: Stores, after: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
    """The first `limit` slices after `after` (None: from the beginning) that the hot store or the manifest knows."""
    hot = stores.hot.slices_after(after, limit)
    # the hot store also lists cleared slices, so the manifest has more slices only if the hot store was created again
    until = hot[-1] if len(hot) == limit else None
    both = merge(hot, stores.lake.recorded(after, until))
    return list(islice((slice_ for slice_, _ in groupby(both)), limit))


def all_known(stores: Stores) -> Iterator[ArchiveSlice]:
    """All slices that the hot store or the manifest knows, sorted, read in portions."""
    after: ArchiveSlice | None = None
    while portion := known_after(stores, after, _PORTION):
        checkpoint()
        yield from portion
        after = portion[-1]
