"""The three ways in which work is cut: archive slices, batches, ISO weeks."""

from collections.abc import Iterable
from datetime import datetime

import dagster as dg

from assess_core.domain.moments import clock
from assess_core.domain.slices import ArchiveSlice, IsoWeek

archive_slices = dg.DynamicPartitionsDefinition(name="archive_slices")
"""Closed slices, a key each as `str(ArchiveSlice)` writes it, in the order in which they were registered."""

batches = dg.DynamicPartitionsDefinition(name="batches")
"""Batches, a key each is the batch id."""

iso_weeks = dg.WeeklyPartitionsDefinition(start_date=datetime(2014, 12, 29), day_offset=1, timezone="UTC")
"""ISO weeks from 2015-W01, a key each is the date of its Monday; the last is the last that is over."""

SLICES_A_RUN = 1000
"""A run costs some 10 s to start, be it for one slice; 1,000 slices take a minute, which is all that a kill costs."""

everything = dg.AllPartitionMapping()
"""Between slices, batches and weeks nothing is matched by key: a batch named like a slice must not wait for it."""


def slices_of(keys: Iterable[str]) -> list[ArchiveSlice]:
    """The slices that partition keys name. Raises `BadSlice`."""
    return [ArchiveSlice.parse(key) for key in keys]


def week_of(key: str) -> IsoWeek:
    """The ISO week that a key of `iso_weeks` names."""
    return IsoWeek.of(clock(key))
