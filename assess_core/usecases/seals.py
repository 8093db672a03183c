"""Use cases: seal the manifest, check a seal, and prove to an outsider what a seal contains.

A seal appends the new manifest entries to a list that only grows, then stores the root of the Merkle tree over that
list. If it is killed in between, the next one finds the entries in the list and seals them.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from assess_core.domain.counts import counted
from assess_core.domain.manifest import ManifestEntry, broken, entry_text
from assess_core.domain.merkle import Tree, consistency_ranges, hexes, inclusion_ranges, root_by_inclusion, roots
from assess_core.domain.seals import Checked, Later, Leaf, Seal, Stored, changed_entry, later_of, together
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import SealBroken, UnknownSeal
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.lake import Lake
from assess_core.ports.seals import Seals
from assess_core.retrying import retrying
from assess_core.usecases.archiving import Advance, no_progress
from assess_core.usecases.proving import DEADLINE, FIRST_WAIT, by_week, is_conflict

_SECOND: Final = 1000
_NAMED: Final = 20
"""The largest number of problems that a check reports."""

_DIFFERENT: Final = (
    "the seal and the table sealed_entries do not match: one of them was changed; `assess seal --check` says more"
)


class Inclusion(NamedTuple):
    """The proof that a seal contains the newest sealed entry of a slice."""

    seal: Seal
    leaf: Leaf
    position: int
    """The number of the leaf, from 0."""
    text: str
    """The text of the entry. The data of the leaf is its SHA-256."""
    path: tuple[str, ...]
    """The roots of the other subtrees, the lowest first (hex)."""

    def as_json(self) -> dict[str, object]:
        """The proof as docs/seal.md describes it."""
        return {
            "proof": "inclusion",
            "seal": str(self.seal),
            "slice": str(self.leaf.slice),
            "entry": self.text,
            "position": self.position,
            "path": list(self.path),
        }


class Consistency(NamedTuple):
    """The proof that a later seal contains everything that an earlier one contains, unchanged."""

    old: Seal
    new: Seal
    path: tuple[str, ...]
    """As in RFC 6962, 2.1.2 (hex)."""

    def as_json(self) -> dict[str, object]:
        """The proof as docs/seal.md describes it."""
        return {"proof": "consistency", "old": str(self.old), "new": str(self.new), "path": list(self.path)}


def seal(lake: Lake, now: int) -> Seal:
    """Seal what was recorded since the last seal; without new entries, return the last seal.

    The cost grows with the new entries. Can be repeated, killed at any moment, and run twice at once. Raises
    `UnknownSeal` if nothing was archived yet, `StoreUnavailable`, `LakeConflict`.
    """
    return retrying(is_conflict, deadline_seconds=DEADLINE, first_wait=FIRST_WAIT)(_seal, lake.seals, now)


def _seal(seals: Seals, now: int) -> Seal:
    last = next(reversed(seals.all()), None)
    size, covered = seals.grow(last.covered if last else ())
    if last is not None and last.seal.size == size:
        return last.seal
    if not size:
        raise UnknownSeal("nothing was archived yet, so there is nothing to seal; run `assess archive` first")
    tree = Tree(last.seal.size, last.peaks) if last else Tree()
    for data in seals.data(tree.size, size):
        tree.add(data)
    if tree.size != size:
        raise SealBroken("rows of the table sealed_entries are missing; restore it from a backup")
    origin = last.seal.origin if last else secrets.token_hex(8)
    new = Seal(origin, size, now // _SECOND * _SECOND, tree.root().hex())
    seals.add(Stored(new, tree.peaks, covered))
    return new


def newest(lake: Lake) -> Seal:
    """The newest seal. Raises `UnknownSeal`."""
    stored = lake.seals.all()
    if not stored:
        raise UnknownSeal("there is no seal yet; run `assess seal` first")
    return stored[-1].seal


def check(lake: Lake, seal_: Seal, advance: Advance = no_progress) -> Checked:
    """Whether everything that was sealed is still as it was. Raises `UnknownSeal` for another installation's seal.

    Reads the sealed leaves and the whole manifest, week by week. `advance` gets the number of weeks.
    """
    problems = list(_wrong_seal(lake, seal_))
    tree = Tree()
    for data in lake.seals.data(0, seal_.size):
        tree.add(data)
    if tree.size < seal_.size:
        problems.append(
            f"only {tree.size:,} of {seal_.size:,} sealed entries are left in the table sealed_entries; "
            "restore it from a backup that is newer than the seal"
        )
    elif tree.root().hex() != seal_.root:
        problems.append("the table sealed_entries is not as it was sealed; restore it from a backup")
    later, slices = list[Later](), 0
    recorded = {group[0].week: group for group in by_week(lake.recorded(None, None))}
    for week in sorted({*lake.seals.weeks(), *recorded}):
        checkpoint()
        leaves = lake.seals.of_week(week, seal_.size)
        entries = lake.manifest({*recorded.get(week, ()), *(leaf.slice for leaf in leaves)})
        numbers: dict[ArchiveSlice, int] = {}
        for leaf in leaves:
            numbers[leaf.slice] = max(leaf.number, numbers.get(leaf.slice, 0))
        problems += _differences(leaves, entries)
        later.append(later_of(entries, numbers))
        slices += len(numbers)
        advance()
    if len(problems) > _NAMED:
        problems[_NAMED:] = [f"and {len(problems) - _NAMED} more"]
    return Checked(seal_, slices, tuple(problems), together(later))


def _wrong_seal(lake: Lake, seal_: Seal) -> Iterator[str]:
    """What is wrong with a seal itself. Raises `UnknownSeal` if it is not of this installation."""
    stored = _of_here(lake, seal_)
    same = next((each for each in stored if each.size == seal_.size), None)
    if same is not None and same.root == seal_.root and same.at != seal_.at:
        yield f"the time of the seal was changed; the seal over {counted(same.size, 'entry', 'entries')} is {same}"


def _of_here(lake: Lake, *given: Seal) -> list[Seal]:
    """The seals of this installation. Raises `UnknownSeal` if a given one is of another."""
    stored = [each.seal for each in lake.seals.all()]
    if not stored:
        raise UnknownSeal("this lake has no seals; check the setting ASSESS_LAKE, or restore the table seals")
    if other := next((seal_.origin for seal_ in given if seal_.origin != stored[0].origin), None):
        raise UnknownSeal(
            f"this is a seal of installation {other}, and the lake is of installation {stored[0].origin}; "
            "check the setting ASSESS_LAKE"
        )
    return stored


def _differences(leaves: Iterable[Leaf], entries: Sequence[ManifestEntry]) -> Iterator[str]:
    found = {(entry.slice, entry.number): entry for entry in entries}
    named: set[ArchiveSlice] = set()
    for leaf in leaves:
        problem = changed_entry(leaf, found.get((leaf.slice, leaf.number)))
        if problem is not None and leaf.slice not in named:  # the first one says enough
            named.add(leaf.slice)
            yield problem
    for slice_, problem in sorted(broken(entries).items()):
        if slice_ not in named:
            yield f"{slice_}: {problem}"


def prove(lake: Lake, slice_: ArchiveSlice, seal_: Seal) -> Inclusion:
    """The proof that a seal contains the newest entry of a slice that it covers. Raises `UnknownSeal`, `SealBroken`.

    Reads all sealed leaves once.
    """
    _of_here(lake, seal_)
    found = lake.seals.newest_of(slice_, seal_.size)
    if found is None:
        raise UnknownSeal(
            f"the seal does not contain {slice_}: it was archived later, or never; `assess slices` lists all "
            "slices, and `assess seal` makes a new seal"
        )
    position, leaf = found
    entry = next((entry for entry in lake.manifest([slice_]) if entry.number == leaf.number), None)
    if (problem := changed_entry(leaf, entry)) or entry is None:
        raise SealBroken(problem or "")
    ranges = inclusion_ranges(position, seal_.size)
    computed = roots(lake.seals.data(0, seal_.size), ranges)
    path = [computed[range_] for range_ in ranges if range_ in computed]
    root = root_by_inclusion(position, seal_.size, leaf.data, path)
    if root is None or root.hex() != seal_.root:
        raise SealBroken(_DIFFERENT)
    return Inclusion(seal_, leaf, position, entry_text(entry), tuple(hexes(path)))


def prove_consistency(lake: Lake, old: Seal, new: Seal) -> Consistency:
    """The proof that a later seal only appended to an earlier one. Raises `UnknownSeal`, `SealBroken`."""
    _of_here(lake, old, new)
    if old.size > new.size:
        raise UnknownSeal("the first seal contains more entries than the second one; name the older seal first")
    tree, seen = Tree(), dict[int, str]()

    def watched() -> Iterator[bytes]:
        for data in lake.seals.data(0, new.size):
            tree.add(data)
            if tree.size in (old.size, new.size):
                seen[tree.size] = tree.root().hex()
            yield data

    ranges, leaves = consistency_ranges(old.size, new.size), watched()
    computed = roots(leaves, ranges)
    for _ in leaves:  # to the end, for the root
        pass
    if any(seen.get(each.size) != each.root for each in (old, new)):
        raise SealBroken(_DIFFERENT)
    return Consistency(old, new, tuple(hexes(computed[range_] for range_ in ranges)))
