"""The archive manifest: what was written to the lake, verified there, and cleared from the hot store.

Entries are only ever appended. What is *known* of a slice is computed from them, never stored.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from assess_core.slices import ArchiveSlice


class Action(StrEnum):
    """What an entry says was done to a slice."""

    ARCHIVED = "archived"
    VERIFIED = "verified"
    CLEARED = "cleared"


class Contents(NamedTuple):
    """What the lake's files hold of a slice, measured from the files themselves."""

    rows: int
    """Rows, a version that was written twice counted twice."""
    versions: int
    attempts: int
    total_score: float
    """Sum of `total_score` over the distinct copies, added in the order of their hashes: the same each time.

    0 where it is outside floating point: infinities add up to what equals nothing.
    """
    digest: str
    """Order-free: a sum of SHA-256 over the distinct copies, modulo a prime (64 hex digits, docs/content-hash.md)."""

    def same_copies(self, other: "Contents") -> bool:
        """Whether both are of the same copies; how often each was written does not matter."""
        return self[1:] == other[1:]


NOTHING: Final = Contents(0, 0, 0, 0.0, "0" * 64)
"""What the lake holds of a slice that it does not know."""

_PRIME: Final = 2**256 - 189


def digest_of(limbs: Iterable[int]) -> str:
    """The digest from the sums of four limbs of 64 bits each, the highest first."""
    total = 0
    for limb in limbs:
        total = (total << 64) + limb
    return f"{total % _PRIME:064x}"


class ManifestEntry(msgspec.Struct, frozen=True):
    """One thing that was done to one slice."""

    slice: ArchiveSlice
    action: Action
    delta_version: int
    """The version of the lake's `attempts` that `contents` was read from."""
    contents: Contents
    at: int
    """When (epoch ms)."""
    code: str
    """Which version of this project did it."""
    cleared: int = 0
    """Rows deleted from the hot store (cleared entries only)."""
    left: int = 0
    """Rows of the slice that stayed in the hot store: the lake does not hold them yet, archive again."""
    files: dict[str, str] = {}
    """The files that hold rows of the slice, by name, each with the SHA-256 of its bytes (64 hex digits)."""


class SliceRecord(NamedTuple):
    """The newest entry of each kind for a slice."""

    archived: ManifestEntry | None = None
    verified: ManifestEntry | None = None
    cleared: ManifestEntry | None = None

    @property
    def is_verified(self) -> bool:
        """Whether what was archived last has been verified since, at that Delta version or a later one."""
        return (
            self.archived is not None
            and self.verified is not None
            and self.verified.delta_version >= self.archived.delta_version
        )


def by_slice(entries: Iterable[ManifestEntry]) -> dict[ArchiveSlice, SliceRecord]:
    """The newest entry of each kind per slice: highest Delta version, then latest."""
    records: dict[ArchiveSlice, SliceRecord] = {}
    for entry in sorted(entries, key=lambda entry: (entry.delta_version, entry.at)):
        record = records.get(entry.slice, SliceRecord())
        records[entry.slice] = record._replace(**{entry.action.value: entry})
    return records


def problem(record: SliceRecord, found: Contents, files: Mapping[str, str]) -> str | None:
    """What is wrong with what the lake's files hold of a slice now, and what to do; None when they prove the manifest.

    `files` as in `ManifestEntry`. A file that the manifest does not name (compaction writes new ones) is proved by its
    rows alone; one that it names must not have changed by a byte, for readers trust statistics too, and no row shows
    that those are right.
    """
    if record.archived is None:
        return "no manifest entry says that it was archived; archive it first"
    said = record.archived.contents
    if not said.same_copies(found):
        return f"the lake's files differ from the manifest: {_differing(said, found)}"
    written = record.archived.files | (record.verified.files if record.verified else {})
    changed = sorted(name for name in files.keys() & written.keys() if files[name] != written[name])
    if changed:
        return f"the bytes of {', '.join(changed)} are not those that were written; restore the file from a backup"
    return None


def _differing(said: Contents, found: Contents) -> str:
    names = [name for name in Contents._fields if getattr(found, name) != getattr(said, name)]
    differing = ", ".join(f"{name} {getattr(found, name)} instead of {getattr(said, name)}" for name in names)
    advice = (
        "archive it again, so that the manifest says what the lake holds"
        if found.versions > said.versions
        else "restore the lake from a backup, or archive it again while the hot store holds its rows"
    )
    return f"{differing}; {advice}"
