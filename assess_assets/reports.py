"""A look into a report file: its first rows, and how the marks are spread."""

import csv
from pathlib import Path
from typing import Final, NamedTuple

from assess_assets.metadata import PREVIEW_ROWS, Row

_FIELD: Final = 64 * 1024 * 1024  # characters: an answer has at most 8 MiB, Python's own limit is 128 kB
_TENTHS: Final = 10


class Marks(NamedTuple):
    """Which columns say what was reached and what could be, and what a row is."""

    score: str
    maximum: str
    title: str


class Look(NamedTuple):
    """What `look_into` saw."""

    columns: list[str]
    first: list[Row]
    spread: dict[str, int]
    """How many rows reached less than so many percent of the maximum; a row without a maximum is not among them."""


def look_into(path: Path, marks: Marks) -> Look:
    """Read a CSV report once, row by row: 3 s for a million."""
    csv.field_size_limit(_FIELD)
    first: list[Row] = []
    counts = [0] * _TENTHS
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        columns = list(rows.fieldnames or ())
        for row in rows:
            if len(first) < PREVIEW_ROWS:
                first.append(row)
            maximum = float(row[marks.maximum] or 0)
            if maximum > 0:
                share = float(row[marks.score] or 0) / maximum  # below 0, or infinite where the maximum is tiny
                counts[int(min(max(share, 0.0) * _TENTHS, _TENTHS - 1))] += 1
    width = 100 // _TENTHS
    spread = {f"{tenth * width}-{tenth * width + width} %": count for tenth, count in enumerate(counts)}
    return Look(columns, first, spread)
