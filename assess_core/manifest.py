"""The archive manifest: what was written to the lake, verified there, and cleared from the hot store.

Entries are only ever appended. What is *known* of a slice is computed from them, never stored.
"""

from collections.abc import Iterable
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
    """Sum of `total_score` over the distinct copies, added in the order of their hashes: the same each time."""
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
