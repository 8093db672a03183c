"""What assets, sensors and schedules work with: the stores of the home folder, opened when they are needed."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import dagster as dg

from assess_core.errors import AssessError
from assess_core.ports import Stores
from assess_core.settings import Settings
from assess_core.slices import Unread
from assess_core.weekly import WeeklyTable
from assess_core.wiring import open_stores, open_weekly


class Opened(NamedTuple):
    """The stores of one run or tick, and when it is."""

    settings: Settings
    stores: Stores
    now: int
    """Epoch ms."""
    started: float

    @property
    def unread(self) -> Unread | None:
        """Which events of the log nobody folded yet."""
        return self.stores.log.unread()

    @property
    def weekly(self) -> WeeklyTable:
        return open_weekly(self.settings)

    @property
    def seconds(self) -> float:
        """How long ago it was opened."""
        return time.monotonic() - self.started


class Lakehouse(dg.ConfigurableResource[None]):
    """Opens what the environment names (ASSESS_HOME and its like) when it is asked, and not before."""

    home: str = ""
    """The home folder; where empty, ASSESS_HOME names it, else it is `.assess`."""

    def now(self) -> int:
        """Epoch ms."""
        return time.time_ns() // 1_000_000

    @contextmanager
    def open(self) -> Iterator[Opened]:
        """The stores; what goes wrong with them inside the block becomes what Dagster understands.

        An error that may pass is left as it is, so that a retry policy may act on it; any other is a `dg.Failure`
        that no policy repeats.
        """
        started = time.monotonic()
        try:
            settings = Settings.from_env(os.environ, self.home)
            yield Opened(settings, open_stores(settings), self.now(), started)
        except AssessError as error:
            if error.retryable:
                raise
            raise dg.Failure(str(error), allow_retries=False) from error
