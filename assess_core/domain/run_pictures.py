"""The pictures that runs show: bars with a label each, or dots, in a plot with a title."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from assess_core.domain import charts
from assess_core.domain.charts import Bar
from assess_core.domain.pictures import MARGIN, PLOT, WIDTH, Line, Picture, Text, placed_bars, placed_dots

_TITLE, _SMALL = 14, 12
_TOP: Final = 44
"""From the top of the picture to the plot."""
_HEIGHT: Final = _TOP + PLOT + 28
_CHARACTER: Final = 7.0
"""The width of a character of a small text, in pixels; most are narrower."""
_GAP: Final = 4
"""Between two labels."""
_KEY: Final = 10
"""The side of the square that shows the colour of a series."""

Series = Mapping[str, Mapping[str, float]]
"""Name of a series -> label -> height. There are at most two series."""


def bar_picture(title: str, series: Series) -> Picture:
    """A stacked bar chart, with the labels in the given order. Heights are not negative."""
    labels = list(dict.fromkeys(label for heights in series.values() for label in heights))
    stacked = [[heights.get(label, 0.0) for label in labels] for heights in islice(series.values(), 2)]
    totals = [sum(column) for column in zip(*stacked, strict=True)]
    values = [f"{total:,.10g}" for total in totals]
    texts = [f"{label}: {value}" for label, value in zip(labels, values, strict=True)]
    bars = placed_bars(charts.stacked_columns(stacked, texts), _TOP)
    keys = list(_keys(series))
    return Picture(
        _HEIGHT,
        "; ".join((title, *texts)),
        [
            Text(MARGIN, 20, _TITLE, title),
            *_values(values, bars[: len(labels)], totals),
            *_labels(labels, bars[: len(labels)]),
            *(text for text, _ in keys),
        ],
        [*bars, *(key for _, key in keys)],
        [],
        [Line(MARGIN, _TOP + PLOT, WIDTH - 2 * MARGIN)],
    )


def dot_picture(title: str, points: Sequence[tuple[float, float]]) -> Picture:
    """A dot for each pair: to the right from 0 to 1, upwards from -1 to 1."""
    texts = [f"{x:.2f}, {y:.2f}" for x, y in points]
    dots = placed_dots(charts.dots(points, texts, [False] * len(points)), _TOP)
    return Picture(
        _HEIGHT,
        "; ".join((title, *texts)),
        [
            Text(MARGIN, 20, _TITLE, title),
            Text(MARGIN, _TOP + PLOT + 16, _SMALL, "0"),
            Text(WIDTH - MARGIN, _TOP + PLOT + 16, _SMALL, "1", "end"),
            Text(MARGIN - 4, _TOP + _SMALL, _SMALL, "1", "end"),
            Text(MARGIN - 4, _TOP + PLOT, _SMALL, "-1", "end"),
        ],
        [],
        dots,
        [Line(MARGIN, _TOP + PLOT / 2, WIDTH - 2 * MARGIN), Line(MARGIN, _TOP + PLOT, WIDTH - 2 * MARGIN)],
    )


def labelled(labels: Sequence[str]) -> range:
    """Which bars get their label: all of them, or every second, third and so on if not all labels fit."""
    fit = int((WIDTH - 2 * MARGIN) // (max(map(len, labels), default=1) * _CHARACTER + _GAP)) or 1
    return range(0, len(labels), -(-len(labels) // fit) or 1)


def _labels(labels: Sequence[str], bars: Sequence[Bar]) -> Iterator[Text]:
    for place in labelled(labels):
        yield Text(_middle(bars[place]), _TOP + PLOT + 16, _SMALL, labels[place], "middle")


def _values(values: Sequence[str], bars: Sequence[Bar], totals: Sequence[float]) -> Iterator[Text]:
    """The height of each bar above it if all fit, else that of the highest."""
    if not bars:
        return
    if max(map(len, values)) * _CHARACTER <= bars[0].width:
        top = max(*totals, 1e-300)
        for value, bar, total in zip(values, bars, totals, strict=True):
            yield Text(_middle(bar), round(_TOP + PLOT * (1 - total / top) - 4, 2), _SMALL, value, "middle")
    else:
        yield Text(MARGIN, _TOP - 6, _SMALL, f"highest: {values[totals.index(max(totals))]}")


def _keys(series: Series) -> Iterator[tuple[Text, Bar]]:
    """The names of two series with their colours, from the right end."""
    right = float(WIDTH - MARGIN)
    for is_second, name in reversed([*enumerate(islice(series, 2))] if len(series) > 1 else []):
        left = right - len(name) * _CHARACTER
        yield (
            Text(left, 20, _SMALL, name),
            Bar(left - _KEY - 4, 20 - _KEY, _KEY, _KEY, name, is_second=bool(is_second)),
        )
        right = left - 2 * _KEY - 12


def _middle(bar: Bar) -> float:
    return bar.x + bar.width / 2
