"""The response exhaust of 5,000,000 attempts with 10 answers each, from the lake, as CSV, zip and Parquet.

The limit is DuckDB's COPY of the same rows, already unnested and sorted, from a Parquet file: 50 million rows do not
fit into memory. Neither stores text, because 5,000,000 attempts have 30 GB; ours still needs as much for temporary
files. DuckDB makes the attempts, because Python would need an hour: a million learners, 4 assessments with
750 questions each, texts in four scripts, 50,000 different sets of answers. They go into the lake directly, as archive
would append them.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import connect, literal
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import WEEK, ArchiveSlice
from assess_core.usecases.exhaust import write_exhaust
from benchmarks.data import ANSWERS, BATCH, FIRST, WEEKS, stores
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_ATTEMPTS: Final = 5_000_000
_COPIES: Final = {
    Format.PARQUET: "FORMAT parquet, COMPRESSION zstd",
    Format.CSV: "FORMAT csv, HEADER",
    Format.ZIP: "FORMAT csv, HEADER, COMPRESSION gzip",
}
"""The formats, and the nearest one that DuckDB writes. The limits read the first report."""
_BANK: Final = """
CREATE TABLE bank AS SELECT number, 'do_2130' || md5('q' || number) AS id,
    list_extract(['भारत की राजधानी क्या है? ', 'உலகம் நீர் வேதியியல்? ', 'সূর্য কোন দিকে ওঠে? ', 'Which is true? '],
        1 + number % 4) || repeat(md5('t' || number), 1 + number % 3) AS title,
    [map {'1': '{"text":"' || md5('a' || number) || '"}'}, map {'2': '{"text":"' || md5('b' || number) || '"}'},
        map {'3': '{"text":"none"}'}, map {'answer': '{"correct":["' || (1 + number % 3) || '"]}'}] AS params
FROM range(3000) AS numbers(number)
"""
_POOL: Final = f"""
CREATE TABLE pool AS SELECT answered, assessment, list({{
        'id': id, 'assess_ts': make_timestamptz({FIRST} * 1000), 'max_score': 1.0,
        'score': hash(answered, place) % 4 / 3, 'type': 'mcq', 'title': title,
        'resvalues': [params[1 + (hash(answered, place) % 3)::INTEGER]], 'params': params, 'description': '',
        'duration': (hash(place, answered) % 90)::DOUBLE
    }} ORDER BY id) AS question
FROM (
    SELECT answered, place, answered % 4 AS assessment,
        answered % 4 * 750 + (hash(answered) % 750 + place * 71)::BIGINT % 750 AS number
    FROM range($different) AS pool(answered), range({ANSWERS}) AS places(place)
) JOIN bank USING (number)
GROUP BY answered, assessment
ORDER BY answered
"""
# the next rows of a slice, by learner as archive writes them. No sort and no join touches an answer
_ROWS: Final = f"""
SELECT '{BATCH}' AS batch_id, $year::INTEGER AS year, $week::INTEGER AS week,
    format('{{:08x}}', learner) || left(md5('learner' || learner), 24) AS user_id,
    'do_31309287' AS course_id, 'do_2130' || assessment AS content_id, md5('attempt' || attempt) AS attempt_id,
    make_timestamptz(($start + attempt * 7) * 1000) AS last_attempted_on, true AS has_answers,
    unhex(md5('hash' || attempt)) AS content_hash, 5.0 AS total_score, {ANSWERS}.0 AS total_max_score,
    '5/{ANSWERS}' AS grand_total, make_timestamptz(($start + attempt * 7) * 1000) AS updated_on, question
FROM (
    SELECT *, $first + answered AS attempt,
        ($first - $begin + answered) * $learners // $rows + $part % greatest(1, $learners // $rows) AS learner
    FROM pool WHERE answered < $begin + $rows - $first
)
"""
_DIFFERENT: Final = 50_000
"""Different sets of answers, each in a hundred attempts: to make 5 million would take longer than to write them."""
_ATTEMPTS_OF_LEARNER: Final = 5
_PART: Final = 250_000
"""Attempts of one append."""


def _fill(home: Path, attempts: int) -> None:
    lake, learners = stores(home).lake, max(1, attempts // _ATTEMPTS_OF_LEARNER)
    with connect() as duck:
        duck.execute("SET memory_limit = '2GB'")
        duck.execute(_BANK)
        different = min(attempts, _DIFFERENT)
        duck.execute(_POOL, {"different": different})
        duck.execute("SET threads = 1")  # several would hand over the rows of the pool in another order
        for part, begin in enumerate(range(0, attempts, _PART)):
            start = FIRST + part % WEEKS * WEEK
            slice_ = ArchiveSlice.of(BATCH, start)
            end = min(begin + _PART, attempts)
            numbers = {
                "year": slice_.week.year, "week": slice_.week.week, "start": start - begin * 7, "part": part,
                "begin": begin, "rows": end - begin, "learners": learners,
            }  # fmt: skip
            readers = (
                duck.execute(_ROWS, {**numbers, "first": first}).to_arrow_reader(10_000)
                for first in range(begin, end, different)
            )
            batches = (batch for reader in readers for batch in reader.cast(LAKE_SCHEMA))
            lake.append(lake.pin(), {slice_}, pa.RecordBatchReader.from_batches(LAKE_SCHEMA, batches))


class _Nowhere:
    """A `ReportOutput` without a file: text of this size is made and hashed, and not stored."""

    path = os.devnull

    def write(self) -> AbstractContextManager[Path]:
        return nullcontext(Path(os.devnull))

    def beside(self, ending: str) -> None: ...

    def partial(self) -> "_Nowhere":
        return self

    def withdraw(self) -> None: ...


@contextmanager
def _written(home: Path, format_: Format) -> Iterator[Work]:
    opened, spec = stores(home), ReportSpec(report=Report.RESPONSE, batches=(BATCH,), format=format_)
    output = None if format_ is Format.PARQUET else _Nowhere()
    yield lambda: write_exhaust(opened, spec, output).path


@contextmanager
def _copied(report: str, home: Path, format_: Format) -> Iterator[Work]:
    target = str(home / "limit") if format_ is Format.PARQUET else os.devnull
    with connect() as duck:
        copy = f"COPY (FROM {literal(report)}) TO {literal(target)} ({_COPIES[format_]}, USE_TMP_FILE false)"
        yield lambda: duck.execute(copy).fetchall()


def large_rows(size: Size) -> list[Row]:
    """A row for each format."""
    attempts = size.of(_ATTEMPTS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        _fill(home, attempts)
        report = str(alone(_written, home, Format.PARQUET).result)
        return [_row(format_, attempts * ANSWERS, report, home, size) for format_ in _COPIES]


def _row(format_: Format, rows: int, report: str, home: Path, size: Size) -> Row:
    sides = {"ours": partial(alone, _written, home, format_), "limit": partial(alone, _copied, report, home, format_)}
    runs = in_turn(size, sides)
    limit = Side("COPY of the sorted rows from Parquet", rows, runs["limit"])
    return Row(f"large {format_}", "rows/s", Side("response report", rows, runs["ours"]), None, limit)
