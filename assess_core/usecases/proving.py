"""Shared by archive, verify and clear: compare the lake's files with the manifest, and record the result."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.manifest import (
    NOTHING,
    Action,
    Contents,
    ManifestEntry,
    SliceRecord,
    altered,
    broken,
    by_slice,
    problem,
)
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import LakeConflict, VerifyFailed
from assess_core.ports.lake import Copies, Lake

DEADLINE: Final = 3600.0
"""Seconds during which a change of the lake is retried after conflicts: one try at a large week takes minutes. Each
conflict means that another process has committed, so all processes together make progress."""
FIRST_WAIT: Final = 0.02


def is_conflict(error: BaseException) -> bool:
    """Whether another process has committed first: the caller must read and decide again."""
    return isinstance(error, LakeConflict)


class Manifest(NamedTuple):
    """The manifest's records of slices, and the slices whose chain of entries is broken."""

    records: dict[ArchiveSlice, SliceRecord]
    broken: dict[ArchiveSlice, str]

    @classmethod
    def read(cls, lake: Lake, slices: Collection[ArchiveSlice] | None = None) -> "Manifest":
        """The current manifest of these slices (None: of all)."""
        entries = lake.manifest(slices)
        return cls(by_slice(entries), broken(entries))


class Found(NamedTuple):
    """The result of reading slices back."""

    contents: dict[ArchiveSlice, Contents]
    files: dict[ArchiveSlice, dict[str, str]]
    problems: dict[ArchiveSlice, str]
    """A sentence for each slice that has a problem."""


def prove(group: Iterable[ArchiveSlice], manifest: Manifest, copies: Copies) -> Found:
    """Compare the contents of the files with the manifest. `copies` must be opened with `proved`."""
    slices = list(group)
    contents, files, damaged = copies.contents(), copies.files(slices), copies.damaged()
    problems: dict[ArchiveSlice, str] = {}
    for slice_ in slices:
        record = manifest.records.get(slice_, SliceRecord())
        rows = damaged.get(slice_)
        why = f"{altered(record, files[slice_])}{rows}; restore the lake from a backup" if rows else None
        why = why or manifest.broken.get(slice_) or problem(record, contents[slice_], files[slice_])
        if why:
            problems[slice_] = f"{slice_}: {why}"
    return Found(contents, files, problems)


def unreadable(group: Iterable[ArchiveSlice], error: VerifyFailed) -> Found:
    """The result for slices if one of their files cannot be read."""
    slices = list(group)
    problems = {slice_: f"{slice_}: {error}" for slice_ in slices}
    return Found(dict.fromkeys(slices, NOTHING), {slice_: {} for slice_ in slices}, problems)


def outcomes(
    group: Iterable[ArchiveSlice], manifest: Manifest, found: Found, delta_version: int, now: int
) -> Iterator[ManifestEntry]:
    """The new manifest entries for slices that were read back. Entries that the manifest already has are left out."""
    for slice_ in group:
        record, why = manifest.records.get(slice_), found.problems.get(slice_)
        if record is None:
            continue  # it was never archived
        if why is None and record.is_dropped and found.contents[slice_] == NOTHING and not record.has_failed:
            continue
        contents, files = found.contents[slice_], found.files[slice_]
        verified = entry(slice_, Action.VERIFIED, delta_version, contents, now, files=files)
        if why is None:
            if not (record.is_verified and entry_matches(record.verified, contents, files)):
                yield verified
        elif record.failure != why:
            yield msgspec.structs.replace(verified, action=Action.FAILED, problem=why)


def entry_matches(entry: ManifestEntry | None, contents: Contents, files: Mapping[str, str] | None = None) -> bool:
    """Whether an entry already has these contents and files."""
    return entry is not None and entry.contents.same_rows(contents) and (files is None or entry.files == files)


def entry(
    slice_: ArchiveSlice,
    action: Action,
    delta_version: int,
    contents: Contents,
    now: int,
    cleared: int = 0,
    left: int = 0,
    files: dict[str, str] | None = None,
) -> ManifestEntry:
    """A new entry, not chained yet."""
    return ManifestEntry(slice_, action, delta_version, contents, now, product_version(), cleared, left, files or {})


@cache
def product_version() -> str:
    """The version of this project, which each entry names."""
    # imported here: it takes 0.03 s, and only a proof needs it
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("assessment-lakehouse")
    except PackageNotFoundError:
        return "not installed"


def by_week(slices: Iterable[ArchiveSlice]) -> Iterator[list[ArchiveSlice]]:
    """Group slices by week: slices of one week share files and are committed together."""
    return (list(group) for _, group in groupby(sorted(set(slices)), attrgetter("week")))
