"""Whether a report has everything that the stores and the manifest know. A report fails closed if it has not."""

from collections.abc import Collection
from typing import NamedTuple

from assess_core.domain.completeness import (
    LogRead,
    SliceRead,
    SlicesRead,
    compare_slices,
    dropped_versions,
    expected_versions,
)
from assess_core.domain.manifest import SliceRecord, by_slice
from assess_core.domain.moments import iso
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadLog, ReportFailed, StoreUnavailable
from assess_core.ports.log import Log
from assess_core.ports.reports import SliceRows, Union
from assess_core.ports.stores import Stores


class LogSurvey(NamedTuple):
    """The events of the log that were not folded yet."""

    read: LogRead
    problems: list[str]


class Survey(NamedTuple):
    """What a union read."""

    slices: SlicesRead
    with_rows: frozenset[str]
    """The batches with rows."""
    hot_watermark: str | None
    problems: list[str]


def survey_log(log: Log, allow_partial: bool) -> LogSurvey:
    """The unread events of the log. Call this before the hot store is read.

    Raises `BadLog` or `StoreUnavailable` if they are unknown, unless `allow_partial`.
    """
    try:
        unread = log.unread()
    except (BadLog, StoreUnavailable) as error:
        if not allow_partial:
            raise
        return LogSurvey(LogRead(unread=None, since=None), [f"the unread events of the log are unknown: {error}"])
    if unread is None:
        return LogSurvey(LogRead(unread=None, since=None), [])
    since = None if unread.since is None else iso(unread.since)
    return LogSurvey(LogRead(unread=unread.what, since=since), [])


def survey(
    stores: Stores, union: Union, batches: Collection[str], allow_partial: bool, *, scores: bool = False
) -> Survey:
    """Compare the union with the manifest. `scores`: whether the union reads kept scores, too.

    Raises `ReportFailed` if versions of these batches are missing that the manifest recorded, unless `allow_partial`.
    """
    read = union.slices()
    nothing = SliceRows(0, 0, 0, None)
    # an entry of a version after the pinned one describes rows that this union need not have
    records = {
        slice_: record
        for slice_, record in _records(stores, batches, union.lake_version).items()
        if expected_versions({slice_: record}, slice_) or record.is_dropped or record.kept
    }
    slices, short = compare_slices(
        [
            SliceRead(
                slice=str(slice_),
                hot_rows=rows.hot,
                lake_rows=rows.lake,
                versions=rows.versions,
                recorded_versions=expected_versions(records, slice_),
                dropped_versions=dropped_versions(records, slice_, rows.versions + rows.kept),
                kept_scores=records[slice_].kept_scores.versions if slice_ in records else 0,
                from_kept_scores=rows.kept if scores else None,
            )
            for slice_, rows in ((slice_, read.get(slice_, nothing)) for slice_ in {*read, *records})
        ]
    )
    problems = [*union.unreadable, *short]
    if problems and not allow_partial:
        raise ReportFailed(
            f"{'; '.join(problems)}, so nothing was reported: restore the lake from a copy, or archive the slice again "
            "while its rows are in the hot store; --allow-partial reports the rest"
        )
    newest = max((rows.newest_hot for rows in read.values() if rows.newest_hot is not None), default=None)
    return Survey(
        slices, frozenset(slice_.batch_id for slice_ in read), None if newest is None else iso(newest), problems
    )


def _records(stores: Stores, batches: Collection[str], lake_version: int) -> dict[ArchiveSlice, SliceRecord]:
    """The manifest of these batches up to a version of the lake."""
    if len(batches) == 1:
        entries = stores.lake.manifest(batch_id=next(iter(batches)))
    else:
        wanted = set(batches)
        entries = stores.lake.manifest([one for one in stores.lake.recorded(None, None) if one.batch_id in wanted])
    return by_slice(entry for entry in entries if entry.delta_version <= lake_version)
