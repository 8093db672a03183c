"""The response exhaust in each format, from the lake, beside DuckDB's bare COPY of the same rows.

`python -m benchmarks.formats 200000` writes 200,000 answers, 10 of an attempt. Each measurement has its own process and
so its own peak memory. A bare COPY has the rows already unnested and sorted in memory, so it is the limit. Excel sheets
hold at most 1,048,575 rows; larger reports are not written as a workbook.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.adapters.duckdb.connection import connect, literal
from assess_core.domain.report_formats import MOST_SHEET_ROWS, Format, Password
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.settings import Settings
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_stores
from benchmarks.exhaust import ANSWERS, BATCH, Measured, alone, fill, move, timed

_WEEKS: Final = 4
_PASSWORD: Final = "correct horse 42"
_COPIES: Final = {
    "csv": "FORMAT csv, HEADER",
    "csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "jsonl": "FORMAT json",
}
"""What DuckDB writes itself."""


def _write(home: Path, name: str) -> Measured:
    """Write the report in a format. `encrypted` is a zip file with a password, `sunbird` and `spreadsheet` are CSV."""
    spec = ReportSpec(
        report=Report.RESPONSE,
        batches=(BATCH,),
        format=Format(name) if name in list(Format) else Format.ZIP if name == "encrypted" else Format.CSV,
        spreadsheet=name == "spreadsheet",
        sunbird=name == "sunbird",
    )
    password = Password(_PASSWORD) if name == "encrypted" else None
    stores = open_stores(Settings.from_env({}, str(home)))
    return timed(lambda: Path(write_exhaust(stores, spec, password=password).path))


def _copy(home: Path, name: str) -> Measured:
    """COPY of the report's own rows from memory."""
    report = home / "exhausts" / "response-exhaust" / f"{BATCH}.parquet"
    target = home / f"limit.{name}"
    with connect() as duck:
        # completely in memory: a table that spills to disk would be slower than the limit
        duck.execute("SET memory_limit = '12GB'")
        duck.execute(f"CREATE TABLE rows AS SELECT * FROM read_parquet({literal(str(report))})")

        def copy() -> Path:
            duck.execute(f"COPY rows TO {literal(str(target))} ({_COPIES[name]})")
            return target

        return timed(copy)


def main(rows: int) -> None:
    """Measure every format once and print a line for each."""
    with TemporaryDirectory(prefix="assess-formats-", dir="/var/tmp") as folder:
        home = Path(folder)
        fill(home, rows // ANSWERS)
        move(home, _WEEKS)
        print(f"{'format':<14}{'rows/s':>12}{'cpu rows/s':>12}{'seconds':>9}{'peak MB':>9}{'file MB':>9}")
        # Parquet first: the limits read it
        for name in ("parquet", "csv", "spreadsheet", "sunbird", "jsonl", "csv.gz", "zip", "encrypted", "xlsx"):
            if name != "xlsx" or rows < MOST_SHEET_ROWS:
                _show(name, rows, alone(_write, home, name, runs=1))
        for name in _COPIES:
            _show(f"COPY {name}", rows, alone(_copy, home, name, runs=1))


def _show(name: str, rows: int, run: Measured) -> None:
    rate, processor = rows / run.seconds, rows / run.cpu
    megabytes = f"{run.peak / 1e6:>9.0f}{run.size / 1e6:>9.1f}"
    print(f"{name:<14}{rate:>12,.0f}{processor:>12,.0f}{run.seconds:>9.2f}{megabytes}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
