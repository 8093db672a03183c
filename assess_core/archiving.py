"""Use cases: archive, verify and clear slices (design section 5). Each may be repeated, run twice at once, or killed.

What is known of a slice is computed from the stores and the manifest, never kept anywhere else.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import count, groupby
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from assess_core.attempts import RowKey
from assess_core.errors import LakeConflict, SliceOpen, UnknownBatch, VerifyFailed
from assess_core.lake import Copies, Lake
from assess_core.manifest import NOTHING, Action, Contents, ManifestEntry, SliceRecord, by_slice, problem
from assess_core.ports import HotStore, Stores
from assess_core.slice_status import SliceStatus, SliceView, view
from assess_core.slices import ArchiveSlice, Unread, why_open

__all__ = [
    "Archived",
    "Cleared",
    "SliceStatus",
    "SliceView",
    "Verified",
    "archive",
    "clear",
    "closed",
    "known",
    "require_closed",
    "require_known",
    "slice_views",
    "verify",
]

_TRIES: Final = 20
"""How often an archiver decides again: each time somebody else has committed, so all together they get on."""
_NAMED: Final = 5
"""How many slices a sentence names."""


class Advance(Protocol):
    """Called with how many more slices are done."""

    def __call__(self, amount: int = 1, /) -> None: ...


class Archived(NamedTuple):
    """A slice after archive."""

    appended: int
    contents: Contents
    delta_version: int


class Verified(NamedTuple):
    """A slice after verify."""

    problem: str | None
    """A sentence that names the slice and what is wrong with it; None when its files prove the manifest."""
    contents: Contents
    """What the files hold now."""
    delta_version: int
    unarchived: int
    """Hot rows that the files do not hold: archive again."""


class Cleared(NamedTuple):
    """A slice after clear."""

    cleared: int
    """Rows deleted from the hot store; with `dry_run` those that would be."""
    left: int
    """Rows that stay, for the lake does not hold them: archive again."""
    refused: str | None = None
    """A sentence that says why nothing was deleted."""


def _no_progress(amount: int = 1, /) -> None:
    return


# --- which slices there are, and how far they have come ---


def slice_views(
    stores: Stores, now: int, grace: int, unread: Unread | None, batch_id: str | None = None
) -> list[SliceView]:
    """All slices (of a batch), in their order; `now` and `grace` in ms; `unread` is what nobody folded yet."""
    records = by_slice(stores.lake.manifest())
    known = sorted({*stores.hot.slices(), *records})
    return [
        view(slice_, stores.hot.count(slice_), records.get(slice_, SliceRecord()), why_open(slice_, now, grace, unread))
        for slice_ in known
        if batch_id is None or slice_.batch_id == batch_id
    ]


def closed(slices: Iterable[ArchiveSlice], now: int, grace: int, unread: Unread | None) -> list[ArchiveSlice]:
    """Those of the slices that are closed, in their order."""
    return [slice_ for slice_ in sorted(set(slices)) if why_open(slice_, now, grace, unread) is None]


def require_closed(slices: Iterable[ArchiveSlice], now: int, grace: int, unread: Unread | None) -> None:
    """Raises `SliceOpen` naming the slices that are not closed, and what they wait for."""
    reasons = [(slice_, why) for slice_ in sorted(set(slices)) if (why := why_open(slice_, now, grace, unread))]
    if reasons:
        named = "; ".join(f"{slice_} is open: {why}" for slice_, why in reasons[:_NAMED])
        more = f"; and {len(reasons) - _NAMED} more are open" if len(reasons) > _NAMED else ""
        raise SliceOpen(f"{named}{more}")


def known(stores: Stores) -> list[ArchiveSlice]:
    """Every slice that the hot store or the manifest knows, in their order."""
    return sorted({*stores.hot.slices(), *by_slice(stores.lake.manifest())})


def require_known(slices: Iterable[ArchiveSlice], stores: Stores) -> None:
    """Raises `UnknownBatch` naming the slices that neither the hot store nor the manifest knows."""
    unknown = sorted(set(slices).difference(known(stores)))
    if unknown:
        named = ", ".join(repr(str(slice_)) for slice_ in unknown[:_NAMED])
        raise UnknownBatch(f"no store knows {named}; `assess slices` lists the slices that there are")


# --- archive ---


def archive(
    slices: Iterable[ArchiveSlice], stores: Stores, now: int, advance: Advance = _no_progress
) -> dict[ArchiveSlice, Archived]:
    """Append the copies that the lake does not hold, a commit for each ISO week, and say in the manifest what it holds.

    A slice of which neither the hot store nor the lake has a row is left out. Whether slices are closed is the caller's
    question (`require_closed`). Raises `StoreUnavailable`, `NotOurTable`, `VerifyFailed` for a damaged lake, and
    `LakeConflict` when others keep committing the same slices.
    """
    records = by_slice(stores.lake.manifest())
    done: dict[ArchiveSlice, Archived] = {}
    for group in _by_week(slices):
        appended = _append_missing(group, stores.hot, stores.lake)
        # whether or not anything was appended: a crash may have come between an append and its entry
        pinned = stores.lake.pin()
        with stores.lake.copies(pinned, group) as copies:
            contents, files = copies.contents(), copies.files()
        held = [slice_ for slice_ in group if contents[slice_] != NOTHING]
        done |= {slice_: Archived(appended.get(slice_, 0), contents[slice_], pinned.version) for slice_ in held}
        stores.lake.record(
            [
                _entry(slice_, Action.ARCHIVED, pinned.version, contents[slice_], now, files=files[slice_])
                for slice_ in held
                if not _says(records.get(slice_, SliceRecord()).archived, contents[slice_])
            ]
        )
        advance(len(group))
    return done


def _append_missing(group: Sequence[ArchiveSlice], hot: HotStore, lake: Lake) -> Mapping[ArchiveSlice, int]:
    """How many copies were appended of each slice."""
    for tries in count(1):
        pinned = lake.pin()
        with lake.copies(pinned, group) as copies:
            missing = copies.missing(hot)
            if missing is None:
                break
            try:
                lake.append(pinned, group, missing.rows)
            except LakeConflict:
                if tries == _TRIES:
                    raise  # until then: read both again and decide again
            else:
                return missing.counts
    return {}


# --- verify ---


def verify(
    slices: Iterable[ArchiveSlice], stores: Stores, now: int, advance: Advance = _no_progress
) -> dict[ArchiveSlice, Verified]:
    """Read the lake's files back and compare them with the newest archived entry of the manifest.

    A bad slice has a `problem`, the others go on. A copy that was written twice is no problem (`contents.rows` is more
    than `versions`). A slice that was never archived and has no rows is left out. Raises `StoreUnavailable`.
    """
    records = by_slice(stores.lake.manifest())
    done: dict[ArchiveSlice, Verified] = {}
    for group in _by_week(slices):
        pinned = stores.lake.pin()
        try:
            with stores.lake.copies(pinned, group, proved=True) as copies:
                found, left = _prove(group, records, copies), copies.compare(stores.hot).left
        except VerifyFailed as error:  # of a file that cannot be read nobody knows which slices it holds
            found, left = _unreadable(group, error), {}
        done |= {
            slice_: Verified(found.problems.get(slice_), found.contents[slice_], pinned.version, left.get(slice_, 0))
            for slice_ in group
            if slice_ in records or found.contents[slice_] != NOTHING or stores.hot.count(slice_)
        }
        stores.lake.record(
            [
                _entry(slice_, Action.VERIFIED, pinned.version, found.contents[slice_], now, files=found.files[slice_])
                for slice_ in group
                if slice_ in records and slice_ not in found.problems and not _is_proved(records[slice_], found, slice_)
            ]
        )
        advance(len(group))
    return done


class _Found(NamedTuple):
    """What was read back of some slices."""

    contents: dict[ArchiveSlice, Contents]
    files: dict[ArchiveSlice, dict[str, str]]
    problems: dict[ArchiveSlice, str]
    """A sentence for each slice with which something is wrong."""


def _prove(group: Iterable[ArchiveSlice], records: Mapping[ArchiveSlice, SliceRecord], copies: Copies) -> _Found:
    """Hold what the files hold against the manifest; `copies` were opened `proved`."""
    contents, files, damaged = copies.contents(), copies.files(), copies.damaged()
    problems = {}
    for slice_ in group:
        if why := damaged.get(slice_):
            problems[slice_] = f"{slice_}: {why}; restore the lake from a backup"
        elif why := problem(records.get(slice_, SliceRecord()), contents[slice_], files[slice_]):
            problems[slice_] = f"{slice_}: {why}"
    return _Found(contents, files, problems)


def _unreadable(group: Iterable[ArchiveSlice], error: VerifyFailed) -> _Found:
    nothing = dict.fromkeys(group, NOTHING)
    return _Found(nothing, {slice_: {} for slice_ in group}, {slice_: f"{slice_}: {error}" for slice_ in group})


def _is_proved(record: SliceRecord, found: _Found, slice_: ArchiveSlice) -> bool:
    """Whether the manifest says already what would be said now."""
    return record.is_verified and _says(record.verified, found.contents[slice_], found.files[slice_])


# --- clear ---


def clear(
    slices: Iterable[ArchiveSlice],
    stores: Stores,
    now: int,
    dry_run: bool = False,
    advance: Advance = _no_progress,
) -> dict[ArchiveSlice, Cleared]:
    """Delete from the hot store exactly those rows of verified slices that are read back from the lake right now.

    The files are read whole once more, and must hold what was verified, to the digest: so it does not matter which
    Delta version they belong to, and a compaction since then does no harm. Row by row, by full key and receipt.
    A slice that is not verified, or whose files differ, is refused. Raises `StoreUnavailable`.
    """
    records = by_slice(stores.lake.manifest())
    done: dict[ArchiveSlice, Cleared] = {}
    for group in _by_week(slices):
        verified = {slice_: record for slice_ in group if (record := records.get(slice_)) and record.is_verified}
        for slice_ in group:
            if slice_ not in verified and (slice_ in records or stores.hot.count(slice_)):
                done[slice_] = Cleared(0, stores.hot.count(slice_), f"{slice_}: {_not_verified(records.get(slice_))}")
        if verified:
            done |= _clear_verified(verified, stores, now, dry_run)
        advance(len(group))
    return done


def _not_verified(record: SliceRecord | None) -> str:
    if record is None or record.archived is None:
        return "it was not archived; archive and verify it first"
    return "what was archived last is not verified; verify it first"


def _clear_verified(
    records: Mapping[ArchiveSlice, SliceRecord], stores: Stores, now: int, dry_run: bool
) -> dict[ArchiveSlice, Cleared]:
    pinned = stores.lake.pin()
    try:
        with stores.lake.copies(pinned, records, proved=True) as copies:
            found = _prove(records, records, copies)
            compared = copies.compare(stores.hot)
            deletable = (keys for keys in compared.keys if keys[0].slice not in found.problems)
            deleted = compared.held if dry_run else _delete(deletable, stores.hot)
    except VerifyFailed as error:
        return {slice_: Cleared(0, stores.hot.count(slice_), f"{slice_}: {error}") for slice_ in records}
    done = {
        slice_: Cleared(0, compared.held.get(slice_, 0) + compared.left.get(slice_, 0), why)
        if (why := found.problems.get(slice_))
        else Cleared(deleted.get(slice_, 0), compared.left.get(slice_, 0))
        for slice_ in records
    }
    if not dry_run:
        stores.lake.record(
            [
                _entry(slice_, Action.CLEARED, pinned.version, found.contents[slice_], now, *done[slice_][:2])
                for slice_, record in records.items()
                if not done[slice_].refused
                and (done[slice_].cleared or not _says(record.cleared, found.contents[slice_]))
            ]
        )
    return done


def _delete(chunks: Iterable[list[RowKey]], hot: HotStore) -> dict[ArchiveSlice, int]:
    deleted: dict[ArchiveSlice, int] = {}
    for keys in chunks:
        slice_ = keys[0].slice
        deleted[slice_] = deleted.get(slice_, 0) + hot.delete(keys)
    return deleted


# --- what all of them share ---


def _by_week(slices: Iterable[ArchiveSlice]) -> Iterable[list[ArchiveSlice]]:
    """A week's slices are in the same files and go in one commit."""
    return (list(group) for _, group in groupby(sorted(set(slices)), attrgetter("week")))


def _says(entry: ManifestEntry | None, contents: Contents, files: Mapping[str, str] | None = None) -> bool:
    return entry is not None and entry.contents == contents and (files is None or entry.files == files)


def _entry(
    slice_: ArchiveSlice,
    action: Action,
    delta_version: int,
    contents: Contents,
    now: int,
    cleared: int = 0,
    left: int = 0,
    files: dict[str, str] | None = None,
) -> ManifestEntry:
    return ManifestEntry(slice_, action, delta_version, contents, now, _code(), cleared, left, files or {})


def _code() -> str:
    """Which version of this project writes an entry."""
    try:
        return version("assessment-lakehouse")
    except PackageNotFoundError:
        return "not installed"
