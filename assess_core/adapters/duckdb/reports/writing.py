"""Writes a report from the views of a union: rows become text in DuckDB, and `files.packing` writes them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from assess_core.adapters.arrow.row_groups import ROW_GROUPS_WITH, write_row_groups
from assess_core.adapters.duckdb.connection import batches_of, literal, release_memory
from assess_core.adapters.duckdb.reports.columns import (
    Column,
    Declaration,
    chosen,
    header,
    numbered_rows_sql,
    parquet_options,
    report_sql,
)
from assess_core.adapters.duckdb.reports.declared import DECLARED
from assess_core.adapters.duckdb.reports.encodings import TOO_LONG, encoding_of, row_sql
from assess_core.adapters.duckdb.reports.lines import can_write, records_sql
from assess_core.adapters.duckdb.reports.naming import load_names
from assess_core.adapters.duckdb.reports.numbers import numbered, numbered_rows
from assess_core.adapters.duckdb.reports.overview import write_overview
from assess_core.adapters.duckdb.reports.picked import REPORTED, count_attempts, picked_sql
from assess_core.adapters.duckdb.reports.ranges import rows_in_order
from assess_core.adapters.duckdb.reports.response import RESPONSE
from assess_core.adapters.duckdb.reports.spilling import spill
from assess_core.adapters.error_text import first_line
from assess_core.adapters.files.compressing import COMPRESSED_WITH
from assess_core.adapters.files.packing import PACKED, write_packed
from assess_core.adapters.files.records import Records
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.domain.names import NamesRead
from assess_core.domain.report_formats import MOST_CELL_CHARACTERS, MOST_SHEET_ROWS, Format
from assess_core.domain.report_spec import Report, ReportSpec, Versions
from assess_core.errors import BadReport
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.names import Names
from assess_core.ports.reports import Packing, WrittenReport

_ROWS: Final = 2048
"""Rows that are fetched at a time."""
_SUPPRESSED: Final = "is_suppressed"
"""The column that says whether the figures of a row are suppressed."""
VERSIONS: Final = {"duckdb": duckdb.__version__}
"""The versions that the bytes of a Parquet report depend on."""


def write_report(
    duck: duckdb.DuckDBPyConnection, spec: ReportSpec, target: Path, packing: Packing, names: Names | None
) -> WrittenReport:
    """Write a report to a file. Raises `BadReport` for an unknown column, and for what an Excel sheet cannot hold."""
    if spec.report is Report.OVERVIEW:
        return write_overview(duck, spec, target, names)
    if spec.format is Format.PARQUET:
        return write_parquet(duck, spec, target, names)
    opened = _opened(spec)(duck, spec, names)
    try:
        with opened as texts:
            content = write_packed(texts, target, spec.format, packing.member, packing.password)
    except duckdb.InvalidInputException as error:
        if TOO_LONG not in str(error):
            raise
        problem = first_line(error).partition(f"{TOO_LONG}: ")[2]
        raise BadReport(
            [f"format: {problem} characters, and an Excel cell can hold {MOST_CELL_CHARACTERS:,}; use csv or parquet"]
        ) from error
    written_with = {**VERSIONS, **COMPRESSED_WITH} if spec.format in PACKED else VERSIONS
    return WrittenReport(texts.rows, texts.attempts, content, written_with, _suppressed(duck, spec), texts.names)


def _opened(spec: ReportSpec) -> Callable[..., AbstractContextManager["_Texts"]]:
    if spec.report is not Report.RESPONSE:
        return _rows
    return _lines if can_write(spec) else _ranges


def _suppressed(duck: duckdb.DuckDBPyConnection, spec: ReportSpec) -> int:
    """The groups of learners whose figures the report suppresses. It must have been prepared before."""
    declared = DECLARED[spec.report]
    if not any(column.sql == _SUPPRESSED for column in declared.columns):
        return 0
    [(groups,)] = duck.execute(f"SELECT count(*) FROM ({declared.rows}) WHERE {_SUPPRESSED}").fetchall()
    return int(groups)


class _Texts:
    """The head, the rows and the tail of a report as text."""

    def __init__(
        self,
        spec: ReportSpec,
        columns: Sequence[Column],
        bodies: Iterator[tuple[int, bytes]],
        attempts: int,
        names: NamesRead | None,
    ) -> None:
        self.attempts = attempts
        self.names = names
        self._encoding = encoding_of(spec)
        self._head = self._encoding.head(columns, spec).encode()
        self._bodies = bodies
        self._most = MOST_SHEET_ROWS - 1 if spec.format is Format.XLSX else None
        self.rows = 0

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for rows, text in self._bodies:
            checkpoint()
            self.count(rows)
            yield text
        yield self._encoding.tail.encode()

    def count(self, rows: int) -> None:
        """Raises `BadReport` if a sheet has too many rows."""
        self.rows += rows
        if self._most is not None and self.rows > self._most:
            raise BadReport(
                [f"format: an Excel sheet can hold {self._most:,} rows and this report has more; use parquet or csv"]
            )


@contextmanager
def _lines(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, names: Names | None) -> Iterator[_Texts]:
    """The rows of each attempt as one text, in the order of the report."""
    declared = DECLARED[spec.report]
    picked = picked_sql(spec, declared.unit)
    with temporary_folder("assess-report-") as folder:
        with numbered(duck, *picked) as attempts:
            read = load_names(duck, declared.columns, numbered_rows("placed"), names)
            records = _records(duck, spec, attempts, Path(folder))
        texts = _Texts(spec, declared.columns, ((0, text) for text in records.in_order()), attempts, read)
        texts.count(records.rows)
        yield texts


def _records(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, attempts: int, folder: Path) -> Records:
    """The rows of each attempt, which have numbers in the order of the report; each thread of DuckDB writes a file."""

    def write(new: Path, parts: int) -> tuple[list[Path], int]:
        rows = 0
        for part in range(parts):
            copy = f"COPY ({records_sql(spec)}) TO {literal(str(new / str(part)))} (FORMAT blob, PER_THREAD_OUTPUT)"
            [(copied,)] = duck.execute(copy, {"parts": parts, "part": part}).fetchall()
            rows += copied
        return [file for target in new.iterdir() for file in target.iterdir()], rows

    files, rows = spill(duck, write, folder)
    return Records(files, attempts, rows)


class _Prepared(NamedTuple):
    declared: Declaration
    columns: Sequence[Column]
    attempts: int
    names: NamesRead | None


def _prepare(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, names: Names | None) -> _Prepared:
    """Create what the SQL of a report reads; returns the columns to write."""
    declared = DECLARED[spec.report]
    picked, parameters = picked_sql(spec, declared.unit)
    duck.execute(f"CREATE TEMP TABLE picked AS {picked}", parameters)
    duck.execute(REPORTED)
    for statement in declared.prepare(spec):
        duck.execute(statement)
    columns = chosen(declared, declared.more(lambda sql: duck.execute(sql).fetchall()), spec)
    return _Prepared(
        declared, columns, count_attempts(duck, spec, "picked"), load_names(duck, columns, "picked", names)
    )


@contextmanager
def _rows(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, source: Names | None) -> Iterator[_Texts]:
    """The rows of any report but the response report as text."""
    declared, columns, attempts, read = _prepare(duck, spec, source)
    names = [f"c{number}" for number in range(len(columns))]
    row = row_sql(encoding_of(spec), columns, [f"report.{name}" for name in names])
    duck.execute(f"SELECT {row} AS row FROM ({report_sql(declared, columns, names)}) AS report")
    yield _Texts(spec, columns, map(_joined, batches_of(duck.to_arrow_reader(_ROWS))), attempts, read)


@contextmanager
def _ranges(duck: duckdb.DuckDBPyConnection, spec: ReportSpec, source: Names | None) -> Iterator[_Texts]:
    """The rows of a response report as text, sorted in portions."""
    columns = chosen(RESPONSE, (), spec)
    names = [f"c{number}" for number in range(len(columns))]
    row = row_sql(encoding_of(spec), columns, [f"report.{name}" for name in names])
    sql = f"SELECT {row} AS row, number FROM ({numbered_rows_sql(RESPONSE, columns, names)}) AS report"
    with _in_order(duck, spec, columns, source, sql) as (tables, attempts, read):
        batches = (batch for table in tables for batch in table.to_batches())
        yield _Texts(spec, columns, map(_joined, batches), attempts, read)


@contextmanager
def _in_order(
    duck: duckdb.DuckDBPyConnection, spec: ReportSpec, columns: Sequence[Column], source: Names | None, sql: str
) -> Iterator[tuple[Iterator[pa.Table], int, NamesRead | None]]:
    """The rows of a query over `placed` in the order of the report, their attempts, and the names that were read."""
    picked, parameters = picked_sql(spec, RESPONSE.unit)
    with temporary_folder("assess-report-") as folder:
        with numbered(duck, picked, parameters) as versions:
            attempts = (
                count_attempts(duck, spec, f"({picked})", parameters) if spec.versions is Versions.ALL else versions
            )
            read = load_names(duck, columns, numbered_rows("placed"), source)
            tables = rows_in_order(duck, sql, versions, Path(folder))
            first = next(tables)  # when all rows are in files
        release_memory(duck)  # a large Parquet file needs it for its footer
        yield chain((first,), tables), attempts, read


def _joined(batch: pa.RecordBatch) -> tuple[int, bytes]:
    """The number of texts in a batch, and all of them: Arrow stores them one after the other."""
    texts = batch.column(0).cast(pa.large_binary())
    offsets = memoryview(texts.buffers()[1]).cast("q")
    start, end = offsets[texts.offset], offsets[texts.offset + len(texts)]
    return len(texts), texts.buffers()[2].slice(start, end - start).to_pybytes() if end > start else b""


def write_parquet(
    duck: duckdb.DuckDBPyConnection, spec: ReportSpec, target: Path, names: Names | None
) -> WrittenReport:
    """Write a report as Parquet."""
    if spec.report is Report.RESPONSE:
        return _write_row_groups(duck, spec, target, names)
    declared, columns, attempts, read = _prepare(duck, spec, names)
    # if DuckDB fails, its own temporary file would be left behind
    options = f"{parquet_options(VERSIONS)}, USE_TMP_FILE false"
    sql = report_sql(declared, columns, header(columns, spec))
    written = duck.execute(f"COPY ({sql}) TO {literal(str(target))} ({options})").fetchone()
    rows = int(written[0]) if written else 0
    return WrittenReport(rows, attempts, None, VERSIONS, _suppressed(duck, spec), read)


def _write_row_groups(
    duck: duckdb.DuckDBPyConnection, spec: ReportSpec, target: Path, source: Names | None
) -> WrittenReport:
    columns, versions = chosen(RESPONSE, (), spec), {**VERSIONS, **ROW_GROUPS_WITH}
    sql = numbered_rows_sql(RESPONSE, columns, header(columns, spec))
    with _in_order(duck, spec, columns, source, sql) as (tables, attempts, read):
        rows = write_row_groups(tables, target, versions)
    return WrittenReport(rows, attempts, None, versions, 0, read)
