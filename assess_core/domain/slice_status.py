"""How far a slice has come: a pure function of what the stores and the manifest say, never kept anywhere."""

from enum import StrEnum
from typing import Final, NamedTuple

from assess_core.domain.manifest import SliceRecord
from assess_core.domain.slices import ArchiveSlice

_EMPTY: Final = "no row ever came: a stream was killed before its first; nothing is to be done"


class SliceStatus(StrEnum):
    """How far a slice has come; computed, never stored."""

    OPEN = "open"
    PLANNED = "planned"
    """Closed; nothing of it was archived yet."""
    WRITTEN = "written"
    VERIFIED = "verified"
    CLEARING = "clearing"
    """A clear began and has not ended: it is under way, or was killed and has to be run again."""
    CLEARED = "cleared"


class SliceView(NamedTuple):
    """What is known of a slice; times in epoch ms, None where it did not happen."""

    slice: ArchiveSlice
    status: SliceStatus
    hot_rows: int
    lake_rows: int
    """As the manifest says, not counted now."""
    archived_at: int | None
    verified_at: int | None
    cleared_at: int | None
    why_open: str | None
    note: str | None
    """What a verification that failed found, or what to do about rows that came since."""
    has_failed: bool
    """Whether its newest verification failed."""


def view(slice_: ArchiveSlice, hot_rows: int, record: SliceRecord, open_: str | None) -> SliceView:
    """What a slice's hot rows, its entries in the manifest and `why_open` say of it together."""
    done = (record.archived, record.verified, record.cleared)
    archived_at, verified_at, cleared_at = (entry.at if entry else None for entry in done)
    return SliceView(
        slice_,
        _status(hot_rows, record, open_),
        hot_rows,
        record.archived.contents.rows if record.archived else 0,
        archived_at,
        verified_at,
        cleared_at,
        open_,
        _note(hot_rows, record, open_),
        record.has_failed,
    )


def _status(hot_rows: int, record: SliceRecord, open_: str | None) -> SliceStatus:
    if open_:
        return SliceStatus.OPEN
    if record.archived is None:
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
        return "a clear began and has not ended: if none is running, clear again"
    if record.archived is None:
        return None if hot_rows or open_ else _EMPTY
    if not hot_rows:
        return None
    more = hot_rows - record.archived.contents.versions
    if more > 0:
        return f"at least {more} of the hot rows are not in the lake: archive, verify and clear again"
    if record.cleared is not None:
        return f"{hot_rows} rows are in the hot store since it was cleared: archive, verify and clear again"
    return None
