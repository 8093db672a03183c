"""The geometry of pictures: values become shapes in a box of 100 x 60 units, and the template draws them as SVG."""

from collections.abc import Sequence
from typing import Final, NamedTuple

WIDTH: Final = 100.0
HEIGHT: Final = 60.0


class Bar(NamedTuple):
    """A bar; `y` is its upper end. The text is shown when a reader points at it, and to screen readers."""

    x: float
    y: float
    width: float
    height: float
    text: str
    is_second: bool = False
    """Whether it belongs to the second of two series."""


class Dot(NamedTuple):
    """A point."""

    x: float
    y: float
    text: str
    is_marked: bool


class Part(NamedTuple):
    """A part of a histogram: from `begin` to `end` tenths, with the number of its members."""

    begin: int
    end: int
    members: int


def columns(heights: Sequence[float], texts: Sequence[str]) -> list[Bar]:
    """Bars of equal width; the highest fills the box."""
    return stacked_columns([heights], texts)


def stacked_columns(series: Sequence[Sequence[float]], texts: Sequence[str]) -> list[Bar]:
    """Bars of equal width for one series, then bars on top of them for a second; the highest pair fills the box."""
    if not texts:
        return []
    step, top = WIDTH / len(texts), max(*map(sum, zip(*series, strict=True)), 1e-300)
    gap = min(step * 0.2, 1.0)
    below = [0.0] * len(texts)
    bars: list[Bar] = []
    for is_second, heights in enumerate(series):
        for number, (height, text) in enumerate(zip(heights, texts, strict=True)):
            bar = _bar(number * step + gap / 2, step - gap, height / top, text)
            bars.append(bar._replace(y=round(bar.y - below[number], 2), is_second=bool(is_second)))
            below[number] += bar.height
    return bars


def merged(tenths: Sequence[int], least: int) -> list[Part]:
    """Parts of a histogram with at least `least` members each; none if all members together are fewer.

    Neighbours are merged from the left, and a rest joins the last part. So no part, and no difference of two parts,
    tells about fewer than `least` members.
    """
    parts: list[Part] = []
    begin = members = 0
    for tenth, count in enumerate(tenths):
        members += count
        if members >= least:
            parts.append(Part(begin, tenth + 1, members))
            begin, members = tenth + 1, 0
    if parts and begin < len(tenths):
        last = parts.pop()
        parts.append(Part(last.begin, len(tenths), last.members + members))
    return parts


def histogram(parts: Sequence[Part], texts: Sequence[str]) -> list[Bar]:
    """Bars whose areas are proportional to the numbers of members; the highest fills the box."""
    if not parts:
        return []
    heights = [part.members / (part.end - part.begin) for part in parts]
    top, step = max(heights), WIDTH / parts[-1].end
    return [
        _bar(part.begin * step + 0.25, (part.end - part.begin) * step - 0.5, height / top, text)
        for part, height, text in zip(parts, heights, texts, strict=True)
    ]


def dots(points: Sequence[tuple[float, float]], texts: Sequence[str], marked: Sequence[bool]) -> list[Dot]:
    """Points with x from 0 to 1 and y from -1 to 1; values outside are drawn at the edge."""
    return [
        Dot(round(_within(x, 0, 1) * WIDTH, 2), round((1 - _within(y, -1, 1)) / 2 * HEIGHT, 2), text, is_marked)
        for (x, y), text, is_marked in zip(points, texts, marked, strict=True)
    ]


def _bar(x: float, width: float, share: float, text: str) -> Bar:
    height = share * HEIGHT
    return Bar(round(x, 2), round(HEIGHT - height, 2), round(width, 2), round(height, 2), text)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
