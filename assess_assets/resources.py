"""The resources of assets, sensors and schedules: the stores of the home folder, opened on first use."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

import dagster as dg

from assess_core.domain.retention import Rules
from assess_core.domain.schedules import Schedule
from assess_core.domain.slices import Unread
from assess_core.errors import AssessError
from assess_core.ports.meter import Meter
from assess_core.ports.reports import WeeklyTable
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.measuring import measured
from assess_core.wiring import open_meter, open_stores, open_weekly, open_work, read_retention, read_schedules
from assess_core.wiring.places import clock

if TYPE_CHECKING:
    from dagster_aws.s3 import S3Resource

    from assess_core.usecases.report_work import Work


RETRY: Final = dg.RetryPolicy(max_retries=3, delay=20, backoff=dg.Backoff.LINEAR, jitter=dg.Jitter.PLUS_MINUS)
"""For every step that opens the stores: waits of about 20, 40 and 60 seconds. SQLite is free again, and Cassandra has
restarted, within these two minutes. With jitter, the steps of several runs do not return at the same moment.
"""


class Opened(NamedTuple):
    """The stores and the time of one step or tick."""

    settings: Settings
    stores: Stores
    now: int
    """Epoch ms."""
    started: float

    @property
    def unread(self) -> Unread | None:
        """The events of the log that are not folded yet."""
        return self.stores.log.unread()

    @property
    def retention(self) -> Rules | None:
        """The rules of retention; None if the settings name no file."""
        return read_retention(self.settings)

    @property
    def weekly(self) -> WeeklyTable:
        return open_weekly(self.settings)

    @property
    def meter(self) -> Meter:
        """Records what `/metrics` shows."""
        return open_meter(self.settings)

    @property
    def work(self) -> "Work":
        """What a worker of requests for reports needs."""
        return open_work(self.settings, self.stores)

    @property
    def seconds(self) -> float:
        """Seconds since the stores were opened."""
        return time.monotonic() - self.started


class Lakehouse(dg.ConfigurableResource[None]):
    """Opens the stores that the environment names (ASSESS_HOME and the others), when a step or tick asks for them."""

    home: str = ""
    """The home folder. If empty, ASSESS_HOME names it; the default is `.assess`."""

    def now(self) -> int:
        """Epoch ms."""
        return clock()

    def s3(self) -> "S3Resource":
        """The S3 resource of dagster-aws, for your own assets that read reports. AWS's default chain configures it."""
        from dagster_aws.s3 import S3Resource  # an optional dependency that takes half a second to import

        return S3Resource(region_name=os.environ.get("AWS_REGION"))  # boto3 does not read AWS_REGION

    @contextmanager
    def open(self, step: str = "") -> Iterator[Opened]:
        """Open the stores, measure the step if it has a name, and translate errors inside the block for Dagster.

        A temporary error is raised unchanged: the step's `RETRY` repeats it, and the next tick of a sensor asks again.
        Any other error becomes a `dg.Failure` that no retry policy repeats.
        """
        started = time.monotonic()
        try:
            settings = Settings.from_env(os.environ, self.home)
            with measured(open_meter(settings), step) if step else nullcontext():
                yield Opened(settings, open_stores(settings), self.now(), started)
        except dg.Failure:
            raise
        except AssessError as error:
            if error.retryable:
                raise
            raise dg.Failure(str(error), allow_retries=False) from error
        except Exception as error:
            raise dg.Failure(
                f"This is a defect of the lakehouse: {type(error).__name__}: {error}. Report it with the stack trace "
                "of this step.",
                allow_retries=False,
            ) from error


def declared_entries() -> tuple[Schedule, ...]:
    """The valid entries of the file of scheduled reports; none if the environment names no file.

    The definitions are loaded with them. Dagster loads all definitions or none, so an error here would take archive and
    clear away too: `assess doctor` and the runs report it.
    """
    if not os.environ.get("ASSESS_SCHEDULES"):
        return ()
    try:
        found = read_schedules(Settings.from_env(os.environ))
    except AssessError:
        return ()
    return found.entries if found else ()


def has_rules() -> bool:
    """Whether the environment names a file of rules of retention."""
    return bool(os.environ.get("ASSESS_RETENTION"))
