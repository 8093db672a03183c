"""The figures of the overview page and of the pictures beside a report: activity, assessments, questions."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from assess_core.domain.charts import Part
from assess_core.domain.counts import counted

HARD: Final = 0.3
"""A question is hard if learners reach a smaller share of its maximum."""
WEAK: Final = 0.1
"""A question hardly separates good from poor learners if its discrimination is smaller."""


class Label(NamedTuple):
    """An id, and its name if there is one."""

    id: str
    name: str = ""

    def __str__(self) -> str:
        """`Algebra (c1)`, or `c1`."""
        return f"{self.name} ({self.id})" if self.name else self.id


class Week(NamedTuple):
    """The activity of an ISO week."""

    week: str
    """`2024-W05`."""
    attempts: int
    learners: int

    def __str__(self) -> str:
        return f"{self.week}: {counted(self.attempts, 'attempt')} of {counted(self.learners, 'learner')}"


class Question(NamedTuple):
    """A question with the figures of the item analysis; None: suppressed, or not defined."""

    id: str
    title: str
    learners: int | None
    difficulty: float | None
    discrimination: float | None
    likely_keys: tuple[str, ...]
    """The texts of options that look like the right answer but are not the key."""

    @property
    def remark(self) -> str:
        """What a mentor should look at; empty if there is nothing."""
        if self.learners is None:
            return "too few learners"
        if self.likely_keys:
            return f"the key may be wrong: {'; '.join(self.likely_keys)}"
        if self.discrimination is not None and self.discrimination < WEAK:
            return "hardly separates good from poor learners"
        if self.difficulty is not None and self.difficulty < HARD:
            return "hard"
        return ""


class Assessment(NamedTuple):
    """An assessment of a batch, with the figures of the assessment analysis; None: suppressed, or not defined."""

    batch: Label
    course: Label
    content: Label
    learners: int | None
    mean: float | None
    sd: float | None
    alpha: float | None
    sem: float | None
    scores: Sequence[Part]
    """The learners by their best score, in tenths of the maximum."""
    questions: Sequence[Question]


class Overview(NamedTuple):
    """Everything that the page and the pictures show."""

    title: str
    """`Batch b1`, `Batches 2024-*`."""
    name: str
    """The name of the batch; empty if there is none, or several batches."""
    attempts: int
    learners: int
    counted: str
    """Which attempt of a learner the figures count: `first` or `best`."""
    least: int
    """Figures of fewer learners are suppressed."""
    weeks: Sequence[Week]
    assessments: Sequence[Assessment]
    left_out: int
    """Assessments that are not in `assessments`."""
