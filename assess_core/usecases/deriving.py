"""Derived data: the columns of scores, and the activities, as the maps and the corrections in force say."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrected_scores import corrected_maps, covered, newest_of
from assess_core.domain.correction_records import Corrections
from assess_core.domain.scores import Activity, ActivityKey, Derived, Entry, Maps, Summary, derive_from
from assess_core.ports.hot_store import HotStore, Learner
from assess_core.usecases.corrected_entries import FindRows, find_totals
from assess_core.usecases.stored_versions import StoredVersions


def derive_corrected(
    hot: HotStore, touched: Collection[ActivityKey], maps: Maps, corrections: Corrections, find: FindRows
) -> Derived:
    """Derive activities and their summaries under corrections. Totals that were not stored are stored now.

    `maps` has all maps of these activities, and `corrections` those of their assessments. If `find` does not find the
    answers of a version that counts and is covered, its activity is left out. Raises `StoreUnavailable`.
    """
    maps = {key: attempts for key, attempts in maps.items() if key.activity in touched}
    wanted = covered(newest_of(maps), corrections)
    found = find_totals(hot.corrected_totals, wanted, find)
    if found.computed:
        hot.corrected_totals.put(found.computed)
    unknown = {one.entry.key.activity for one in wanted if one.content_hash not in found.totals}
    known = {key: attempts for key, attempts in maps.items() if key.activity not in unknown}
    return derive_from(corrected_maps(known, corrections, found.totals))


def rows_in(hot: HotStore, rows: Iterable[AttemptVersion]) -> FindRows:
    """Finds rows by content hash, first among these, then in the hot store. Rows without answers are ignored."""

    def find(entries: Sequence[Entry]) -> StoredVersions:
        found = {row.version.content_hash: row for row in rows if row.question}
        others = [entry.row_key for entry in entries if entry.version.content_hash not in found]
        return StoredVersions(found | {row.version.content_hash: row for row in hot.get(others)} if others else found)

    return find


def assessments_of(touched: Collection[ActivityKey], maps: Maps) -> set[str]:
    """The assessments of activities."""
    return {key.assessment_id for key in maps if key.activity in touched}


def those_that_differ(summaries: Iterable[Summary], learners: Mapping[str, Learner]) -> list[Summary]:
    """The summaries that differ from the stored ones, also of repeats: a replay completes them after a crash."""
    stored = {key: summary for learner in learners.values() for key, summary in learner.summaries.items()}
    return [summary for summary in summaries if stored.get(summary.key) != summary]


def write_activities(hot: HotStore, activities: Mapping[ActivityKey, Activity], grown: Collection[ActivityKey]) -> None:
    """Write activities that differ from the stored ones.

    `grown`: activities that got a version. Their stored rows have fewer versions, so they always differ and are not
    read.
    """
    asked = activities.keys() - set(grown)
    known = hot.activities(asked) if asked else {}
    changed = [activity for key, activity in activities.items() if known.get(key) != activity]
    if changed:
        hot.put_activities(changed)
