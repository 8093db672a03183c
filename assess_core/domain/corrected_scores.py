"""Scores under corrections: what the maps say, with the totals that count in place of the submitted ones.

Corrected totals need the attempt's answers, and the maps do not have them. So they are stored once they are computed.
They belong to a version and to the corrections that cover it, so a stored value is never wrong: under other corrections
it is not used.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from assess_core.domain.attempts import HASH_BYTES, AttemptVersion
from assess_core.domain.correction_records import Corrections, Decided
from assess_core.domain.corrections import Totals, corrected, marks_of
from assess_core.domain.scores import Attempts, Entry, Maps


class CorrectedTotals(NamedTuple):
    """The totals of a version under corrections, as they are stored."""

    user_id: str
    content_hash: bytes
    """Identifies the version."""
    corrections: bytes
    """Identifies the corrections, as `digest_of` returns it."""
    totals: Totals


class Covered(NamedTuple):
    """A version that counts, and the corrections in force that cover it."""

    entry: Entry
    corrections: Sequence[Decided]

    @property
    def content_hash(self) -> bytes:
        return self.entry.version.content_hash

    def totals_of(self, row: AttemptVersion) -> CorrectedTotals:
        """The totals of the version, from its row."""
        totals = corrected(row, marks_of(row), [one.correction for one in self.corrections])
        return CorrectedTotals(row.key.user_id, self.content_hash, digest_of(self.corrections), totals)

    def totals_as_before(self, before: Totals | None) -> CorrectedTotals:
        """The totals of a version whose answers are gone: those that it had before, or the submitted ones."""
        totals = before or Totals(self.entry.score, self.entry.max_score)
        return CorrectedTotals(self.entry.key.user_id, self.content_hash, digest_of(self.corrections), totals)

    def is_answered_by(self, stored: CorrectedTotals | None) -> bool:
        """Whether stored totals are those under these corrections."""
        return stored is not None and stored.corrections == digest_of(self.corrections)


def digest_of(corrections: Iterable[Decided]) -> bytes:
    """16 bytes that identify corrections of an assessment, in the order in which they apply."""
    ids = "\0".join(one.id for one in corrections)
    return hashlib.sha256(ids.encode()).digest()[:HASH_BYTES]


def covered(entries: Iterable[Entry], corrections: Corrections) -> list[Covered]:
    """The entries that corrections in force cover."""
    if not corrections.entered:
        return []
    found = (Covered(entry, corrections.covering(entry)) for entry in entries)
    return [one for one in found if one.corrections]


def newest_of(maps: Maps) -> Iterable[Entry]:
    """The versions that count."""
    return (entry for attempts in maps.values() for entry in attempts.newest.values())


def with_totals(entry: Entry, totals: Mapping[bytes, Totals]) -> Entry:
    """The entry with the totals that count, by content hash; as it is if there are none."""
    found = totals.get(entry.version.content_hash)
    return entry if found is None else entry._replace(score=found.score, max_score=found.max_score)


def corrected_maps(maps: Maps, corrections: Corrections, totals: Mapping[bytes, Totals]) -> Maps:
    """The maps with these totals. The given maps stay as they are."""
    if not corrections.entered:
        return maps
    return {
        key: Attempts(
            {id_: with_totals(entry, totals) for id_, entry in attempts.newest.items()},
            attempts.entries,
            corrections.decisions(key, attempts.entries),
        )
        for key, attempts in maps.items()
    }
