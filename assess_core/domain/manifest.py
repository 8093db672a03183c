"""The archive manifest: what was written to the lake, verified there, and cleared from the hot store.

Entries are only appended. Each contains the hash of the slice's previous entry, so a changed, removed or inserted
entry breaks the chain. A slice's state is computed from its entries and is never stored.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.slices import ArchiveSlice


class Action(StrEnum):
    """What was done to a slice."""

    ARCHIVED = "archived"
    VERIFIED = "verified"
    FAILED = "failed"
    """A verification found files that differ from the manifest."""
    CLEARING = "clearing"
    """A clear begins. This is written before the first row is deleted, so that a killed clear is visible."""
    CLEARED = "cleared"
    RESTORED = "restored"
    """A restore begins: rows of the lake come back into the hot store. The next clear deletes them again."""
    DROPPED = "dropped"
    """Retention drops the slice's rows from the lake. This is written before they leave it; `contents` is what goes."""
    KEPT = "kept"
    """The lake keeps scores of a slice without answers. `contents` is what the table `scores` has of it from now on.

    Without rows: retention deletes these scores. This is written before they leave; `cleared` is their number."""
    ERASED = "erased"
    """Rows of learners leave the lake, because a person ordered to erase them. `contents` is what stays.

    This is written before the files are replaced, so that a killed erasure is visible."""


class Contents(NamedTuple):
    """Contents of a slice, measured from the lake's files."""

    rows: int
    """The number of rows. A copy that was written twice counts twice."""
    versions: int
    attempts: int
    total_score: float
    """Sum of `total_score` over the distinct copies, added in the order of their hashes. For information only.

    0 if the sum is infinite.
    """
    digest: str
    """Sum of SHA-256 over the distinct copies, modulo a prime: 64 hex digits. It does not depend on their order."""

    def same_copies(self, other: "Contents") -> bool:
        """Whether both have the same copies, by counts and digest, which are exact.

        How often a copy was written does not matter. `total_score` is not compared: a sum of floats can differ in its
        last bit between two releases of DuckDB, and the digest covers the scores through the content hashes.
        """
        return (self.versions, self.attempts, self.digest) == (other.versions, other.attempts, other.digest)

    def same_rows(self, other: "Contents") -> bool:
        """Whether both have the same copies, and the same number of rows."""
        return self.rows == other.rows and self.same_copies(other)


NOTHING: Final = Contents(0, 0, 0, 0.0, "0" * 64)
"""Contents of a slice without rows in the lake."""

_PRIME: Final = 2**256 - 189


def without(whole: Contents, part: Contents) -> Contents:
    """The contents of a slice without a part of its copies. `rows` and `total_score` are only differences."""
    digest = (int(whole.digest, 16) - int(part.digest, 16)) % _PRIME
    return Contents(
        whole.rows - part.rows,
        whole.versions - part.versions,
        whole.attempts - part.attempts,
        whole.total_score - part.total_score,
        f"{digest:064x}",
    )


def digest_of(limbs: Iterable[int]) -> str:
    """The digest of the distinct copies, from the sums of their four 64-bit limbs, the highest limb first."""
    total = 0
    for limb in limbs:
        total = (total << 64) + limb
    return f"{total % _PRIME:064x}"


class ManifestEntry(msgspec.Struct, frozen=True):
    """One action on one slice."""

    slice: ArchiveSlice
    action: Action
    delta_version: int
    """The version of the lake's `attempts` from which `contents` was read.

    Of an erased entry: the first version that can have these contents."""
    contents: Contents
    at: int
    """When (epoch ms)."""
    code: str
    """The version of this project."""
    cleared: int = 0
    """Rows deleted: from the hot store (cleared entries), or from the lake (erased entries)."""
    left: int = 0
    """Rows that stayed in the hot store because they are not in the lake. The slice must be archived again."""
    files: dict[str, str] = {}
    """The files that contain rows of the slice: name and SHA-256 of the bytes (64 hex digits)."""
    problem: str | None = None
    """What a failed verification found, as a sentence."""
    number: int = 0
    """Position in the slice's chain, from 1; 0 if the entry is not linked yet."""
    previous: str = ""
    """The hash of the slice's previous entry; `UNCHAINED.hash` for the first."""
    hash: str = ""
    """SHA-256 over `entry_text` (64 hex digits)."""


class Link(NamedTuple):
    """The last entry of a slice's chain. The next entry is linked to it."""

    number: int
    hash: str


UNCHAINED: Final = Link(0, "0" * 64)
"""The link of a chain's first entry."""


def entry_text(entry: ManifestEntry) -> str:
    """The text that is hashed: a JSON array without spaces, files sorted by name (docs/trust.md).

    `total_score` is written as the 16 hex digits of its IEEE 754 double, because languages format floats differently.
    """
    contents = (*entry.contents[:3], struct.pack(">d", entry.contents.total_score).hex(), entry.contents.digest)
    values = (
        *(entry.previous, entry.number, entry.slice.batch_id, str(entry.slice.week), entry.action.value),
        *(entry.delta_version, *contents, entry.at, entry.code, entry.cleared, entry.left, entry.problem),
        dict(sorted(entry.files.items())),
    )
    return msgspec.json.encode(values).decode()


def entry_hash(entry: ManifestEntry) -> str:
    """SHA-256 over `entry_text`."""
    return hashlib.sha256(entry_text(entry).encode()).hexdigest()


def chained(entries: Iterable[ManifestEntry], ends: Mapping[ArchiveSlice, Link]) -> list[ManifestEntry]:
    """Link each entry, in this order, to the previous entry of its slice. `ends`: the last entry of each chain."""
    links = dict(ends)
    linked = []
    for entry in entries:
        number, previous = links.get(entry.slice, UNCHAINED)
        numbered = msgspec.structs.replace(entry, number=number + 1, previous=previous)
        linked.append(msgspec.structs.replace(numbered, hash=entry_hash(numbered)))
        links[entry.slice] = Link(number + 1, linked[-1].hash)
    return linked


def broken(entries: Iterable[ManifestEntry]) -> dict[ArchiveSlice, str]:
    """The slices with a broken chain, each with a sentence about it."""
    ends: dict[ArchiveSlice, Link] = {}
    problems: dict[ArchiveSlice, str] = {}
    for entry in sorted(entries, key=lambda entry: (entry.slice, entry.number)):
        number, previous = ends.get(entry.slice, UNCHAINED)
        if entry.slice in problems:
            continue
        if (entry.number, entry.previous, entry.hash) != (number + 1, previous, entry_hash(entry)):
            problems[entry.slice] = (
                f"the manifest was changed: entry {entry.number} does not follow entry {number}; "
                "restore archive_manifest from a backup"
            )
        ends[entry.slice] = Link(entry.number, entry.hash)
    return problems


class SliceRecord(NamedTuple):
    """The newest entry of each kind for a slice."""

    archived: ManifestEntry | None = None
    """The newest entry that says what the lake holds: an archived or an erased one."""
    verified: ManifestEntry | None = None
    failed: ManifestEntry | None = None
    clearing: ManifestEntry | None = None
    cleared: ManifestEntry | None = None
    restored: ManifestEntry | None = None
    dropped: ManifestEntry | None = None
    kept: ManifestEntry | None = None
    kept_before: ManifestEntry | None = None
    """The entry *kept* before the newest one: a process that was killed may not have made the newest one true."""
    erased: ManifestEntry | None = None

    @property
    def is_dropped(self) -> bool:
        """Whether retention dropped the newest archive."""
        return _number(self.dropped) > _number(self.archived)

    @property
    def kept_scores(self) -> Contents:
        """What the table `scores` has of the slice."""
        return self.kept.contents if self.kept else NOTHING

    @property
    def is_restored(self) -> bool:
        """Whether a restore is newer than the newest clear."""
        return _number(self.restored) > max(_number(self.clearing), _number(self.cleared))

    @property
    def is_verified(self) -> bool:
        """Whether the newest archive was verified at its Delta version or a later one, and the newest check passed."""
        return (
            self.archived is not None
            and self.verified is not None
            and self.verified.delta_version >= self.archived.delta_version
            and not self.has_failed
        )

    @property
    def has_failed(self) -> bool:
        """Whether the newest verification failed."""
        return self.failed is not None and _number(self.failed) > _number(self.verified)

    @property
    def failure(self) -> str | None:
        """What the newest verification found; None if it did not fail."""
        return self.failed.problem if self.failed and self.has_failed else None

    @property
    def is_clearing(self) -> bool:
        """Whether the newest entry is the start of a clear, which is running or was killed."""
        others = (self.archived, self.verified, self.failed, self.cleared, self.restored)
        return self.clearing is not None and all(_number(self.clearing) > _number(entry) for entry in others)


def _number(entry: ManifestEntry | None) -> int:
    return entry.number if entry else 0


def by_slice(entries: Iterable[ManifestEntry]) -> dict[ArchiveSlice, SliceRecord]:
    """The newest entry of each kind per slice: the highest Delta version, then the highest number."""
    records: dict[ArchiveSlice, SliceRecord] = {}
    for entry in sorted(entries, key=lambda entry: (entry.delta_version, entry.number)):
        record = records.get(entry.slice, SliceRecord())
        changed = {entry.action.value: entry}
        if entry.action is Action.ERASED:
            changed["archived"] = entry
        if entry.action is Action.KEPT and record.kept:
            changed["kept_before"] = record.kept
        records[entry.slice] = record._replace(**changed)
    return records


def why_unverified(record: SliceRecord | None) -> str:
    """Why a slice is not verified, and what to do."""
    if record is None or record.archived is None:
        return "it was not archived; archive and verify it first"
    if record.has_failed:
        return f"its last verification failed; repair the files and verify it again ({record.failure})"
    return "its last archive is not verified; verify it first"


def problem(record: SliceRecord, found: Contents, files: Mapping[str, str]) -> str | None:
    """How the lake's files differ from the manifest, and what to do; None if they agree.

    `files` as in `ManifestEntry`. A file that the manifest does not name, such as a compacted one, is checked by its
    rows alone. A file that the manifest names must also have the same bytes, because readers use the statistics in the
    file, and the rows cannot prove those.
    """
    if record.archived is None:
        return "it was never archived; archive it first"
    if record.is_dropped and found == NOTHING:
        return None
    recorded = record.archived.contents
    changed = altered(record, files)
    if record.archived is record.erased and found.versions > recorded.versions:
        return (
            f"{changed}rows of erased learners are in the lake: an erasure was killed, or the lake was restored from "
            "an older backup; run `assess erase` again for them"
        )
    if not recorded.same_copies(found):
        differing = f"{_differing(recorded, found)}; {_advice(recorded, found)}"
        return f"{changed}the lake's files differ from the manifest: {differing}"
    return f"{changed}restore the file from a backup" if changed else None


def kept_problem(record: SliceRecord, found: Contents, *, has_rows: bool) -> str | None:
    """How the kept scores of a slice differ from the manifest, and what to do; None if they agree.

    `has_rows`: whether `attempts` has rows of the slice. Then a drop may have been killed; the next one completes it.
    """
    recorded, before = record.kept_scores, record.kept_before.contents if record.kept_before else NOTHING
    if recorded.same_rows(found):
        return None
    if found.same_rows(before):
        if has_rows or recorded == NOTHING:
            return None
        if found.rows > recorded.rows:
            return "scores of erased learners are in the lake: an erasure was killed; run `assess erase` again for them"
    return f"the kept scores differ from the manifest: {_differing(recorded, found)}; restore the lake from a backup"


def may_follow(record: SliceRecord, found: Contents) -> bool:
    """Whether kept scores are as an entry *kept* says: the newest one, or, after a kill, the one before it."""
    before = record.kept_before.contents if record.kept_before else NOTHING
    return record.kept_scores.same_rows(found) or before.same_rows(found)


def altered(record: SliceRecord, files: Mapping[str, str]) -> str:
    """The files whose bytes differ from the manifest, as the beginning of a sentence; empty if there are none."""
    written = {
        name: digest for entry in (record.archived, record.verified) if entry for name, digest in entry.files.items()
    }
    names = sorted(name for name in files.keys() & written.keys() if files[name] != written[name])
    return f"the bytes of {', '.join(names)} have changed since they were written; " if names else ""


def _differing(recorded: Contents, found: Contents) -> str:
    names = [name for name in Contents._fields if getattr(found, name) != getattr(recorded, name)]
    return ", ".join(f"{name} {getattr(found, name)} instead of {getattr(recorded, name)}" for name in names)


def _advice(recorded: Contents, found: Contents) -> str:
    return (
        "archive it again to record in the manifest what the lake contains"
        if found.rows > recorded.rows and found.versions >= recorded.versions
        else "restore the lake from a backup, or archive it again while its rows are in the hot store"
    )
