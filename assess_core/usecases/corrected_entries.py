"""The scores of versions under the corrections in force: stored totals, or totals computed from the answers.

If retention dropped the answers, the totals stay as they were then: later decisions cannot change them. If the lake
keeps the scores, it says what they were then; the reports read the same numbers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from assess_core.domain.corrected_scores import CorrectedTotals, Covered, covered, with_totals
from assess_core.domain.correction_records import Corrections
from assess_core.domain.corrections import Totals
from assess_core.domain.scores import Entry, newest_versions
from assess_core.ports.corrected_totals import CorrectedTotalsTable
from assess_core.ports.hot_store import HotStore
from assess_core.usecases.stored_versions import StoredVersions

FindRows = Callable[[Sequence[Entry]], StoredVersions]
"""Finds the rows of versions."""


class FoundTotals(NamedTuple):
    """Corrected totals by content hash. A version that was not found, and not dropped either, is missing."""

    totals: dict[bytes, Totals]
    computed: list[CorrectedTotals]
    """Those that were not stored."""


def find_totals(table: CorrectedTotalsTable, wanted: Sequence[Covered], find: FindRows) -> FoundTotals:
    """The corrected totals of versions. `find` is asked only for versions whose totals are not stored.

    Raises `StoreUnavailable` and the errors of `find`.
    """
    found = FoundTotals({}, [])
    if not wanted:
        return found
    stored = table.of({one.entry.key.user_id for one in wanted})
    missing: list[Covered] = []
    for one in wanted:
        row = stored.get(one.content_hash)
        if row is not None and one.is_answered_by(row):
            found.totals[one.content_hash] = row.totals
        else:
            missing.append(one)
    rows, dropped, kept = find([one.entry for one in missing]) if missing else StoredVersions({})
    for one in missing:
        if one.content_hash in rows:
            computed = one.totals_of(rows[one.content_hash])
        elif one.content_hash in dropped:
            before = stored.get(one.content_hash)
            computed = one.totals_as_before(kept.get(one.content_hash, before.totals if before else None))
        else:
            continue
        found.computed.append(computed)
        found.totals[one.content_hash] = computed.totals
    return found


def corrected_entries(hot: HotStore, entries: list[Entry], corrections: Corrections, find: FindRows) -> list[Entry]:
    """The entries of a learner's map; those that count have the scores that count.

    Nothing is read if no correction covers them. `find` must find all rows that were not dropped. Raises
    `StoreUnavailable` and its errors.
    """
    if not corrections.entered:
        return entries
    wanted = covered(newest_versions(entries), corrections)
    if not wanted:
        return entries
    found = find_totals(hot.corrected_totals, wanted, find)
    return [with_totals(entry, found.totals) for entry in entries]
