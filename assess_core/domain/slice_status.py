"""The status of a slice and its next steps: pure functions of the manifest and of counts in the stores."""

from enum import StrEnum
from typing import Final, NamedTuple

from assess_core.domain.counts import counted
from assess_core.domain.manifest import NOTHING, SliceRecord
from assess_core.domain.slices import ArchiveSlice

_EMPTY: Final = "it has no rows, because a stream was killed before it wrote the first one; you need not do anything"

_ARRIVED_LATE: Final = "rows arrived in the hot store after retention dropped it: archive, verify and clear again"


class SliceStatus(StrEnum):
    """The status of a slice. It is computed and never stored."""

    OPEN = "open"
    """Its week or the grace period is not over, or the log has unread events that may belong to it."""
    PLANNED = "planned"
    """Closed, and not archived yet."""
    WRITTEN = "written"
    """Archived: copied to the lake, and not verified yet."""
    VERIFIED = "verified"
    """Read back from the lake, and not cleared yet."""
    CLEARING = "clearing"
    """A clear began and has not ended. It is running, or it was killed and must be run again."""
    CLEARED = "cleared"
    """Its rows are in the lake only."""
    DROPPED = "dropped"
    """Retention dropped it from the lake. Only its scores are left."""


FINISHED: Final = frozenset((SliceStatus.CLEARED, SliceStatus.DROPPED))
"""A slice needs nothing in these states, unless it gets rows again."""


class Step(StrEnum):
    """Work on a slice."""

    ARCHIVE = "archive"
    VERIFY = "verify"
    CLEAR = "clear"


_REASONS: Final = {
    SliceStatus.PLANNED: "closed, and not archived yet",
    SliceStatus.WRITTEN: "archived, and not verified yet",
    SliceStatus.VERIFIED: "verified, and not cleared yet",
}


class SliceView(NamedTuple):
    """A slice's state. Times are in epoch ms; None means that it did not happen."""

    slice: ArchiveSlice
    status: SliceStatus
    hot_rows: int
    lake_rows: int
    """From the manifest, not counted now."""
    archived_at: int | None
    verified_at: int | None
    cleared_at: int | None
    why_open: str | None
    note: str | None
    """What a failed verification found, or what to do about rows that arrived later."""
    has_failed: bool
    """Whether its newest verification failed."""
    dropped_at: int | None = None
    """When retention dropped it from the lake. It can have been archived again since."""
    scores_kept_at: int | None = None
    """When retention kept scores of it without answers; None if the lake has none."""

    @property
    def next_steps(self) -> tuple[Step, ...]:
        """The next steps of the slice, in this order; empty if it is open or cleared.

        A verified slice with a note got rows after it was archived. An archive appends those that are not in the lake
        yet, and a clear then deletes them.
        """
        match self.status:
            case SliceStatus.PLANNED:
                return (Step.ARCHIVE,) if self.hot_rows else ()
            case SliceStatus.WRITTEN:
                return (Step.VERIFY,)
            case SliceStatus.VERIFIED:
                return (Step.ARCHIVE, Step.CLEAR) if self.note else (Step.CLEAR,)
            case SliceStatus.CLEARING:
                return (Step.CLEAR,)
            case SliceStatus.OPEN | SliceStatus.CLEARED | SliceStatus.DROPPED:
                return ()

    @property
    def needs_archive(self) -> bool:
        """Whether a closed slice must be archived or verified."""
        return not {Step.ARCHIVE, Step.VERIFY}.isdisjoint(self.next_steps)

    @property
    def needs_clear(self) -> bool:
        """Whether a verified slice still has rows in the hot store, or its clear has not ended."""
        return Step.CLEAR in self.next_steps

    @property
    def why(self) -> str:
        """Why the slice is not cleared yet; empty if it needs nothing."""
        return self.why_open or self.note or _REASONS.get(self.status, "")


def view(slice_: ArchiveSlice, hot_rows: int, record: SliceRecord, open_: str | None) -> SliceView:
    """A slice's state from its number of hot rows, its manifest entries and the result of `why_open`."""
    done = (record.archived, record.verified, record.cleared)
    archived_at, verified_at, cleared_at = (entry.at if entry else None for entry in done)
    return SliceView(
        slice_,
        _status(hot_rows, record, open_),
        hot_rows,
        record.archived.contents.rows if record.archived and not record.is_dropped else 0,
        archived_at,
        verified_at,
        cleared_at,
        open_,
        _note(hot_rows, record, open_),
        record.has_failed,
        record.dropped.at if record.dropped else None,
        record.kept.at if record.kept and record.kept_scores != NOTHING else None,
    )


def _status(hot_rows: int, record: SliceRecord, open_: str | None) -> SliceStatus:
    if open_:
        return SliceStatus.OPEN
    if record.is_dropped and not hot_rows:
        return SliceStatus.DROPPED
    if record.archived is None or record.is_dropped:
        return SliceStatus.PLANNED
    if not record.is_verified:
        return SliceStatus.WRITTEN
    if record.is_clearing:
        return SliceStatus.CLEARING
    return SliceStatus.VERIFIED if hot_rows else SliceStatus.CLEARED


def _note(hot_rows: int, record: SliceRecord, open_: str | None) -> str | None:
    if record.has_failed:
        return record.failure
    if record.is_clearing:
        return "a clear began and has not ended; if none is running, clear it again"
    if record.is_dropped:
        return _ARRIVED_LATE if hot_rows else None
    if record.archived is None:
        return None if hot_rows or open_ else _EMPTY
    if not hot_rows:
        return None
    more = hot_rows - record.archived.contents.versions
    if more > 0:
        return f"the lake lacks at least {more:,} of the hot rows: archive, verify and clear again"
    if record.is_restored:
        return "it was restored from the lake; the next clear deletes its rows from the hot store again"
    if record.cleared is not None:
        return (
            f"{counted(hot_rows, 'row')} arrived in the hot store after it was cleared: archive, verify and clear again"
        )
    return None
