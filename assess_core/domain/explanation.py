"""Why a score is what it is: which version of each attempt counts, by which rule, and which attempts make the score.

Pure functions of the entries of a learner's map.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from assess_core.domain.attempts import Version
from assess_core.domain.scores import Entry, Summary, SummaryKey, maps_of, summarise


class Rule(StrEnum):
    """The rule by which one version of an attempt comes before all others."""

    ONLY = "only_version"
    LATER = "later_clock"
    """It was attempted later (`assessmentTs`)."""
    ANSWERS = "has_answers"
    """It was attempted at the same time, and only it has answers."""
    HASH = "higher_content_hash"
    """Clock and answers decide nothing, so the higher content hash wins, whatever arrived first."""


class Judged(NamedTuple):
    """An accepted version, and why it counts or not."""

    entry: Entry
    superseded_by: bytes | None
    """The content hash of the version that counts instead; None if this one counts."""
    rule: Rule
    """Why the version that counts comes before this one; for that version itself, why it comes before the next."""

    @property
    def counts(self) -> bool:
        return self.superseded_by is None


class Judgement(NamedTuple):
    """The score of a learner at an assessment in a batch, and the versions behind it."""

    key: SummaryKey
    summary: Summary
    versions: tuple[Judged, ...]
    """By attempt id; of each attempt, the newest first."""
    best: str
    """The attempt with the best score; of several, the smallest attempt id."""
    as_good: tuple[str, ...]
    """Other attempts with the same score."""
    last: str
    """The attempt with the newest version."""


def why_newer(newer: Version, older: Version) -> Rule:
    """The rule that puts `newer` before `older`."""
    if newer.last_attempted_on != older.last_attempted_on:
        return Rule.LATER
    return Rule.ANSWERS if newer.has_answers != older.has_answers else Rule.HASH


def judge(entries: Iterable[Entry]) -> list[Judgement]:
    """A judgement for each score that these entries make, ordered by batch, then course."""
    entries = list(entries)
    by_key: dict[SummaryKey, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key, []).append(entry)
    order = sorted(by_key, key=lambda key: (key.assessment_id, key.batch_id, key.course_id))
    return [_judgement(key, by_key[key]) for key in order]


def _judgement(key: SummaryKey, entries: list[Entry]) -> Judgement:
    newest = maps_of(entries)[key].in_order()
    summary = summarise(key, newest, len(entries))
    best = [entry.attempt_id for entry in newest if entry.score == summary.best_score]
    versions = [judged for attempt in newest for judged in _attempt(attempt.attempt_id, entries)]
    last = max(newest, key=lambda entry: entry.version)
    return Judgement(key, summary, tuple(versions), best[0], tuple(best[1:]), last.attempt_id)


def _attempt(attempt_id: str, entries: list[Entry]) -> list[Judged]:
    of_attempt = (entry for entry in entries if entry.attempt_id == attempt_id)
    first, *others = sorted(of_attempt, key=lambda entry: entry.version, reverse=True)
    rule = why_newer(first.version, others[0].version) if others else Rule.ONLY
    winner = first.version
    return [
        Judged(first, None, rule),
        *(Judged(other, winner.content_hash, why_newer(winner, other.version)) for other in others),
    ]
