"""The overview: one page about a batch, with the figures of the analyses as pictures and tables."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from assess_core.domain import charts

HARD: Final = 0.3
"""A question is hard if learners reach a smaller share of its maximum."""
WEAK: Final = 0.1
"""A question hardly separates good from poor learners if its discrimination is smaller."""
MADE_WITH: Final = {"jinja2": version("jinja2")}
"""The version that the bytes of a page depend on."""


class Week(NamedTuple):
    """The activity of an ISO week."""

    week: str
    """`2024-W05`."""
    attempts: int
    learners: int


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

    batch_id: str
    course_id: str
    content_id: str
    learners: int | None
    mean: float | None
    sd: float | None
    alpha: float | None
    sem: float | None
    scores: Sequence[charts.Part]
    """The learners by their best score, in tenths of the maximum."""
    questions: Sequence[Question]


class Overview(NamedTuple):
    """Everything that the page shows."""

    title: str
    attempts: int
    learners: int
    counted: str
    """Which attempt of a learner the figures count: `first` or `best`."""
    least: int
    """Figures of fewer learners are suppressed."""
    weeks: Sequence[Week]
    assessments: Sequence[Assessment]
    left_out: int
    """Assessments that the page does not show."""


def page(overview: Overview) -> str:
    """The page as HTML."""
    return _template().render(
        overview=overview,
        weeks=charts.columns([week.attempts for week in overview.weeks], [_week(week) for week in overview.weeks]),
        blocks=[_Block.of(assessment) for assessment in overview.assessments],
        width=charts.WIDTH,
        height=charts.HEIGHT,
    )


class _Block(NamedTuple):
    """An assessment with its pictures."""

    of_values: Assessment
    scores: list[charts.Bar]
    questions: list[charts.Dot]

    @classmethod
    def of(cls, assessment: Assessment) -> "_Block":
        drawn = [
            (question, question.difficulty, question.discrimination)
            for question in assessment.questions
            if question.difficulty is not None and question.discrimination is not None
        ]
        return cls(
            assessment,
            charts.histogram(assessment.scores, [_part(part) for part in assessment.scores]),
            charts.dots(
                [(difficulty, discrimination) for _, difficulty, discrimination in drawn],
                [
                    f"{question.title or question.id}: difficulty {difficulty:.2f}, discrimination {discrimination:.2f}"
                    for question, difficulty, discrimination in drawn
                ],
                [bool(question.remark) for question, _, _ in drawn],
            ),
        )


def _week(week: Week) -> str:
    return f"{week.week}: {week.attempts:,} attempts of {week.learners:,} learners"


def _part(part: charts.Part) -> str:
    return f"{part.begin * 10}-{part.end * 10} % of the maximum: {part.members:,} learners"


@cache
def _template() -> Template:
    loader = PackageLoader("assess_core.adapters.html", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["decimals"] = lambda value, digits: "" if value is None else f"{value:.{digits}f}"
    return environment.get_template("overview.html")
