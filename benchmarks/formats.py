"""The response exhaust in each format, from the lake, beside DuckDB's bare COPY of the same rows.

A bare COPY has the rows already unnested and sorted in memory. Formats that DuckDB does not write have no limit. Excel
sheets hold at most 1,048,575 rows, so larger reports are not written as a workbook.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.adapters.duckdb.connection import connect, literal
from assess_core.domain.report_formats import MOST_SHEET_ROWS, Format, Password
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from benchmarks.data import ANSWERS, BATCH, NOW, events, fill_rows, stores
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_ROWS: Final = 1_000_000
_PASSWORD: Final = "correct horse 42"
_NAMES: Final = ("parquet", "csv", "spreadsheet", "sunbird", "jsonl", "csv.gz", "zip", "encrypted", "xlsx")
"""`encrypted` is a zip file with a password; `spreadsheet` and `sunbird` are CSV. The limits read the first one."""
_COPIES: Final = {
    "csv": "FORMAT csv, HEADER",
    "csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "jsonl": "FORMAT json",
}
"""What DuckDB writes itself."""


@contextmanager
def _written(home: Path, name: str) -> Iterator[Work]:
    spec = ReportSpec(
        report=Report.RESPONSE,
        batches=(BATCH,),
        format=Format(name) if name in list(Format) else Format.ZIP if name == "encrypted" else Format.CSV,
        spreadsheet=name == "spreadsheet",
        sunbird=name == "sunbird",
    )
    password = Password(_PASSWORD) if name == "encrypted" else None
    opened = stores(home)
    yield lambda: write_exhaust(opened, spec, password=password).path


@contextmanager
def _copied(report: str, home: Path, name: str) -> Iterator[Work]:
    with connect() as duck:
        # completely in memory: a table that spills to disk would be slower than the limit
        duck.execute("SET memory_limit = '12GB'")
        duck.execute(f"CREATE TABLE rows AS SELECT * FROM read_parquet({literal(report)})")
        yield lambda: duck.execute(f"COPY rows TO {literal(str(home / f'limit.{name}'))} ({_COPIES[name]})").fetchall()


def format_rows(size: Size) -> list[Row]:
    """A row for each format."""
    attempts = size.of(_ROWS // ANSWERS)
    rows = attempts * ANSWERS
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        fill_rows(home, events(attempts, courses=1, batches=1))
        opened = stores(home)
        for step in (archive, verify, clear):
            step(opened.hot.slices(), opened, NOW)
        report = str(alone(_written, home, "parquet").result)
        return [
            _row(name, rows, report, home, size) for name in _NAMES if name != Format.XLSX or rows < MOST_SHEET_ROWS
        ]


def _row(name: str, rows: int, report: str, home: Path, size: Size) -> Row:
    sides = {"ours": partial(alone, _written, home, name)}
    if name in _COPIES:
        sides["limit"] = partial(alone, _copied, report, home, name)
    runs = in_turn(size, sides)
    limit = Side("COPY of the sorted rows from memory", rows, runs["limit"]) if name in _COPIES else None
    return Row(f"format {name}", "rows/s", Side("response report", rows, runs["ours"]), None, limit)
