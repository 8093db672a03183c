"""The response exhaust of a batch of 1,000,000 answers, from the hot store and from the lake.

The limit is DuckDB's COPY of the report's own rows from memory, already unnested and sorted. The peer in the lake is
the Spark job of `deploy/spark`. Ours waits for the disk (fsync), the limit does not. The bytes of both tiers and of
the limit are compared.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.adapters.duckdb.connection import connect, literal
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from benchmarks import spark
from benchmarks.data import ANSWERS, BATCH, NOW, events, fill_rows, stores
from benchmarks.measure import Run, Work, alone
from benchmarks.row import Missing, Row, Side, Size, in_turn

_ROWS: Final = 1_000_000


@contextmanager
def _ours(home: Path) -> Iterator[Work]:
    opened = stores(home)
    yield lambda: write_exhaust(opened, ReportSpec(report=Report.RESPONSE, batches=(BATCH,))).path


@contextmanager
def _limit(home: Path, report: Path) -> Iterator[Work]:
    """COPY of the report's own rows, read back into memory with their types."""
    target = home / "limit.csv"
    numbers = ("Question Duration", "Question Score", "Question Max Score")
    typed = ", ".join(f'"{name}"::DOUBLE AS "{name}"' for name in numbers)
    with connect() as duck:
        # completely in memory: a table that spills to disk would be slower than the limit
        duck.execute("SET memory_limit = '4GB'")
        duck.execute(
            f"CREATE TABLE exploded AS SELECT * REPLACE ({typed}) FROM read_csv({literal(str(report))}, header = true, "
            "all_varchar = true, allow_quoted_nulls = false, quote = '\"', escape = '\"')"
        )

        def copy() -> str:
            duck.execute(f"COPY exploded TO {literal(str(target))} (FORMAT csv, HEADER)")
            return str(target)

        yield copy


def _with_digest(run: Run) -> Run:
    with Path(str(run.result)).open("rb") as file:
        return run._replace(result=hashlib.file_digest(file, "sha256").hexdigest())


def exhaust_rows(size: Size) -> list[Row]:
    """The same report while its rows are hot, and after they were archived and cleared."""
    attempts = size.of(_ROWS // ANSWERS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        fill_rows(home, events(attempts, courses=1, batches=1))
        report = Path(str(alone(_ours, home).result))
        sides = {
            "ours": lambda: _with_digest(alone(_ours, home)),
            "limit": lambda: _with_digest(alone(_limit, home, report)),
        }
        hot = in_turn(size, sides)
        _move(home)
        note = ""
        try:
            spark.required()
            table, target = home / "lake" / "attempts", home / "spark"
            peer = {"peer": partial(alone, spark.reporting, table, BATCH, target)}
        except Missing as missing:
            peer, note = {}, f"no peer: {missing}"
        lake = in_turn(size, {**sides, **peer})
    digests = {run.result for runs in (*hot.values(), lake["ours"], lake["limit"]) for run in runs}
    assert len(digests) == 1, "the reports differ"
    rows = attempts * ANSWERS
    return [_row("exhaust-hot", rows, hot), _row("exhaust-lake", rows, lake, note)]


def _row(name: str, rows: int, runs: dict[str, list[Run]], note: str = "") -> Row:
    peer = Side("the Spark job, local[2], started before", rows, runs["peer"]) if "peer" in runs else None
    limit = Side("COPY of the sorted rows from memory", rows, runs["limit"])
    return Row(name, "rows/s", Side("response report", rows, runs["ours"]), peer, limit, note)


def _move(home: Path) -> None:
    opened = stores(home)
    slices = opened.hot.slices()
    for step in (archive, verify, clear):
        step(slices, opened, NOW)
