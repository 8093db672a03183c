"""Scores of a learner: pure functions of the set of versions in the maps of the learner's summaries.

The map (`attempts` of `assessment_aggregator_v2`) is the only input. Scores never depend on a receipt, on the order of
arrival, or on whether the attempt rows are still in the hot store.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from math import isfinite
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec

from assess_core.domain.attempts import AttemptKey, AttemptVersion, RowKey, Version, total
from assess_core.domain.moments import DAY, MINUTE, moment
from assess_core.domain.slices import ArchiveSlice


class SummaryKey(NamedTuple):
    """A learner at an assessment: the primary key of `assessment_aggregator_v2`."""

    user_id: str
    assessment_id: str
    course_id: str
    batch_id: str

    @property
    def activity(self) -> "ActivityKey":
        """The activity that contains the summary."""
        return ActivityKey(self.user_id, self.course_id, self.batch_id)


class ActivityKey(NamedTuple):
    """A learner in a batch of a course: the primary key of `user_activity_agg` without its constant part."""

    user_id: str
    course_id: str
    batch_id: str

    @property
    def activity_type(self) -> str:
        return "Course"

    @property
    def context_id(self) -> str:
        return f"cb:{self.batch_id}"


class Entry(NamedTuple):
    """One entry of a summary's map: an accepted version, its scores and its receipt."""

    key: SummaryKey
    attempt_id: str
    version: Version
    score: float
    max_score: float
    received_at: int

    @classmethod
    def of(cls, row: AttemptVersion) -> "Entry":
        """The entry that names a row."""
        key = row.key
        summary = SummaryKey(key.user_id, key.content_id, key.course_id, key.batch_id)
        return cls(summary, key.attempt_id, row.version, row.total_score, row.total_max_score, row.received_at)

    @property
    def row_key(self) -> RowKey:
        """The key of the entry's row."""
        user_id, assessment_id, course_id, batch_id = self.key
        key = AttemptKey(user_id, course_id, batch_id, assessment_id, self.attempt_id)
        return RowKey(ArchiveSlice.of(batch_id, self.received_at), key, self.version, self.received_at)


class Summary(msgspec.Struct, frozen=True):
    """Scores of a learner at an assessment in a batch, in the columns that Sunbird's readers expect."""

    key: SummaryKey
    last_attempted_score: float
    total_max_score: float
    """The maximum score of the best attempt."""
    best_score: float
    min_score: float
    average_score: float
    attempts_count: int
    updated_on: int
    """`assessmentTs` of the newest version (epoch ms), never a receipt."""
    versions: int
    """How much it was computed from: the number of versions, and of decisions about them (corrections and reverts).

    Both only grow, and a row that was computed from less never replaces one from more.
    """


class Activity(msgspec.Struct, frozen=True):
    """A row of `user_activity_agg`: best score, its maximum and the number of attempts, per content."""

    key: ActivityKey
    aggregates: dict[str, float]
    agg_details: list[str]
    """One JSON text per attempt, ordered by content, then attempt id."""
    agg_last_updated: dict[str, int]
    """For each key of `aggregates`: `assessmentTs` of the content's newest version (epoch ms)."""
    versions: int


class Attempts(msgspec.Struct):
    """The attempts in a summary's map."""

    newest: dict[str, Entry]
    """The newest version of each attempt, by attempt id, with the score that counts."""
    entries: list[Entry]
    """All versions."""
    decisions: int = 0
    """The number of decisions about these versions that the scores follow."""

    @property
    def versions(self) -> int:
        """The number of all versions."""
        return len(self.entries)

    def add(self, entry: Entry) -> None:
        """Add a version that is not in the map yet."""
        self.entries.append(entry)
        kept = self.newest.get(entry.attempt_id)
        if kept is None or entry.version > kept.version:
            self.newest[entry.attempt_id] = entry

    def copy(self) -> "Attempts":
        return Attempts(self.newest.copy(), self.entries.copy())

    def in_order(self) -> list[Entry]:
        """The newest versions, ordered by attempt id."""
        return [self.newest[attempt_id] for attempt_id in sorted(self.newest)]


Maps = dict[SummaryKey, Attempts]


def maps_of(entries: Iterable[Entry]) -> Maps:
    """The attempts of each summary."""
    maps: Maps = {}
    for entry in entries:
        attempts = maps.get(entry.key)
        if attempts is None:
            attempts = maps[entry.key] = Attempts({}, [])
        attempts.add(entry)
    return maps


def newest_versions(entries: Iterable[Entry]) -> list[Entry]:
    """The newest version of each attempt, ordered by course, batch, assessment, attempt id."""
    maps = maps_of(entries)
    return [entry for key in sorted(maps, key=_course_order) for entry in maps[key].in_order()]


def _course_order(key: SummaryKey) -> tuple[str, str, str]:
    return key.course_id, key.batch_id, key.assessment_id


_score_of = attrgetter("score")
_version_of = attrgetter("version")


def summarise(key: SummaryKey, attempts: list[Entry], versions: int) -> Summary:
    """Best, last, lowest and average score.

    `attempts`: the newest version of each attempt of this key, ordered by attempt id, at least one. `versions`: as in
    `Summary`. Best is the highest score; on a tie, the smallest attempt id. Last is the score
    of the highest version.
    """
    best = max(attempts, key=_score_of)  # of equals, max returns the first
    last = max(attempts, key=_version_of)
    scores = [attempt.score for attempt in attempts]
    return Summary(
        key=key,
        last_attempted_score=last.score,
        total_max_score=best.max_score,
        best_score=best.score,
        min_score=min(scores),
        average_score=_mean(scores),
        attempts_count=len(scores),
        updated_on=last.version.last_attempted_on,
        versions=versions,
    )


def _mean(scores: list[float]) -> float:
    mean = total(scores) / len(scores)
    # the sum of finite scores can be infinite: two scores of 1e308 still have a mean
    return mean if isfinite(mean) else total(score / len(scores) for score in scores)


class Derived(NamedTuple):
    """Derived data."""

    summaries: dict[SummaryKey, Summary]
    activities: dict[ActivityKey, Activity]


def derive(entries: Iterable[Entry]) -> Derived:
    """Derive a learner's rows of `assessment_aggregator_v2` and `user_activity_agg` from all entries of the maps."""
    return derive_from(maps_of(entries))


def derive_from(maps: Maps) -> Derived:
    """Derive from maps. All maps of an activity's learner, course and batch must be among them."""
    attempts = _in_order(maps)
    summaries = _summaries(maps, attempts)
    contents: dict[ActivityKey, list[SummaryKey]] = {}
    for key in attempts:
        contents.setdefault(key.activity, []).append(key)
    activities = {key: _activity(key, found, summaries, attempts) for key, found in contents.items()}
    return Derived(summaries, activities)


def summaries_of(entries: Iterable[Entry]) -> dict[SummaryKey, Summary]:
    """The summaries alone, as in `derive`."""
    maps = maps_of(entries)
    return _summaries(maps, _in_order(maps))


def _in_order(maps: Maps) -> dict[SummaryKey, list[Entry]]:
    return {key: maps[key].in_order() for key in sorted(maps, key=_course_order)}


def _summaries(maps: Maps, attempts: Mapping[SummaryKey, list[Entry]]) -> dict[SummaryKey, Summary]:
    return {key: summarise(key, found, maps[key].versions + maps[key].decisions) for key, found in attempts.items()}


def _activity(
    key: ActivityKey,
    contents: list[SummaryKey],
    summaries: Mapping[SummaryKey, Summary],
    attempts: Mapping[SummaryKey, list[Entry]],
) -> Activity:
    aggregates: dict[str, float] = {}
    updated: dict[str, int] = {}
    for content in contents:
        summary, id_ = summaries[content], content.assessment_id
        values = (
            (f"score:{id_}", summary.best_score),
            (f"max_score:{id_}", summary.total_max_score),
            (f"attempts_count:{id_}", float(summary.attempts_count)),
        )
        for name, value in values:
            aggregates[name], updated[name] = value, summary.updated_on
    details = [_detail(attempt) for content in contents for attempt in attempts[content]]
    versions = sum(summaries[content].versions for content in contents)
    return Activity(key, aggregates, details, updated, versions)


_DAY_MINUTES: Final = DAY // MINUTE
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _Detail(msgspec.Struct):
    attempt_id: str
    last_attempted_on: str
    score: float
    content_id: str
    max_score: float
    type: str = "attempt_metrics"


_encode = msgspec.json.Encoder().encode


def _detail(attempt: Entry) -> str:
    """Sunbird's text for an attempt. Its time is `MMM dd, yyyy, h:mm:ss a` in UTC, whatever the locale."""
    minute, ms = divmod(attempt.version.last_attempted_on, MINUTE)
    day, minute = divmod(minute, _DAY_MINUTES)
    hour_and_minute, half = _time(minute)
    time = f"{_date(day)}, {hour_and_minute}:{ms // 1000:02d} {half}"
    detail = _Detail(attempt.attempt_id, time, attempt.score, attempt.key.assessment_id, attempt.max_score)
    return _encode(detail).decode()


@cache  # 1,440 minutes
def _time(minute: int) -> tuple[str, str]:
    hours, minutes = divmod(minute, 60)
    return f"{hours % 12 or 12}:{minutes:02d}", "AM" if hours < 12 else "PM"


@cache  # at most 36,525 days from 2000 to 2100; strftime took half of the CPU time of a fold
def _date(day: int) -> str:
    at = moment(day * DAY)
    return f"{_MONTHS[at.month - 1]} {at.day:02d}, {at.year:04d}"
