"""Use case: drop slices from the lake: delete their rows, because a rule of retention says so.

Only slices are dropped whose files were just read back, that have no rows in the hot store, and that no hold protects.
All slices of a week leave in one commit. The manifest entries *dropped* are written before it, so a killed drop is
visible, and its rows never seem to be lost. The next drop completes it.

A drop can keep scores: the week's `scores` are committed and read back before the rows leave `attempts`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import NamedTuple

from assess_core.domain.manifest import NOTHING, Action, Contents, ManifestEntry, SliceRecord
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import LakeConflict, VerifyFailed
from assess_core.ports.lake import Pinned
from assess_core.ports.scores import ScoresDraft, Totalled
from assess_core.ports.stores import Stores
from assess_core.retrying import retrying
from assess_core.usecases.archiving import Advance, no_progress, verified_files, verify_alone
from assess_core.usecases.compacting import rewritten
from assess_core.usecases.corrections_in_force import read_corrections
from assess_core.usecases.holds import held_slices, read_holds
from assess_core.usecases.keeping import commit, kept_entries, proved_scores, totals_at_drop
from assess_core.usecases.proving import DEADLINE, FIRST_WAIT, Found, Manifest, by_week, entry, is_conflict, prove
from assess_core.usecases.registering import agree


class Dropped(NamedTuple):
    """A slice after a drop."""

    rows: int
    """Rows that left `attempts`."""
    refused: str | None = None
    """A sentence that says why no row left."""
    scores: int = 0
    """Scores that the lake keeps of it without answers."""


def drop(
    slices: Iterable[ArchiveSlice],
    stores: Stores,
    now: int,
    advance: Advance = no_progress,
    *,
    keeping: Collection[ArchiveSlice] = (),
) -> dict[ArchiveSlice, Dropped]:
    """Delete the rows of these slices from the lake. Whether a rule allows it is the caller's decision.

    `keeping`: those of which the lake keeps the scores. Kept scores of the others are deleted. Files stay on disk until
    `vacuum`. Can be repeated, and killed at any moment. A slice that must not be dropped is refused with a sentence; so
    is a week in which another slice differs from the manifest. Raises `StoreUnavailable`, `BadHold`, and `LakeConflict`
    if other processes keep changing the week.
    """
    done: dict[ArchiveSlice, Dropped] = {}
    again = retrying(is_conflict, deadline_seconds=DEADLINE, first_wait=FIRST_WAIT)
    for group in by_week(slices):
        done |= again(_drop, group, stores, now, {*keeping})
        advance(len(group))
    return done


def _drop(
    group: Sequence[ArchiveSlice], stores: Stores, now: int, keeping: Set[ArchiveSlice]
) -> dict[ArchiveSlice, Dropped]:
    lake, week = stores.lake, group[0].week
    # scores first: an erasure writes their metadata after it has rewritten `attempts`. If this pin is newer, the next
    # one has no row of the learners, and if it is older, the commit is refused
    scores = lake.pin_scores(create=not keeping.isdisjoint(group))
    pinned = lake.pin()
    try:
        of_week = lake.slices(pinned, week)
        manifest = Manifest.read(lake, {*of_week, *group})
        with lake.copies(pinned, of_week, proved=True, verified=verified_files(of_week, manifest)) as copies:
            found = prove(of_week, manifest, copies)
        kept = proved_scores(scores, group, lake)
    except VerifyFailed as error:
        return {slice_: Dropped(0, f"{slice_}: {error}") for slice_ in group}
    refused = _refusals(group, found, manifest, stores, now)
    going = [slice_ for slice_ in group if slice_ in found.contents and slice_ not in refused]
    keep = [slice_ for slice_ in going if slice_ in keeping]
    leave = [slice_ for slice_ in group if slice_ in kept and slice_ not in refused and slice_ not in keeping]
    staying = {slice_: contents for slice_, contents in found.contents.items() if slice_ not in going}
    if going or leave:
        with ExitStack() as drafts:
            draft = drafts.enter_context(rewritten(lake, pinned, week, staying, without=going)) if going else None
            scores_draft = drafts.enter_context(_scores_draft(stores, pinned, scores, week, keep, leave))
            after = lake.score_contents(scores_draft, week) if keep or leave else kept
            _require_all_scores(keep, found, kept, after)
            if held_slices(lake, read_holds(stores.hot, now), [*going, *leave]):
                raise LakeConflict("a hold was entered while the week was rewritten")  # the next try refuses its slices
            lake.record(
                [
                    *kept_entries(kept, after, sorted({*keep, *leave}), manifest.records, pinned.version, now),
                    *_dropped_entries(going, manifest.records, found, pinned.version, now),
                ]
            )
            if keep or leave:
                commit(scores, week, scores_draft, lake)
            if draft is not None:
                lake.replace(pinned, week, draft)
        verify_alone(staying, lake, now)
        kept = after
    rows = {slice_: found.contents[slice_].rows for slice_ in going}
    return {
        slice_: Dropped(rows.get(slice_, 0), refused.get(slice_), kept[slice_].rows if slice_ in kept else 0)
        for slice_ in group
    }


def _scores_draft(
    stores: Stores,
    pinned: Pinned,
    scores: Pinned,
    week: IsoWeek,
    keep: Sequence[ArchiveSlice],
    leave: Sequence[ArchiveSlice],
) -> AbstractContextManager[Pinned]:
    """A draft of the week's scores; the pinned ones if they do not change."""
    if not keep and not leave:
        return nullcontext(scores)
    totals: Iterator[list[Totalled]] = iter(())
    if keep:
        agree(stores.hot, stores.lake, stores.keys)  # corrections that are in force for nobody yet
        totals = totals_at_drop(keep, pinned, read_corrections(stores.hot.register), stores.lake)
    return stores.lake.scores_draft(pinned, scores, week, ScoresDraft(keep, leave, totals))


def _require_all_scores(
    keep: Sequence[ArchiveSlice],
    found: Found,
    kept: Mapping[ArchiveSlice, Contents],
    after: Mapping[ArchiveSlice, Contents],
) -> None:
    """Raise `VerifyFailed` if a draft of scores lacks a version or an attempt of the rows that go."""
    for slice_ in keep:
        rows, scores, before = found.contents[slice_], after.get(slice_, NOTHING), kept.get(slice_, NOTHING)
        same = (scores.versions, scores.attempts, scores.total_score) == (
            rows.versions,
            rows.attempts,
            rows.total_score,
        )
        more = scores.versions >= rows.versions and scores.attempts >= rows.attempts
        if not (same or (before != NOTHING and more)):
            raise VerifyFailed(f"{slice_}: its scores are not those of its rows; nothing was dropped; report this bug")


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
            why[slice_] = f"the hot store still has {hot_rows:,} of its rows; clear it first"
    return {slice_: f"{slice_}: {reason}" for slice_, reason in why.items()}


def _dropped_entries(
    going: Sequence[ArchiveSlice],
    records: Mapping[ArchiveSlice, SliceRecord],
    found: Found,
    delta_version: int,
    now: int,
) -> list[ManifestEntry]:
    return [
        entry(slice_, Action.DROPPED, delta_version, found.contents[slice_], now, files=found.files[slice_])
        for slice_ in going
        if not records[slice_].is_dropped and found.contents[slice_] != NOTHING
    ]
