"""Use cases: archive, verify and clear slices. Each can be repeated, run twice at the same time, or killed.

The state of a slice is computed from the stores and the manifest and is stored nowhere.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Final, NamedTuple, Protocol

from assess_core.domain.attempts import RowKey
from assess_core.domain.manifest import NOTHING, Action, Contents, SliceRecord, by_slice, why_unverified
from assess_core.domain.slice_status import SliceView, view
from assess_core.domain.slices import ArchiveSlice, Unread, why_open
from assess_core.errors import SliceOpen, UnknownBatch, VerifyFailed
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Compared, Copies, Lake, Shard
from assess_core.ports.pinning import pin_needed
from assess_core.ports.stores import Stores
from assess_core.retrying import retrying
from assess_core.usecases.keeping import with_kept
from assess_core.usecases.proving import (
    DEADLINE,
    FIRST_WAIT,
    Manifest,
    by_week,
    entry,
    entry_matches,
    is_conflict,
    outcomes,
    prove,
    unreadable,
)

_NAMED: Final = 5
"""The largest number of slices that a message names."""


Scan = Callable[[ArchiveSlice], Sequence[Shard]]
"""Reads the rows of a slice, as `HotStore.scan` does."""


class Advance(Protocol):
    """Called with the number of slices or weeks that were finished since the last call."""

    def __call__(self, amount: int = 1, /) -> None: ...


class Archived(NamedTuple):
    """A slice after archive."""

    appended: int
    contents: Contents
    delta_version: int


class Verified(NamedTuple):
    """A slice after verify."""

    problem: str | None
    """A sentence that names the slice and what is wrong with it; None if its files match the manifest."""
    contents: Contents
    """The contents of the files now."""
    delta_version: int
    unarchived: int | None
    """Hot rows that the files do not hold: archive the slice again. None if the hot store was not read."""
    is_cleared: bool | None
    """Whether the hot store has no rows of it and no clear of it was killed. None if the hot store was not read."""


class Cleared(NamedTuple):
    """A slice after clear."""

    cleared: int
    """Rows deleted from the hot store; with `dry_run`, rows that would be deleted."""
    left: int
    """Rows that stay because the lake does not hold them: archive the slice again."""
    refused: str | None = None
    """A sentence that says why nothing was deleted."""

    @property
    def why_left(self) -> str | None:
        """Why rows stay although the slice is verified, as a sentence; None if none stay."""
        if self.refused or not self.left:
            return None
        stay, them = ("row stays", "it") if self.left == 1 else ("rows stay", "them")
        return f"{self.left:,} {stay}, because the lake does not hold {them}; archive, verify and clear again"


def no_progress(amount: int = 1, /) -> None:
    """Ignores the progress."""


# --- the slices and their status ---


def slice_views(
    stores: Stores, now: int, grace: int, unread: Unread | None, batch_id: str | None = None
) -> list[SliceView]:
    """All slices (of a batch), sorted. `now` and `grace` are in ms; `unread` are the events that are not folded yet.

    Raises `OtherLake`, because the manifest of another lake gives other statuses.
    """
    pin_needed(stores.hot, stores.lake)
    records = by_slice(stores.lake.manifest(batch_id=batch_id))
    slices = sorted({*stores.hot.slices(batch_id=batch_id), *records})
    return views_of(slices, records, stores, now, grace, unread)


def views_of(
    slices: Sequence[ArchiveSlice],
    records: Mapping[ArchiveSlice, SliceRecord],
    stores: Stores,
    now: int,
    grace: int,
    unread: Unread | None,
) -> list[SliceView]:
    """The views of these slices, in the given order. Counts only the hot rows of these slices."""
    return [
        view(slice_, hot_rows, records.get(slice_, SliceRecord()), why_open(slice_, now, grace, unread))
        for slice_, hot_rows in stores.hot.counts(slices).items()
    ]


def closed(slices: Iterable[ArchiveSlice], now: int, grace: int, unread: Unread | None) -> list[ArchiveSlice]:
    """The closed slices among these, sorted."""
    return [slice_ for slice_ in sorted(set(slices)) if why_open(slice_, now, grace, unread) is None]


def require_closed(slices: Iterable[ArchiveSlice], now: int, grace: int, unread: Unread | None) -> None:
    """Raise `SliceOpen` if slices are not closed; the message names them and what they wait for."""
    reasons = [(slice_, why) for slice_ in sorted(set(slices)) if (why := why_open(slice_, now, grace, unread))]
    if reasons:
        named = "; ".join(f"{slice_} is open: {why}" for slice_, why in reasons[:_NAMED])
        more = f"; and {len(reasons) - _NAMED} more are open" if len(reasons) > _NAMED else ""
        raise SliceOpen(f"{named}{more}")


def known(stores: Stores, batch_id: str | None = None) -> list[ArchiveSlice]:
    """The slices (of a batch) that the hot store or the manifest knows, sorted."""
    recorded = stores.lake.recorded(None, None) if batch_id is None else stores.lake.recorded_of(batch_id)
    return sorted({*stores.hot.slices(batch_id=batch_id), *recorded})


def is_known(stores: Stores, slice_: ArchiveSlice) -> bool:
    """Whether the hot store or the manifest knows a slice."""
    in_hot = stores.hot.slices(batch_id=slice_.batch_id, weeks=[slice_.week])
    return bool(in_hot) or bool(stores.lake.manifest([slice_]))


def require_known(slices: Iterable[ArchiveSlice], stores: Stores) -> None:
    """Raise `UnknownBatch` if neither the hot store nor the manifest knows a slice; the message names it."""
    asked = set(slices)
    unknown = asked.difference(stores.hot.slices(weeks={slice_.week for slice_ in asked}))
    unknown -= by_slice(stores.lake.manifest(unknown)).keys()
    if unknown:
        named = ", ".join(repr(str(slice_)) for slice_ in sorted(unknown)[:_NAMED])
        raise UnknownBatch(f"no store knows {named}; `assess slices` lists all slices")


# --- archive ---


def archive(
    slices: Iterable[ArchiveSlice], stores: Stores, now: int, advance: Advance = no_progress
) -> dict[ArchiveSlice, Archived]:
    """Append the copies that the lake lacks, one commit per ISO week. Then record the lake's contents in the manifest.

    The result has no slice without rows. The caller must check that the slices are closed (`require_closed`). Raises
    `StoreUnavailable`, `NotOurTable`, `VerifyFailed` for a damaged lake, and `LakeConflict` if other processes keep
    committing the same slices.
    """
    pin_needed(stores.hot, stores.lake)
    return archive_rows(slices, stores.hot.scan, stores.lake, now, advance)


def archive_rows(
    slices: Iterable[ArchiveSlice], scan: Scan, lake: Lake, now: int, advance: Advance = no_progress
) -> dict[ArchiveSlice, Archived]:
    """Like `archive`, for rows that `scan` returns."""
    chosen = sorted(set(slices))
    records = by_slice(lake.manifest(chosen))
    done: dict[ArchiveSlice, Archived] = {}
    for group in by_week(chosen):
        again = retrying(is_conflict, deadline_seconds=DEADLINE, first_wait=FIRST_WAIT)
        appended, (pinned_at, contents, files) = again(_append_missing, group, scan, lake, records)
        held = [slice_ for slice_ in group if contents[slice_] != NOTHING]
        done |= {slice_: Archived(appended.get(slice_, 0), contents[slice_], pinned_at) for slice_ in held}
        # also if nothing was appended, because an archiver can be killed between its append and its entry
        lake.record(
            [
                entry(slice_, Action.ARCHIVED, pinned_at, contents[slice_], now, files=files_of)
                for slice_, files_of in files.items()
            ]
        )
        advance(len(group))
    return done


class _Measured(NamedTuple):
    """The contents of slices in the lake."""

    delta_version: int
    contents: Mapping[ArchiveSlice, Contents]
    files: Mapping[ArchiveSlice, dict[str, str]]
    """Only of slices whose contents are not in the manifest yet, because hashing files reads every byte."""


def _append_missing(
    group: Sequence[ArchiveSlice], scan: Scan, lake: Lake, records: Mapping[ArchiveSlice, SliceRecord]
) -> tuple[Mapping[ArchiveSlice, int], _Measured]:
    """Append the missing copies. Returns their number per slice, and what the lake holds then."""
    pinned = lake.pin()
    with lake.copies(pinned, group) as copies:
        missing = copies.missing(map(scan, group))
        if missing is not None:
            lake.append(pinned, group, missing.rows)
            pinned = lake.pin()
            copies.read_again(pinned)
        return missing.counts if missing else {}, _measured(group, pinned.version, copies, records)


def _measured(
    group: Sequence[ArchiveSlice], delta_version: int, copies: Copies, records: Mapping[ArchiveSlice, SliceRecord]
) -> _Measured:
    contents = copies.contents()
    new = [
        slice_
        for slice_ in group
        if contents[slice_] != NOTHING and not _has_entry(records.get(slice_, SliceRecord()), contents[slice_])
    ]
    return _Measured(delta_version, contents, copies.files(new) if new else {})


def _has_entry(record: SliceRecord, contents: Contents) -> bool:
    """Whether an entry says that these contents are archived."""
    return not record.is_dropped and entry_matches(record.archived, contents)


# --- verify ---


def verify(
    slices: Iterable[ArchiveSlice], stores: Stores, now: int, advance: Advance = no_progress
) -> dict[ArchiveSlice, Verified]:
    """Read the lake's files back and compare them with the newest archived entry of the manifest.

    A damaged slice gets a `problem`, and the other slices are verified too. A copy that was written twice is not a
    problem: `contents.rows` is then larger than `versions`. The result has no slice that was never archived and has no
    rows. Raises `StoreUnavailable`.
    """
    return _verify(slices, stores.lake, stores.hot, now, advance)


def verify_alone(
    slices: Iterable[ArchiveSlice], lake: Lake, now: int, advance: Advance = no_progress, *, only_new: bool = False
) -> dict[ArchiveSlice, Verified]:
    """Like `verify`, but without the hot store: reads only the lake's files and the manifest.

    `only_new`: a file that was verified before is proved by the SHA-256 of its bytes, as in `clear`.
    """
    return _verify(slices, lake, None, now, advance, only_new)


def _verify(
    slices: Iterable[ArchiveSlice],
    lake: Lake,
    hot: HotStore | None,
    now: int,
    advance: Advance,
    only_new: bool = False,
) -> dict[ArchiveSlice, Verified]:
    chosen = sorted(set(slices))
    manifest = Manifest.read(lake, chosen)
    done: dict[ArchiveSlice, Verified] = {}
    for group in by_week(chosen):
        pinned = lake.pin()
        compared: Compared | None = None
        before = verified_files(group, manifest) if only_new else {}
        try:
            with lake.copies(pinned, group, proved=True, verified=before) as copies:
                found = prove(group, manifest, copies)
                if found.problems:  # a drop may have begun since the manifest was read
                    found = prove(group, Manifest.read(lake, group), copies)
                found = with_kept(found, manifest, lake)
                compared = copies.compare(chain.from_iterable(map(hot.keys, group))) if hot else None
        except VerifyFailed as error:  # the slices in an unreadable file are unknown
            found = unreadable(group, error)
        in_lake = {slice_ for slice_ in group if slice_ in manifest.records or found.contents[slice_] != NOTHING}
        held = hot.counts(slice_ for slice_ in group if slice_ not in in_lake) if hot else {}
        done |= {
            slice_: Verified(
                found.problems.get(slice_),
                found.contents[slice_],
                pinned.version,
                compared.left.get(slice_, 0) if compared else None,
                _is_cleared(slice_, compared, manifest) if compared else None,
            )
            for slice_ in group
            if slice_ in in_lake or held.get(slice_)
        }
        lake.record(list(outcomes(group, manifest, found, pinned.version, now)))
        advance(len(group))
    return done


def _is_cleared(slice_: ArchiveSlice, compared: Compared, manifest: Manifest) -> bool:
    has_rows = bool(compared.held.get(slice_) or compared.left.get(slice_))
    return not has_rows and not manifest.records.get(slice_, SliceRecord()).is_clearing


def verified_files(slices: Iterable[ArchiveSlice], manifest: Manifest) -> dict[ArchiveSlice, Mapping[str, str]]:
    """The files in which the rows of slices were verified, each with the SHA-256 of its bytes."""
    records = {slice_: manifest.records.get(slice_, SliceRecord()).verified for slice_ in slices}
    return {slice_: verified.files for slice_, verified in records.items() if verified}


# --- clear ---


def clear(
    slices: Iterable[ArchiveSlice],
    stores: Stores,
    now: int,
    dry_run: bool = False,
    advance: Advance = no_progress,
) -> dict[ArchiveSlice, Cleared]:
    """Delete from the hot store exactly those rows of verified slices that this call reads back from the lake.

    This call reads all files of a slice again, and their digest must be the verified one. So the Delta version does not
    matter, and a compaction between verify and clear does no harm. Rows are deleted one by one, by full key and
    receipt. A slice that is not verified, or whose files differ, is refused. Raises `StoreUnavailable`.
    """
    chosen = sorted(set(slices))
    manifest = Manifest.read(stores.lake, chosen)
    done: dict[ArchiveSlice, Cleared] = {}
    for group in by_week(chosen):
        records = {slice_: manifest.records.get(slice_) for slice_ in group}
        verified = [slice_ for slice_, record in records.items() if record and record.is_verified]
        held = stores.hot.counts(slice_ for slice_ in group if slice_ not in verified)
        done |= {
            slice_: Cleared(0, rows, f"{slice_}: {why_unverified(records[slice_])}")
            for slice_, rows in held.items()
            if records[slice_] or rows
        }
        if verified:
            done |= _clear_verified(verified, manifest, stores, now, dry_run)
        advance(len(group))
    return done


def _clear_verified(
    slices: Sequence[ArchiveSlice], manifest: Manifest, stores: Stores, now: int, dry_run: bool
) -> dict[ArchiveSlice, Cleared]:
    pinned = pin_needed(stores.hot, stores.lake)
    before = verified_files(slices, manifest)
    try:
        with stores.lake.copies(pinned, slices, proved=True, verified=before) as copies:
            found = prove(slices, manifest, copies)
            compared = copies.compare(chain.from_iterable(map(stores.hot.keys, slices)))
            good = {slice_: None for slice_ in slices if slice_ not in found.problems}
            begun = [slice_ for slice_ in good if compared.held.get(slice_) or manifest.records[slice_].is_clearing]
            deleted = compared.held
            if not dry_run:
                unmarked = [slice_ for slice_ in begun if not manifest.records[slice_].is_clearing]
                stores.lake.record(
                    [entry(slice_, Action.CLEARING, pinned.version, found.contents[slice_], now) for slice_ in unmarked]
                )
                stores.hot.remember_lake(pinned.identity)
                deleted = _delete(compared.keys, good, stores.hot)
    except VerifyFailed as error:
        found, good = unreadable(slices, error), {}
    done = {slice_: Cleared(deleted.get(slice_, 0), compared.left.get(slice_, 0)) for slice_ in good}
    if not dry_run:
        stores.lake.record(
            [
                *outcomes(found.problems, manifest, found, pinned.version, now),
                *(
                    entry(slice_, Action.CLEARED, pinned.version, found.contents[slice_], now, *done[slice_][:2])
                    for slice_ in good
                    if slice_ in begun or not entry_matches(manifest.records[slice_].cleared, found.contents[slice_])
                ),
            ]
        )
    held = stores.hot.counts(found.problems)
    return done | {slice_: Cleared(0, held[slice_], why) for slice_, why in found.problems.items()}


def _delete(chunks: Iterable[list[RowKey]], good: Container[ArchiveSlice], hot: HotStore) -> dict[ArchiveSlice, int]:
    """Delete the rows of good slices. A chunk is one transaction, because each costs the hot store a write to disk."""
    deleted: dict[ArchiveSlice, int] = {}
    for keys in chunks:
        with hot.transaction():
            for slice_, of_slice in groupby(keys, itemgetter(0)):
                if slice_ in good:
                    deleted[slice_] = deleted.get(slice_, 0) + hot.delete(list(of_slice))
    return deleted
