"""Seals: one line that commits to every entry of the archive manifest.

Each manifest entry becomes a leaf of a Merkle tree when it is sealed first, and keeps its place. So every later tree
begins with the leaves of every earlier one, and whatever is done to a slice later is visible as later leaves.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from assess_core.domain.counts import counted
from assess_core.domain.manifest import Action, ManifestEntry, entry_hash
from assess_core.domain.moments import iso, millis, moment
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import BadSeal

_FORMAT: Final = "assess-seal:1"
_LINE: Final = re.compile(r"(assess-seal:1:([0-9a-f]{16}):([0-9]{1,15}):(\d{8}T\d{6}Z):([0-9a-f]{64})):([0-9a-f]{8})\Z")
_MOST_CHARACTERS: Final = 200
_EXAMPLE: Final = f"{_FORMAT}:ORIGIN:SIZE:TIME:ROOT:CHECK"


class Leaf(NamedTuple):
    """A sealed entry of the manifest."""

    slice: ArchiveSlice
    number: int
    """The position in the slice's chain."""
    hash: str
    """The hash of the entry (64 hex digits). Its 32 bytes are the data of the leaf."""

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.hash)


class Seal(NamedTuple):
    """A published seal."""

    origin: str
    """The installation: 16 hex digits, drawn for its first seal."""
    size: int
    """The number of sealed entries."""
    at: int
    """When (epoch ms, whole seconds)."""
    root: str
    """The root of the Merkle tree (64 hex digits)."""

    def __str__(self) -> str:
        text = f"{_FORMAT}:{self.origin}:{self.size}:{moment(self.at):%Y%m%dT%H%M%SZ}:{self.root}"
        return f"{text}:{_check(text)}"


def parse_seal(text: str) -> Seal:
    """The inverse of `str`. Raises `BadSeal`, also if one character was changed."""
    line = text.strip()
    found = _LINE.match(line) if len(line) <= _MOST_CHARACTERS else None
    if found is None:
        raise BadSeal(f"{line[:_MOST_CHARACTERS]!r} is not a seal; copy the whole line, like {_EXAMPLE}")
    whole, origin, size, time, root, check = found.groups()
    if _check(whole) != check:
        raise BadSeal("a character of the seal was changed: its last 8 digits do not match; copy the line again")
    try:
        at = millis(datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    except ValueError:
        raise BadSeal(f"{time} is not a time; copy the line of the seal again") from None
    return Seal(origin, int(size), at, root)


def _check(text: str) -> str:
    """Finds a typing error. It is no protection against forgery: the root is."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Stored(NamedTuple):
    """A seal as the lake keeps it, with what the next seal needs."""

    seal: Seal
    peaks: tuple[bytes, ...]
    """The roots of the complete subtrees (`merkle.Tree.peaks`): the next seal reads only new leaves."""
    covered: tuple[str, ...]
    """The files of the manifest that were read: a file never changes, so the next seal reads only others."""


class Later(NamedTuple):
    """What was done after a seal. It is no change of what was sealed."""

    entries: int
    slices: int
    actions: Mapping[Action, int]


class Checked(NamedTuple):
    """The result of comparing a seal with the lake."""

    seal: Seal
    slices: int
    """The slices with sealed entries."""
    problems: tuple[str, ...]
    """What is not as it was, as sentences; empty if everything is."""
    later: Later


def changed_entry(leaf: Leaf, found: ManifestEntry | None) -> str | None:
    """How the manifest differs from a sealed entry, as a sentence; None if it does not."""
    what = f"{leaf.slice}: entry {leaf.number} of the manifest"
    if found is None:
        return f"{what} was sealed and is missing; restore archive_manifest from a backup"
    if found.hash != leaf.hash or entry_hash(found) != leaf.hash:
        return f"{what} is not the one that was sealed; restore archive_manifest from a backup"
    return None


def later_of(entries: Iterable[ManifestEntry], sealed: Mapping[ArchiveSlice, int]) -> Later:
    """The entries above the sealed number of their slice."""
    later = [entry for entry in entries if entry.number > sealed.get(entry.slice, 0)]
    return Later(len(later), len({entry.slice for entry in later}), Counter(entry.action for entry in later))


def together(parts: Sequence[Later]) -> Later:
    """The sum of parts with different slices."""
    actions: Counter[Action] = Counter()
    for part in parts:
        actions.update(part.actions)
    return Later(sum(part.entries for part in parts), sum(part.slices for part in parts), actions)


def sentence(later: Later, at: int) -> str:
    """What was done after a seal, as a sentence."""
    if not later.entries:
        return f"nothing was recorded since {iso(at)}"
    done = ", ".join(f"{action} {later.actions[action]}" for action in Action if later.actions.get(action))
    return (
        f"later, and not part of this seal: {counted(later.entries, 'entry', 'entries')} of "
        f"{counted(later.slices, 'slice')} ({done})"
    )
