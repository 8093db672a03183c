"""The answers to queries: immutable values, the same for GraphQL, REST and the command line."""

from typing import Final, NamedTuple

from assess_core.domain.attempts import Answer, AttemptKey
from assess_core.domain.scores import Summary
from assess_core.domain.slices import IsoWeek


class Score(NamedTuple):
    """The scores of a learner at an assessment in a batch."""

    user_id: str
    batch_id: str
    course_id: str
    assessment_id: str
    best_score: float
    total_max_score: float
    """The maximum of the best attempt."""
    last_attempted_score: float
    updated_on: int
    """`assessmentTs` of the newest version (epoch ms); 0 means no clock."""
    min_score: float
    average_score: float
    attempts_count: int

    @classmethod
    def of(cls, summary: Summary) -> "Score":
        """The view of a summary."""
        user_id, assessment_id, course_id, batch_id = summary.key
        return cls(
            user_id=user_id,
            batch_id=batch_id,
            course_id=course_id,
            assessment_id=assessment_id,
            best_score=summary.best_score,
            total_max_score=summary.total_max_score,
            last_attempted_score=summary.last_attempted_score,
            updated_on=summary.updated_on,
            min_score=summary.min_score,
            average_score=summary.average_score,
            attempts_count=summary.attempts_count,
        )

    @property
    def best_first(self) -> tuple[float, int, str, str]:
        """The sort key: the highest best score first, then the newest, then by batch id and course id."""
        return -self.best_score, -self.updated_on, self.batch_id, self.course_id

    @property
    def result(self) -> dict[str, object]:
        """The JSON of the read API: names in camel case, except `updated_on` (epoch ms; null means no clock)."""
        return {
            "userId": self.user_id,
            "batchId": self.batch_id,
            "courseId": self.course_id,
            "assessmentId": self.assessment_id,
            "bestScore": self.best_score,
            "totalMaxScore": self.total_max_score,
            "lastAttemptedScore": self.last_attempted_score,
            "updated_on": self.updated_on or None,
            "minScore": self.min_score,
            "averageScore": self.average_score,
            "attemptsCount": self.attempts_count,
        }


class Scores(NamedTuple):
    """All scores that a query about a learner and an assessment found, the best first."""

    found: tuple[Score, ...]

    @property
    def result(self) -> dict[str, object]:
        """The `result` of the read API: the best score, or `{}`. If there are several, `assessments` has all."""
        if not self.found:
            return {}
        best = self.found[0].result
        return best if len(self.found) == 1 else {**best, "assessments": [score.result for score in self.found]}


class Attempt(NamedTuple):
    """The version of an attempt that counts, with its answers and scores under the corrections in force."""

    key: AttemptKey
    last_attempted_on: int
    """`assessmentTs` (epoch ms); 0 means no clock."""
    total_score: float
    total_max_score: float
    grand_total: str
    updated_on: int
    """The first receipt of the version (epoch ms)."""
    answers: tuple[Answer, ...]
    """Sorted by question id."""
    original_score: float
    """The score as it was submitted."""
    original_max_score: float
    dropped_at: int | None = None
    """When (epoch ms) retention dropped the answers; None if they are still stored. The scores stay."""


class AttemptScore(NamedTuple):
    """The score of an attempt, without its answers."""

    course_id: str
    batch_id: str
    assessment_id: str
    attempt_id: str
    score: float
    max_score: float
    last_attempted_on: int
    """`assessmentTs` (epoch ms); 0 means no clock."""


class Page(NamedTuple):
    """Attempts, ordered by key: a newer version that arrives between two pages does not move an attempt."""

    attempts: tuple[Attempt, ...]
    has_next: bool
    has_previous: bool


EMPTY_PAGE: Final = Page((), has_next=False, has_previous=False)


class WeekCounts(NamedTuple):
    """The numbers of one ISO week."""

    week: IsoWeek
    attempts: int
    """Attempts whose newest version was first received in the week."""
    versions: int
    """Versions that were first received in the week."""


class Overview(NamedTuple):
    """The numbers of a batch. Those that can be None are None if it has no attempts."""

    batch_id: str
    attempts: int
    learners: int
    assessments: int
    versions: int
    mean_score: float | None
    """The mean of the total scores of the newest versions of all attempts."""
    first_received: int | None
    """Epoch ms."""
    last_received: int | None
    weeks: tuple[WeekCounts, ...]

    @classmethod
    def empty(cls, batch_id: str) -> "Overview":
        """The numbers of a batch without attempts."""
        return cls(batch_id, 0, 0, 0, 0, None, None, None, ())
