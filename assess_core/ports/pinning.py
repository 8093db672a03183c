"""The lake of a hot store: a lake without a table is not the lake into which rows were cleared."""

from assess_core.errors import StoreUnavailable
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, Pinned

NO_LAKE = (
    "ASSESS_LAKE names a place without attempts, but rows of this hot store were cleared into a lake or imported: name "
    "that lake, mount it, or restore it from a copy (docs/restore.md)"
)


def pin_needed(hot: HotStore, lake: Lake) -> Pinned:
    """The newest version of the lake, for reads over both tiers.

    Raises `StoreUnavailable` if there is no table and the hot store needs one: its answers would be incomplete.
    """
    pinned = lake.pin()
    if pinned.version < 0 and hot.needs_lake():
        raise StoreUnavailable(NO_LAKE)
    return pinned
