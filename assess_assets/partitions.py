"""The three partition sets: archive slices, batches and ISO weeks."""

from collections.abc import Iterable
from datetime import datetime

import dagster as dg

from assess_core.domain.moments import clock
from assess_core.domain.slices import ArchiveSlice, IsoWeek

archive_slices = dg.DynamicPartitionsDefinition(name="archive_slices")
"""Closed slices in the order of their registration. A key is `str(ArchiveSlice)`."""

batches = dg.DynamicPartitionsDefinition(name="batches")
"""Batches. A key is the batch id."""

iso_weeks = dg.WeeklyPartitionsDefinition(start_date=datetime(2014, 12, 29), day_offset=1, timezone="UTC")
"""ISO weeks from 2015-W01 to the last week that has ended. A key is the date of the Monday."""

SLICES_A_RUN = 1000
"""Starting a run takes 10 s, even for one slice. 1,000 slices take a minute, so a kill loses at most that minute."""

everything = dg.AllPartitionMapping()
"""Each key depends on all keys of the other set. Dagster would otherwise pair equal keys of unrelated sets."""


def slices_of(keys: Iterable[str]) -> list[ArchiveSlice]:
    """The slices that partition keys name. Raises `BadSlice`."""
    return [ArchiveSlice.parse(key) for key in keys]


def week_of(key: str) -> IsoWeek:
    """The ISO week that a key of `iso_weeks` names."""
    return IsoWeek.of(clock(key))
