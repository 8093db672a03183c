"""What assets, sensors and schedules work with: the stores of the home folder, opened when they are needed."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import dagster as dg

from assess_core.domain.slices import Unread
from assess_core.errors import AssessError
from assess_core.ports.reports import WeeklyTable
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.wiring import open_stores, open_weekly

if TYPE_CHECKING:
    from dagster_aws.s3 import S3Resource


RETRIES: Final = 3


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

    wait: float = 20.0
    """Seconds until a step is tried again after an error that may pass: a store that restarts needs that long."""

    def now(self) -> int:
        """Epoch ms."""
        return time.time_ns() // 1_000_000

    def s3(self) -> "S3Resource":
        """What dagster-aws offers for S3, for assets of one's own that read reports: the AWS chain finds the rest."""
        from dagster_aws.s3 import S3Resource  # an extra, and half a second

        return S3Resource(region_name=os.environ.get("AWS_REGION"))  # which boto3 does not look at

    @contextmanager
    def open(self, retries: int = RETRIES) -> Iterator[Opened]:
        """The stores; what goes wrong with them inside the block becomes what Dagster understands.

        After an error that may pass the step is tried again up to `retries` times (0: it fails as it is, for whoever
        comes again by itself, as a sensor); any other is a `dg.Failure` that nothing repeats. An error that is not one
        of ours is a defect: a step has no retry policy, so it is not repeated either.
        """
        started = time.monotonic()
        try:
            settings = Settings.from_env(os.environ, self.home)
            yield Opened(settings, open_stores(settings), self.now(), started)
        except AssessError as error:
            if error.retryable and retries:
                raise dg.RetryRequested(retries, self.wait) from error
            if error.retryable:
                raise
            raise dg.Failure(str(error), allow_retries=False) from error
