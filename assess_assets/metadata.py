"""The metadata of materializations in the UI: rows, bytes, seconds, a preview table and a picture."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg

from assess_core.domain.pictures import Picture
from assess_core.domain.run_pictures import Series, bar_picture, dot_picture
from assess_core.wiring.pictures import small_png

PREVIEW_ROWS: Final = 10
SENTENCES: Final = 2000  # characters of a cell with a problem; the text ends with what to do
_CELL: Final = 120  # characters of any other cell; the options of a question have hundreds

Metadata = dict[str, dg.MetadataValue]
Row = Mapping[str, object]


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


def bars(title: str, series: Series) -> dg.MetadataValue:
    """A stacked bar chart as a picture inside Markdown, with the labels in the given order."""
    return _shown(title, bar_picture(title, series))


def dots(title: str, points: Sequence[tuple[float, float]]) -> dg.MetadataValue:
    """A picture inside Markdown with a point for each pair: to the right from 0 to 1, upwards from -1 to 1."""
    return _shown(title, dot_picture(title, points))


def _shown(title: str, picture: Picture) -> dg.MetadataValue:
    # Dagster stores the picture with each materialization
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{b64encode(small_png(picture)).decode()})")
