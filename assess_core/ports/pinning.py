"""The lake of a hot store: no other lake has the rows that were cleared from it."""

from assess_core.errors import OtherLake
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, PinnedTable


def pin_needed(hot: HotStore, lake: Lake) -> PinnedTable:
    """The newest version of the lake, for reads over both tiers, and for steps from one tier to the other.

    Raises `OtherLake` if the hot store needs another one: answers would be incomplete.
    """
    needed = hot.remembered_lake()  # before the pin: the first clear may come between them
    pinned = lake.pin()
    if needed is not None and needed != pinned.identity:
        raise OtherLake(
            "ASSESS_LAKE does not name the lake into which rows of this hot store were cleared or imported: name that "
            "lake, mount it, or restore it from a copy (docs/restore.md)"
        )
    return pinned
