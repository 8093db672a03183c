"""The formats of report files, the ways to write their cells, and which of them fit together."""

from enum import StrEnum
from typing import Final

from assess_core.errors import BadReport


class Format(StrEnum):
    """The format of a report file. Its value is also the ending of the file's name."""

    CSV = "csv"
    CSV_GZ = "csv.gz"
    ZIP = "zip"
    """A zip file with one CSV file, optionally encrypted with a password."""
    PARQUET = "parquet"
    JSONL = "jsonl"
    XLSX = "xlsx"
    HTML = "html"
    """One page with pictures. It needs no other file and no network."""


class ImageFormat(StrEnum):
    """The format of the pictures beside a report."""

    SVG = "svg"
    PNG = "png"


class Dialect(StrEnum):
    """How the cells of a CSV file are written."""

    EXACT = "exact"
    """The exact texts, for programs."""
    SPREADSHEET = "spreadsheet"
    """For people who open the file in a spreadsheet program: no text runs as a formula or is read as a number."""
    SUNBIRD = "sunbird"
    """As in the files of Sunbird's response exhaust, for programs that read those."""


MEDIA_TYPES: Final = {
    ".csv": "text/csv; charset=utf-8",
    ".gz": "application/gzip",
    ".zip": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".jsonl": "application/jsonl",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".json": "application/json",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""Ending of a report, of its sidecar or of its pictures -> media type."""
ROW_FORMATS: Final = tuple(format_ for format_ in Format if format_ is not Format.HTML)
"""The formats of reports with rows."""
CSV_FORMATS: Final = (Format.CSV, Format.CSV_GZ, Format.ZIP)
"""The formats whose content is CSV."""
PLAIN_FORMATS: Final = (Format.CSV, Format.JSONL)
"""Texts that are not compressed."""
MOST_SHEET_ROWS: Final = 1_048_576
"""Rows of an Excel sheet, with the header."""
MOST_CELL_CHARACTERS: Final = 32_767
"""Characters of an Excel cell, counted in UTF-16."""

_LEAST_CHARACTERS: Final = 12
_LEAST_DIFFERENT: Final = 6
_MOST_CHARACTERS: Final = 128


def format_of_name(name: str) -> Format | None:
    """The format of a file name's ending; None if the ending is not a format."""
    lower = name.lower()
    return next((format_ for format_ in Format if lower.endswith(f".{format_}")), None)


def partial_name(name: str) -> str:
    """The name of a file that is not complete: `b1.csv` becomes `b1.partial.csv`."""
    format_ = format_of_name(name)
    stem = name[: -len(format_) - 1] if format_ else name
    return f"{stem}.partial{name[len(stem) :]}"


class Password:
    """The password of a zip file. It never appears in a message, a log or a `repr`.

    Zip files derive the key with 1,000 rounds of PBKDF2, so an attacker can try millions of passwords a second. 12
    random letters and digits resist that, 8 do not. Programs disagree about the bytes of characters outside ASCII.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """Raises `BadReport`, which does not contain the password."""
        if not (text.isascii() and text.isprintable()):
            raise BadReport(
                ["password: use only ASCII letters, digits, spaces and punctuation; programs differ in others"]
            )
        if len(text) < _LEAST_CHARACTERS or len(set(text)) < _LEAST_DIFFERENT:
            raise BadReport(
                [
                    f"password: it is too weak; use at least {_LEAST_CHARACTERS} characters, "
                    f"{_LEAST_DIFFERENT} of them different"
                ]
            )
        if len(text) > _MOST_CHARACTERS:
            raise BadReport([f"password: it has more than {_MOST_CHARACTERS} characters; use a shorter one"])
        self.text = text

    def __repr__(self) -> str:
        return "Password(hidden)"
