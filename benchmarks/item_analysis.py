"""Item and option analysis of attempts of 10 answers in the lake. The limit counts all answers in the same files."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import connect
from assess_core.adapters.duckdb.union import open_union
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.lake import Lake
from assess_core.ports.reports import Packing
from benchmarks.data import stores
from benchmarks.measure import Work, alone
from benchmarks.row import Row, Side, Size, in_turn

_BATCH: Final = "b1"
_FIRST: Final = IsoWeek(2024, 5).start
_CHUNK: Final = 50_000
_ATTEMPTS: Final = 1_000_000
# half of the learners choose the key; question 4 has partial marks
_SELECT_ATTEMPTS: Final = """
SELECT $batch AS batch_id, 2024::INTEGER AS year, 5::INTEGER AS week, printf('u%08d', n) AS user_id,
    'do_1130928636168192001667' AS course_id, 'do_' || (n % 4) AS content_id, printf('t%08d', n) AS attempt_id,
    moment AS last_attempted_on, true AS has_answers, unhex(md5(n::VARCHAR)) AS content_hash,
    list_sum(list_transform(question, lambda q: q.score)) AS total_score, 10.0::DOUBLE AS total_max_score,
    '' AS grand_total, moment AS updated_on, question
FROM (
    SELECT n, moment, list_transform(range(10), lambda q: {
        'id': printf('do_21301945447545%04d', q), 'assess_ts': moment, 'max_score': 1.0::DOUBLE,
        'score': (CASE WHEN (n * 31 + q * 17) % 97 < n % 90 THEN 1 WHEN q = 3 THEN n % 10 / 10 ELSE 0 END)::DOUBLE,
        'type': 'mcq', 'title': 'What is the volume of a sphere of radius ' || q || '?',
        'resvalues': [MAP {(CASE WHEN (n * 31 + q * 17) % 97 < n % 90 THEN 1 ELSE 2 + n % 3 END)::VARCHAR: '{}'}],
        'params': [MAP {'1': '{"text":"one"}'}, MAP {'2': '{"text":"two"}'}, MAP {'3': '{"text":"three"}'},
            MAP {'4': '{"text":"four"}'}, MAP {'answer': '{"correct":["1"]}'}],
        'description': NULL::VARCHAR, 'duration': (n % 90)::DOUBLE
    }) AS question
    FROM (SELECT n, make_timestamptz(($first::BIGINT + n) * 1000) AS moment FROM range($begin, $end) AS t(n))
)
"""


def _fill(lake: Lake, attempts: int) -> None:
    with connect() as duck:
        for begin in range(0, attempts, _CHUNK):
            parameters = {"batch": _BATCH, "first": _FIRST, "begin": begin, "end": min(begin + _CHUNK, attempts)}
            rows = duck.execute(_SELECT_ATTEMPTS, parameters).to_arrow_table().cast(LAKE_SCHEMA)
            lake.append(lake.pin(), {ArchiveSlice(IsoWeek(2024, 5), _BATCH)}, rows.to_reader())


@contextmanager
def _analysis(home: Path, report: Report | None) -> Iterator[Work]:
    opened = stores(home)
    with open_union(opened.hot, opened.lake, batches=[_BATCH]) as union:
        if report is None:
            yield lambda: list(union.rows("SELECT sum(len(question)) FROM lake_rows"))
        else:
            yield partial(
                union.write_report,
                ReportSpec(report=report, batches=(_BATCH,)),
                home / "out.csv",
                Packing("out.csv"),
            )


def analysis_rows(size: Size) -> list[Row]:
    """Both analyses, each in its own process."""
    attempts = size.of(_ATTEMPTS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        _fill(stores(home).lake, attempts)
        reports = {str(report): report for report in (Report.ITEM_ANALYSIS, Report.OPTION_ANALYSIS)}
        sides = {name: partial(alone, _analysis, home, report) for name, report in {**reports, "count": None}.items()}
        runs = in_turn(size, sides)
    limit = Side("a count of all answers", attempts, runs["count"])
    return [Row(name, "attempts/s", Side("analysis", attempts, runs[name]), None, limit) for name in reports]
