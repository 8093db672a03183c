"""Use cases: bring slices back from the lake, and rebuild a hot store that was lost.

Restore writes the lake's rows of some slices into the hot store again. The lake stays as it is, so every row has a copy
in both tiers, and counts once. The next clear deletes the rows again.

Rebuild adds the map entries of every row in the lake, also of kept scores, and derives scores and activities from them.
The rows stay in the lake. What the lake does not have comes from the log. Both use only rows that were just proved, can
be repeated, and can be killed at any moment.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.manifest import NOTHING, Action, SliceRecord
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import VerifyFailed
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.lake import Lake, Pinned
from assess_core.ports.stores import Stores
from assess_core.usecases.applying import forget_sweeps
from assess_core.usecases.archiving import Advance, no_progress, verified_files
from assess_core.usecases.erased import erase_from_hot, erased_among, learner_of_row, without_erased
from assess_core.usecases.folding import name_archived
from assess_core.usecases.keeping import kept_problems
from assess_core.usecases.proving import Found, Manifest, by_week, entry, prove, unreadable
from assess_core.usecases.registering import agree


class Restored(NamedTuple):
    """A slice after restore."""

    rows: int
    """Rows of the lake that are in the hot store now."""
    refused: str | None = None
    """A sentence that says why no row was restored."""


class Rebuilt(NamedTuple):
    """A week of the lake after rebuild."""

    week: IsoWeek
    slices: int
    rows: int
    named: int
    """Versions that no map named before."""
    problems: tuple[str, ...]
    """A sentence for each slice that is not as the manifest says. Rows that are damaged or missing are not named."""


def restore(
    slices: Iterable[ArchiveSlice], stores: Stores, now: int, advance: Advance = no_progress
) -> dict[ArchiveSlice, Restored]:
    """Write the lake's rows of slices into the hot store again.

    A slice whose files differ from the manifest is refused. An entry is recorded before the first row, so that a
    killed restore is visible. Raises `StoreUnavailable`.
    """
    chosen = sorted(set(slices))
    manifest = Manifest.read(stores.lake, chosen)
    done: dict[ArchiveSlice, Restored] = {}
    for group in by_week(chosen):
        pinned = stores.lake.pin()
        found = _proved(group, manifest, stores.lake, pinned)
        refused = {**_dropped(group, manifest, found), **found.problems}
        done |= {slice_: Restored(0, why) for slice_, why in refused.items()}
        good = [slice_ for slice_ in group if slice_ not in refused]
        stores.lake.record(
            [
                entry(slice_, Action.RESTORED, pinned.version, found.contents[slice_], now)
                for slice_ in good
                if not manifest.records[slice_].is_restored
            ]
        )
        counts = dict.fromkeys(good, 0)
        for rows in stores.lake.rows(pinned, good, answers=True) if good else ():
            checkpoint()
            for row in _put_back(rows, stores):
                counts[row.slice] += 1
        done |= {slice_: Restored(rows) for slice_, rows in counts.items()}
        advance(len(group))
    return dict(sorted(done.items()))


def _dropped(group: Iterable[ArchiveSlice], manifest: Manifest, found: Found) -> dict[ArchiveSlice, str]:
    """The slices without rows because of a drop. A drop that was killed, or stopped by a hold, leaves the rows."""
    records = {slice_: manifest.records.get(slice_, SliceRecord()) for slice_ in group}
    return {
        slice_: f"{slice_}: retention dropped it, so the lake has none of its rows; they are in older backups only"
        for slice_, record in records.items()
        if record.is_dropped and found.contents[slice_] == NOTHING
    }


def _put_back(rows: Sequence[AttemptVersion], stores: Stores) -> list[AttemptVersion]:
    """Write rows into the hot store again, but none of an erased learner; returns the written ones."""
    hot, keys = stores.hot, stores.keys
    kept = without_erased(rows, learner_of_row, hot, keys)
    hot.add_slices({row.slice for row in kept})
    hot.put_back(kept)
    if late := erased_among({learner_of_row(row) for row in kept}, hot, keys):  # erased while they were written
        erase_from_hot(late, hot, {row.slice for row in kept})
    return kept


def begin_rebuild(stores: Stores) -> list[IsoWeek]:
    """Bring the decisions of the lake into force, and return the weeks to rebuild, oldest first.

    Corrections, holds and orders to erase learners then count for everything that is read later. The corrections count
    as not swept. Raises `StoreUnavailable`, `NotOurTable`.
    """
    forget_sweeps(stores.hot, stores.lake)
    agree(stores.hot, stores.lake, stores.keys)
    tables = (stores.lake.pin(), stores.lake.pin_scores())
    stores.hot.remember_lake(tables[0].identity)  # from now on it is the lake of this hot store
    return sorted({file.week for pinned in tables for file in pinned.files()})


def rebuild(week: IsoWeek, stores: Stores) -> Rebuilt:
    """Add the map entries of all rows and kept scores of a week of the lake, and what is derived from them.

    Rows that the manifest does not count yet, as a killed archive leaves them, are named too. Slices with damaged rows
    or unreadable files are not. Raises `StoreUnavailable`.
    """
    lake = stores.lake
    try:
        slices = lake.slices(lake.pin(), week)
        # before the pin that is compared with it: an archive may add rows and their entry meanwhile
        manifest = Manifest.read(lake, slices)
        pinned = lake.pin()
        with lake.copies(pinned, slices, proved=True, verified=verified_files(slices, manifest)) as copies:
            found, damaged = prove(slices, manifest, copies), copies.damaged()
    except VerifyFailed as error:
        return Rebuilt(week, 0, 0, 0, (f"week {week}: {error}",))
    good = [slice_ for slice_ in slices if slice_ not in damaged]
    read, named = _name(good, pinned, stores)
    problems = (why for slice_, why in sorted(found.problems.items()) if not _is_new(slice_, found, manifest, damaged))
    kept = _name_kept(week, stores)
    return Rebuilt(week, len(good) + kept.slices, read + kept.rows, named + kept.named, (*problems, *kept.problems))


def _name_kept(week: IsoWeek, stores: Stores) -> Rebuilt:
    """The part of a rebuild that reads kept scores. Scores that are not as the manifest says are not named."""
    lake = stores.lake
    try:
        scores = lake.pin_scores()
        contents = lake.score_contents(scores, week)
    except VerifyFailed as error:
        return Rebuilt(week, 0, 0, 0, (f"week {week}: {error}",))
    problems = kept_problems(contents, lake)
    good = [slice_ for slice_ in contents if slice_ not in problems]
    read, named = _name(good, scores, stores)
    return Rebuilt(week, len(good), read, named, tuple(why for _, why in sorted(problems.items())))


def _name(slices: Sequence[ArchiveSlice], pinned: Pinned, stores: Stores) -> tuple[int, int]:
    """Add the map entries of slices; returns how many rows were read, and how many of them had no entry."""
    read = named = 0
    for rows in stores.lake.rows(pinned, slices, answers=False) if slices else ():
        checkpoint()
        named += name_archived(rows, stores.hot, stores.keys)
        read += len(rows)
    return read, named


def _proved(slices: Sequence[ArchiveSlice], manifest: Manifest, lake: Lake, pinned: Pinned) -> Found:
    """Read slices back and compare them with the manifest."""
    try:
        with lake.copies(pinned, slices, proved=True, verified=verified_files(slices, manifest)) as copies:
            return prove(slices, manifest, copies)
    except VerifyFailed as error:
        return unreadable(slices, error)


def _is_new(slice_: ArchiveSlice, found: Found, manifest: Manifest, damaged: Collection[ArchiveSlice]) -> bool:
    """Whether a slice only has sound rows that the manifest does not count yet: the next archive records them."""
    archived = manifest.records.get(slice_, SliceRecord()).archived
    counted = archived.contents.versions if archived else 0
    has_more = found.contents[slice_].versions > counted
    return has_more and slice_ not in damaged and slice_ not in manifest.broken
