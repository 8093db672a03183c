"""Use case: drop slices from the lake: delete their rows, because a rule of retention says so.

Only slices are dropped whose files were just read back, that have no rows in the hot store, and that no hold protects.
All slices of a week leave in one commit. The manifest entries *dropped* are written before it, so a killed drop is
visible, and its rows never seem to be lost. The next drop completes it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from assess_core.domain.manifest import NOTHING, Action, SliceRecord
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import LakeConflict, VerifyFailed
from assess_core.ports.lake import Lake
from assess_core.ports.stores import Stores
from assess_core.retrying import retrying
from assess_core.usecases.archiving import Advance, no_progress, verified_files, verify_alone
from assess_core.usecases.compacting import rewritten
from assess_core.usecases.holds import held_slices, read_holds
from assess_core.usecases.proving import DEADLINE, FIRST_WAIT, Found, Manifest, by_week, entry, is_conflict, prove


class Dropped(NamedTuple):
    """A slice after a drop."""

    rows: int
    """Rows that left the lake."""
    refused: str | None = None
    """A sentence that says why no row left."""


def drop(
    slices: Iterable[ArchiveSlice], stores: Stores, now: int, advance: Advance = no_progress
) -> dict[ArchiveSlice, Dropped]:
    """Delete the rows of these slices from the lake. Whether a rule allows it is the caller's decision.

    The files stay on disk until `vacuum`. Can be repeated, and killed at any moment. A slice that must not be dropped
    is refused with a sentence; so is a week in which another slice differs from the manifest. Raises
    `StoreUnavailable`, `BadHold`, and `LakeConflict` if other processes keep changing the week.
    """
    done: dict[ArchiveSlice, Dropped] = {}
    again = retrying(is_conflict, deadline_seconds=DEADLINE, first_wait=FIRST_WAIT)
    for group in by_week(slices):
        done |= again(_drop, group, stores, now)
        advance(len(group))
    return done


def _drop(group: Sequence[ArchiveSlice], stores: Stores, now: int) -> dict[ArchiveSlice, Dropped]:
    lake, week = stores.lake, group[0].week
    pinned = lake.pin()
    try:
        of_week = lake.slices(pinned, week)
        manifest = Manifest.read(lake, {*of_week, *group})
        with lake.copies(pinned, of_week, proved=True, verified=verified_files(of_week, manifest)) as copies:
            found = prove(of_week, manifest, copies)
    except VerifyFailed as error:
        return {slice_: Dropped(0, f"{slice_}: {error}") for slice_ in group}
    refused = _refusals(group, found, manifest, stores, now)
    going = [slice_ for slice_ in group if slice_ in found.contents and slice_ not in refused]
    kept = {slice_: contents for slice_, contents in found.contents.items() if slice_ not in going}
    if going:
        with rewritten(lake, pinned, week, kept, without=going) as draft:
            if held_slices(lake, read_holds(stores.hot, now), going):
                raise LakeConflict("a hold was entered while the week was rewritten")  # the next try refuses its slices
            _record(going, manifest.records, found, pinned.version, lake, now)
            lake.replace(pinned, week, draft)
        verify_alone(kept, lake, now)
    rows = {slice_: found.contents[slice_].rows for slice_ in going}
    return {slice_: Dropped(rows.get(slice_, 0), refused.get(slice_)) for slice_ in group}


def _refusals(
    group: Sequence[ArchiveSlice], found: Found, manifest: Manifest, stores: Stores, now: int
) -> dict[ArchiveSlice, str]:
    """Why slices must not be dropped, as sentences."""
    if found.problems:
        first = next(iter(found.problems.values()))
        return {slice_: found.problems.get(slice_, f"{slice_}: its week was not changed: {first}") for slice_ in group}
    held = held_slices(stores.lake, read_holds(stores.hot, now), group)
    why: dict[ArchiveSlice, str] = {}
    for slice_, hot_rows in stores.hot.counts(group).items():
        record = manifest.records.get(slice_, SliceRecord())
        if slice_ in held:
            why[slice_] = held[slice_]
        elif not record.is_verified:
            why[slice_] = "its last archive is not verified; verify it first"
        elif hot_rows or record.is_clearing:
            why[slice_] = f"{hot_rows:,} of its rows are in the hot store; clear it first"
    return {slice_: f"{slice_}: {reason}" for slice_, reason in why.items()}


def _record(
    going: Sequence[ArchiveSlice],
    records: Mapping[ArchiveSlice, SliceRecord],
    found: Found,
    delta_version: int,
    lake: Lake,
    now: int,
) -> None:
    lake.record(
        [
            entry(slice_, Action.DROPPED, delta_version, found.contents[slice_], now, files=found.files[slice_])
            for slice_ in going
            if not records[slice_].is_dropped and found.contents[slice_] != NOTHING
        ]
    )
