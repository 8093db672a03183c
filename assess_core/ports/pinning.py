"""The lake of a hot store: no other lake has the rows that were cleared from it."""

from assess_core.errors import StoreUnavailable
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, PinnedTable

OTHER_LAKE = (
    "ASSESS_LAKE does not name the lake into which rows of this hot store were cleared or imported: name that lake, "
    "mount it, or restore it from a copy (docs/restore.md)"
)


def pin_needed(hot: HotStore, lake: Lake) -> PinnedTable:
    """The newest version of the lake, for reads over both tiers, and for steps from one tier to the other.

    Raises `StoreUnavailable` if the hot store needs another lake: answers would be incomplete.
    """
    pinned = lake.pin()
    if is_other(hot, pinned):
        raise StoreUnavailable(OTHER_LAKE)
    return pinned


def is_other(hot: HotStore, pinned: PinnedTable) -> bool:
    """Whether the hot store needs another lake."""
    needed = hot.remembered_lake()
    return needed is not None and needed != pinned.identity
