"""Use case: the slices that can need a step. The cost grows with the rows in the hot store, not with the history.

A cleared slice needs nothing until it gets rows again. So it is enough to look at the slices with rows, at those that
the manifest mentioned lately, and at those whose verification failed.
"""

from typing import Final

from assess_core.domain.manifest import by_slice
from assess_core.domain.slice_status import SliceView
from assess_core.domain.slices import WEEK, ArchiveSlice, Unread
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import views_of

RECENT: Final = 5 * WEEK
"""How long (ms) a slice without rows counts as pending after its newest manifest entry: five weekly rounds.

A repair can archive a slice without rows, and a clear can be killed after it deleted the last row."""


def pending(stores: Stores, now: int) -> list[ArchiveSlice]:
    """The slices that can need a step, sorted. `now` is in ms."""
    return sorted({*stores.hot.held(), *stores.lake.recorded_since(now - RECENT), *stores.lake.failed()})


def pending_views(stores: Stores, now: int, grace: int, unread: Unread | None) -> list[SliceView]:
    """The views of the slices that can need a step, sorted. `now` and `grace` are in ms."""
    slices = pending(stores, now)
    return views_of(slices, by_slice(stores.lake.manifest(slices)), stores, now, grace, unread)
