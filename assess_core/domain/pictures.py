"""Pictures beside a report: figures become shapes and texts with places, which an SVG or a PNG file shows.

Figures of few learners are suppressed before they come here, so no picture can show them.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from assess_core.domain import charts
from assess_core.domain.charts import Bar, Dot
from assess_core.domain.counts import counted
from assess_core.domain.overview import Assessment, Overview

WIDTH: Final = 640
MOST_ASSESSMENTS: Final = 20
"""Assessments in a picture: as a PNG file with more, it would need 100 MB of memory."""
MARGIN: Final = 20
_HEAD: Final = 44
_PANEL: Final = 248
_EMPTY_PANEL: Final = 64
_PLOT_TOP: Final = 58
"""From the top of a panel to its plot."""
PLOT: Final = 150
"""The height of a plot."""
_FOOT: Final = 16
_TITLE, _HEADING, _SMALL = 17, 14, 12
_CHARACTERS: Final = {_TITLE: 60, _HEADING: 72, _SMALL: 90}
"""Characters of a text of this size that fit into a line."""


class Kind(StrEnum):
    """What a picture shows. The value is part of the name of its file."""

    ACTIVITY = "activity"
    """The attempts by week."""
    SCORES = "scores"
    """The learners by their best score, for each assessment."""
    QUESTIONS = "questions"
    """The questions by difficulty and discrimination, for each assessment."""


class Ends(NamedTuple):
    """The texts below a plot."""

    left: str
    middle: str
    right: str


class Panel(NamedTuple):
    """A chart: its shapes are in a box of `charts.WIDTH` x `charts.HEIGHT`."""

    caption: str
    bars: Sequence[Bar] = ()
    dots: Sequence[Dot] = ()
    ends: Ends = Ends("", "", "")
    values: Sequence[str] = ()
    """The texts above the bars, in pictures that nobody can point at; empty: none."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.bars or self.dots)

    @property
    def about(self) -> str:
        """The texts of all shapes, for screen readers."""
        return "; ".join([*(bar.text for bar in self.bars), *(dot.text for dot in self.dots)])


class Text(NamedTuple):
    """A line of text. `x` is its left end, its middle or its right end, as `anchor` says; `y` is its base line."""

    x: float
    y: float
    size: int
    text: str
    anchor: str = "start"
    """`start`, `middle` or `end`."""
    otherwise: str = ""
    """What to show if a font lacks letters of the text: the id that belongs to a name."""


class Line(NamedTuple):
    """A horizontal line from `x` to `x + width`."""

    x: float
    y: float
    width: float


class Picture(NamedTuple):
    """A picture in pixels: shapes and texts with their places."""

    height: int
    about: str
    """What the picture shows, for screen readers."""
    texts: Sequence[Text]
    bars: Sequence[Bar]
    dots: Sequence[Dot]
    lines: Sequence[Line]


def activity_panel(overview: Overview) -> Panel:
    """The attempts of each week; there must be a week."""
    weeks = overview.weeks
    most = max(week.attempts for week in weeks)
    return Panel(
        "attempts by the ISO week in which they were received; other weeks have none",
        bars=charts.columns([week.attempts for week in weeks], list(map(str, weeks))),
        ends=Ends(weeks[0].week, f"most in a week: {most:,}", weeks[-1].week),
    )


def scores_panel(assessment: Assessment) -> Panel:
    """The distribution of the best scores."""
    texts = [
        f"{part.begin * 10}-{part.end * 10} % of the maximum: {counted(part.members, 'learner')}"
        for part in assessment.scores
    ]
    if not assessment.scores:
        return Panel(_without_figures(assessment))
    return Panel(
        "learners by their best score; the areas show how many",
        bars=charts.histogram(assessment.scores, texts),
        ends=Ends("0 %", "share of the maximum", "100 %"),
        values=[f"{part.members:,}" for part in assessment.scores],
    )


def questions_panel(assessment: Assessment) -> Panel:
    """The questions, as dots."""
    drawn = [
        (question, question.difficulty, question.discrimination)
        for question in assessment.questions
        if question.difficulty is not None and question.discrimination is not None
    ]
    if not drawn:
        return Panel(_without_figures(assessment))
    texts = [
        f"{question.title or question.id}: difficulty {difficulty:.2f}, discrimination {discrimination:.2f}"
        for question, difficulty, discrimination in drawn
    ]
    return Panel(
        "questions by difficulty and discrimination",
        dots=charts.dots(
            [(difficulty, discrimination) for _, difficulty, discrimination in drawn],
            texts,
            [bool(question.remark) for question, _, _ in drawn],
        ),
        ends=Ends("hard", "up: separates good from poor learners", "easy"),
    )


def _without_figures(assessment: Assessment) -> str:
    """Why a chart is empty: suppression, or for example a maximum of 0."""
    shown = (assessment.learners, *(question.learners for question in assessment.questions))
    return "too few learners: no figure is shown" if None in shown else "no figure is defined"


def pictures_of(overview: Overview) -> dict[Kind, Picture]:
    """One picture of each kind, also if there is nothing to show."""
    shown = overview.assessments[:MOST_ASSESSMENTS]
    left_out = overview.left_out + len(overview.assessments) - len(shown)
    activity = [(_NO_HEADING, activity_panel(overview))] if overview.weeks else []
    scores = [(_heading(assessment), scores_panel(assessment)) for assessment in shown]
    questions = [(_heading(assessment), questions_panel(assessment)) for assessment in shown]
    return {
        Kind.ACTIVITY: _picture("Activity by week", overview, activity, 0),
        Kind.SCORES: _picture("Distribution of scores", overview, scores, left_out),
        Kind.QUESTIONS: _picture("Questions", overview, questions, left_out),
    }


class _Heading(NamedTuple):
    """Name and ids of the assessment of a panel."""

    text: str
    ids: str


_NO_HEADING: Final = _Heading("", "")


def _heading(assessment: Assessment) -> _Heading:
    return _Heading(
        f"{assessment.content}, batch {assessment.batch}", f"{assessment.content.id}, batch {assessment.batch.id}"
    )


def _picture(what: str, overview: Overview, panels: Sequence[tuple[_Heading, Panel]], left_out: int) -> Picture:
    title = f"{what}: {overview.name or overview.title}"
    texts = [_text(MARGIN, 28, _TITLE, title, otherwise=f"{what}: {overview.title}")]
    bars: list[Bar] = []
    dots: list[Dot] = []
    lines: list[Line] = []
    top: float = _HEAD
    for heading, panel in panels:
        plot = top + _PLOT_TOP
        texts += _texts(top, plot, heading, panel)
        placed = placed_bars(panel.bars, plot)
        texts += [
            _text(bar.x + bar.width / 2, bar.y - 4, _SMALL, value, "middle")
            for bar, value in zip(placed, panel.values, strict=False)
        ]
        bars += placed
        dots += placed_dots(panel.dots, plot)
        if not panel.is_empty:
            lines.append(Line(MARGIN, plot + PLOT, WIDTH - 2 * MARGIN))
        if panel.dots:
            lines.append(Line(MARGIN, plot + PLOT / 2, WIDTH - 2 * MARGIN))
        top += _EMPTY_PANEL if panel.is_empty else _PANEL
    if notes := list(_notes(overview, left_out)):
        texts += [_text(MARGIN, top + _SMALL + number * 18, _SMALL, note) for number, note in enumerate(notes)]
        top += 18 * len(notes)
    about = [
        title,
        *(f"{heading.text}: {panel.about}" if heading.text else panel.about for heading, panel in panels),
    ]
    return Picture(round(top + _FOOT), "; ".join(about), texts, bars, dots, lines)


def _notes(overview: Overview, left_out: int) -> Iterator[str]:
    if not overview.attempts:
        yield "No attempt was asked for, so there is nothing to show."
    if left_out:
        yield (
            f"{counted(left_out, 'more assessment is', 'more assessments are')} not shown; the report "
            "overview has up to a hundred."
        )


def _texts(top: float, plot: float, heading: _Heading, panel: Panel) -> Iterator[Text]:
    if heading.text:
        yield _text(MARGIN, top + 16, _HEADING, heading.text, otherwise=heading.ids)
    yield _text(MARGIN, top + 34, _SMALL, panel.caption)
    if panel.is_empty:
        return
    below = plot + PLOT + 16
    yield _text(MARGIN, below, _SMALL, panel.ends.left)
    yield _text(WIDTH / 2, below, _SMALL, panel.ends.middle, "middle")
    yield _text(WIDTH - MARGIN, below, _SMALL, panel.ends.right, "end")


def _text(x: float, y: float, size: int, text: str, anchor: str = "start", otherwise: str = "") -> Text:
    return Text(x, y, size, _cut(text, size), anchor, _cut(otherwise, size))


def _cut(text: str, size: int) -> str:
    most = _CHARACTERS[size]
    return text if len(text) <= most else f"{text[: most - 1]}…"


_ACROSS: Final = (WIDTH - 2 * MARGIN) / charts.WIDTH
_DOWN: Final = PLOT / charts.HEIGHT


def placed_bars(bars: Iterable[Bar], plot: float) -> list[Bar]:
    """Bars of a chart in a picture, in which the plot begins at this height."""
    return [
        bar._replace(
            x=round(MARGIN + bar.x * _ACROSS, 2),
            y=round(plot + bar.y * _DOWN, 2),
            width=round(bar.width * _ACROSS, 2),
            height=round(bar.height * _DOWN, 2),
        )
        for bar in bars
    ]


def placed_dots(dots: Iterable[Dot], plot: float) -> list[Dot]:
    """Dots of a chart in a picture, in which the plot begins at this height."""
    return [
        Dot(round(MARGIN + dot.x * _ACROSS, 2), round(plot + dot.y * _DOWN, 2), dot.text, dot.is_marked) for dot in dots
    ]
