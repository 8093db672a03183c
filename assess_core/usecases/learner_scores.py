"""The scores of a learner: computed from the map in the hot store, which archive and clear never change."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from assess_core.domain.json_text import is_unicode
from assess_core.domain.scores import Entry, newest_versions, summaries_of
from assess_core.usecases.views import AttemptScore, Score, Scores


class WouldWait(Exception):
    """A question asked for something that cannot be answered at once."""


def valid_ids(user_ids: Collection[str]) -> set[str]:
    """The ids that a store can look up; questions about the others are refused."""
    return {id_ for id_ in user_ids if id_ and is_unicode(id_)}


class Maps(Protocol):
    """What scores are read from: the hot store, or what a request has read of it."""

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        """All entries of these learners' maps; learners without any are left out."""
        ...


class SharedMaps:
    """The learners of one request: the first question reads all of them, and later questions read nothing."""

    def __init__(self, hot: Maps, user_ids: Collection[str]) -> None:
        self._hot = hot
        self._wanted = valid_ids(user_ids)
        self._read: dict[str, list[Entry]] = {}
        self._is_read = False

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        """As in `HotStore`. Learners that nobody announced are read on their own."""
        if not self._is_read and not self._wanted.isdisjoint(user_ids):
            self._read, self._is_read = self._hot.entries(self._wanted), True
        others = set(user_ids) - self._wanted
        found = {id_: self._read[id_] for id_ in user_ids if id_ in self._read}
        return found | self._hot.entries(others) if others else found


class ReadMaps(NamedTuple):
    """Learners whose entries were read before."""

    user_ids: Collection[str]
    found: dict[str, list[Entry]]

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        """As in `HotStore`. Raises `WouldWait` for any other learner."""
        if any(id_ not in self.user_ids for id_ in user_ids):
            raise WouldWait
        return {id_: self.found[id_] for id_ in user_ids if id_ in self.found}


def score(entries: list[Entry]) -> Scores:
    """The scores that the entries of a learner's maps make; the scores of entries as they count."""
    scores = [Score.of(summary) for summary in summaries_of(entries).values()]
    return Scores(tuple(sorted(scores, key=lambda one: one.best_first)))


def attempt_scores(entries: list[Entry]) -> list[AttemptScore]:
    """The score of each attempt, ordered by course, batch, assessment and attempt id."""
    return [
        AttemptScore(
            course_id=entry.key.course_id,
            batch_id=entry.key.batch_id,
            assessment_id=entry.key.assessment_id,
            attempt_id=entry.attempt_id,
            score=entry.score,
            max_score=entry.max_score,
            last_attempted_on=entry.version.last_attempted_on,
        )
        for entry in newest_versions(entries)
    ]


def entries_of(
    maps: Maps, user_id: str, course_id: str | None, batch_id: str | None, assessment_id: str | None
) -> list[Entry]:
    """The entries of a learner's map; of one course, batch or assessment, if it is named."""
    return [
        entry
        for entry in maps.entries([user_id]).get(user_id, [])
        if (course_id is None or entry.key.course_id == course_id)
        and (batch_id is None or entry.key.batch_id == batch_id)
        and (assessment_id is None or entry.key.assessment_id == assessment_id)
    ]
