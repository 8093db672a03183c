"""All stores of an installation."""

from typing import NamedTuple

from assess_core.ports.erasures import NO_KEYS, Keys
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.log import Log
from assess_core.ports.names import Names
from assess_core.ports.reports import Exhausts, Unions


class Stores(NamedTuple):
    """All stores of an installation, as `wiring.open_stores` opens them."""

    hot: HotStore
    log: Log
    lake: Lake
    union: Unions
    exhausts: Exhausts
    names: Names | None = None
    """The source of names; None if the settings name none."""
    keys: Keys = NO_KEYS
    """The ring of keys of orders to erase learners."""
