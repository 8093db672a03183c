"""The metadata of materializations in the UI: rows, bytes, seconds, a preview table and a picture."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Final

import dagster as dg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREVIEW_ROWS: Final = 10
SENTENCES: Final = 2000  # characters of a cell with a problem; the text ends with what to do
_CELL: Final = 120  # characters of any other cell; the options of a question have hundreds
_COLOURS: Final = ("#2f6f8f", "#e0a030")
_PALETTE: Final = 16  # colours; Dagster stores the picture with each materialization: 3 kB instead of 9 kB
_LABELS: Final = 12  # labels that fit under a picture; the ten bins of a report's marks are all labelled

Metadata = dict[str, dg.MetadataValue]
Row = Mapping[str, object]
Bars = Mapping[str, Mapping[str, float]]
"""Name of a series -> label -> height."""


def shown(
    *, rows: int, size: int, seconds: float, preview: Sequence[Row], picture: dg.MetadataValue, **more: dg.MetadataValue
) -> Metadata:
    """The metadata of the materialization of a partition; `size` in bytes."""
    return {
        "rows": dg.MetadataValue.int(rows),
        "dagster/partition_row_count": dg.MetadataValue.int(rows),
        "bytes": dg.MetadataValue.int(size),
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        **more,
        "picture": picture,
        "preview": table(preview[:PREVIEW_ROWS]),
    }


def table(rows: Sequence[Row], cell: int = _CELL) -> dg.MetadataValue:
    """Rows as a table. Texts are cut at `cell` characters."""
    if not rows:
        return dg.MetadataValue.text("no rows")
    records = [dg.TableRecord({name: _cell(value, cell) for name, value in row.items()}) for row in rows]
    columns = [dg.TableColumn(name) for name in rows[0]]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _cell(value: object, most: int) -> str | int | float | bool:
    if isinstance(value, int | float):
        return value
    text = "" if value is None else str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def labelled(bars: int) -> range:
    """Which bars of a picture get a label: all of them, or every second, third and so on if there are many."""
    return range(0, bars, -(-bars // _LABELS) or 1)


def bars(title: str, series: Bars) -> dg.MetadataValue:
    """A stacked bar chart as a picture inside Markdown, with the labels in the given order."""
    labels = list(dict.fromkeys(label for heights in series.values() for label in heights))

    def draw(axes: "Axes") -> None:
        bottom = [0.0] * len(labels)
        for (name, heights), colour in zip(series.items(), _COLOURS, strict=False):
            tops = [heights.get(label, 0.0) for label in labels]
            axes.bar(range(len(labels)), tops, bottom=bottom, color=colour, width=0.8, label=name)
            bottom = [below + top for below, top in zip(bottom, tops, strict=True)]
        places = labelled(len(labels))
        axes.set_xticks(places, [labels[place] for place in places])
        if len(series) > 1:
            axes.legend(fontsize=7, frameon=False)

    return _picture(title, draw)


def dots(title: str, points: Sequence[tuple[float, float]]) -> dg.MetadataValue:
    """A picture inside Markdown with a point for each pair: to the right from 0 to 1, upwards from -1 to 1."""

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color="#cccccc", linewidth=0.8)
        axes.scatter([x for x, _ in points], [y for _, y in points], color=_COLOURS[0], s=14)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-1.05, 1.05)

    return _picture(title, draw)


def _picture(title: str, draw: Callable[["Axes"], None]) -> dg.MetadataValue:
    # imported here, because matplotlib takes a second to import and writes a font cache
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(6.4, 2.2), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(_PALETTE).save(small, "PNG", optimize=True)
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{b64encode(small.getvalue()).decode()})")
