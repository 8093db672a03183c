"""Reads a report file of any format back as rows of cells, with programs that are not part of the product."""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import openpyxl
import pyarrow.parquet as pq
import pyzipper

from assess_core.domain.moments import iso
from assess_core.domain.report_formats import Format

PASSWORD: Final = "correct horse 42"

Cell = str | float | None


def csv_bytes(path: Path, format_: Format, password: str | None = None) -> bytes:
    """The CSV within a file."""
    if format_ is Format.CSV_GZ:
        return gzip.decompress(path.read_bytes())
    if format_ is Format.ZIP and password is None:
        with zipfile.ZipFile(path) as plain:
            return plain.read(plain.namelist()[0])
    if format_ is Format.ZIP:
        with pyzipper.AESZipFile(path) as encrypted:
            content: bytes = encrypted.read(encrypted.namelist()[0], pwd=(password or "").encode())
            return content
    return path.read_bytes()


def cells(path: Path, format_: Format, password: str | None = None) -> list[list[Cell]]:
    """Header and rows. Moments are ISO texts; numbers are floats; an empty text and a missing value differ.

    In CSV numbers are texts, and in a workbook an empty text is a missing value.
    """
    if format_ is Format.PARQUET:
        table = pq.read_table(path)
        return [table.column_names, *([_plain(value) for value in row.values()] for row in table.to_pylist())]
    if format_ is Format.JSONL:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        return [*([list(lines[0])] if lines else []), *(list(line.values()) for line in lines)]
    if format_ is Format.XLSX:
        with closing(openpyxl.load_workbook(path, read_only=True)) as workbook:
            return [[_of_sheet(value) for value in row] for row in workbook.worksheets[0].iter_rows(values_only=True)]
    text = csv_bytes(path, format_, password).decode()
    csv.field_size_limit(2**30)
    return [list(row) for row in csv.reader(io.StringIO(text, newline=""))]


def as_csv(rows: Iterable[list[Cell]]) -> list[list[str]]:
    """Rows as a CSV file shows them."""
    return [["" if cell is None else str(cell) for cell in row] for row in rows]


def _plain(value: object) -> Cell:
    if isinstance(value, datetime):
        return _iso(value)
    return value if isinstance(value, str | float | int | None) else str(value)


def _of_sheet(value: object) -> Cell:
    """A cell of a workbook: `_x0001_` stands for a character that XML does not allow."""
    if isinstance(value, str):
        return re.sub(r"_x([0-9A-F]{4})_", lambda found: chr(int(found[1], 16)), value)
    return _plain(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value)


def _iso(moment: datetime) -> str:
    return iso(round(moment.timestamp() * 1000))
