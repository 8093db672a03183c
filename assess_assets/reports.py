"""A preview of a report file: its first rows, and the distribution of the marks."""

import csv
from pathlib import Path
from typing import Final, NamedTuple

from assess_assets.metadata import PREVIEW_ROWS, Row

_FIELD: Final = 64 * 1024 * 1024  # characters; an answer has up to 8 MiB, and Python's default limit is 128 kB
_TENTHS: Final = 10
_POINTS: Final = 2000
"""Points of a picture."""


class Marks(NamedTuple):
    """The columns with the score and its maximum, and the title of the picture."""

    score: str
    maximum: str | None
    """None: the score is already a share, `0.67` or `67%`."""
    title: str
    against: str | None = None
    """A second figure; the picture shows a point for each row instead of a distribution."""


class Preview(NamedTuple):
    """A preview of a report."""

    columns: list[str]
    first: list[Row]
    distribution: dict[str, int]
    """Number of rows per tenth of the maximum, e.g. `0-10 %`. Rows without a maximum are left out."""
    points: list[tuple[float, float]]
    """The mark and the second figure of the first rows that have both."""


def preview_report(path: Path, marks: Marks) -> Preview:
    """Read a CSV report once, row by row: 3 s for a million."""
    csv.field_size_limit(_FIELD)
    first: list[Row] = []
    counts = [0] * _TENTHS
    points: list[tuple[float, float]] = []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        columns = list(rows.fieldnames or ())
        for row in rows:
            if len(first) < PREVIEW_ROWS:
                first.append(row)
            share = _share(row, marks)
            if share is not None:
                counts[int(min(max(share, 0.0) * _TENTHS, _TENTHS - 1))] += 1
                if marks.against is not None and row[marks.against] and len(points) < _POINTS:
                    points.append((share, float(row[marks.against])))
    width = 100 // _TENTHS
    distribution = {f"{tenth * width}-{tenth * width + width} %": count for tenth, count in enumerate(counts)}
    return Preview(columns, first, distribution, points)


def _share(row: Row, marks: Marks) -> float | None:
    """The share of the maximum; below 0 if the score is, infinite if the maximum is tiny, None if there is none."""
    text = str(row.get(marks.score) or "")
    if marks.maximum is None:
        return (float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)) if text else None
    maximum = float(str(row.get(marks.maximum) or 0))
    return float(text or 0) / maximum if maximum > 0 else None
