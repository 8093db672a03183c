"""The union of hot store and lake as DuckDB views; reports, pages and answers are read from it."""

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, cast

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from assess_core.adapters.arrow.hot_rows import gathered
from assess_core.adapters.arrow.rows import HOT_SCHEMA, LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import (
    UNREADABLE,
    connect,
    cursor,
    failure_of,
    literal,
    parquet,
)
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import (
    ALL_ATTEMPTS,
    BATCH_NUMBERS,
    COPIES,
    RECEIVED,
    WEEK_NUMBERS,
    WEEKLY_ACTIVITY,
    to_activity,
    to_received,
    to_version,
)
from assess_core.adapters.duckdb.reports.columns import chosen, copy_options, report_sql
from assess_core.adapters.duckdb.reports.declared import DECLARED
from assess_core.adapters.duckdb.reports.lines import can_write, header_line, numbered_sql, records_sql
from assess_core.adapters.duckdb.reports.picked import REPORTED, picked_sql
from assess_core.adapters.error_text import first_line
from assess_core.adapters.files.records import Records
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_spec import ReportSpec
from assess_core.domain.slices import IsoWeek
from assess_core.errors import ReportFailed, StoreUnavailable
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, LakeFile, Pinned
from assess_core.ports.reports import BatchNumbers, Received, WeeklyActivity, WeekNumbers

_ROWS: Final = 1000
"""Rows that a query fetches at a time."""
_PARTS: Final = 16
"""The parts of a report that is too large for the memory. The files are read once for each part."""
_VERSIONS: Final = {"duckdb": duckdb.__version__}
"""The versions that the bytes of a Parquet report depend on."""
_GROUP_BYTES: Final = 1024 * 1024
"""The size of a row group of spilled hot rows. DuckDB handles one group at a time per thread: with 250 attempts instead
of 2,048 the lines of a report need 55 MB instead of 265 MB, and three quarters of the time."""

_COLUMNS: Final = ", ".join(name for name in LAKE_SCHEMA.names if name != "question")
_KEY: Final = "user_id, course_id, batch_id, content_id, attempt_id"

# A copy has a place: the number of its file and its row there. Hot rows have file number -1, so they win every tie.
# Winners are picked by narrow columns. Then DuckDB reads `question`, nearly all of a row, only for the winners: a sort
# or a window over `question` takes 4 times as long. The join names the learner, so a filter on it reaches both sides.
_VIEWS: Final = f"""
CREATE VIEW placed AS
SELECT * REPLACE (question_of(question) AS question), 'hot' AS tier FROM hot_rows
UNION ALL BY NAME SELECT *, 'lake' AS tier FROM lake_rows;

CREATE VIEW copies AS SELECT {_COLUMNS}, question, tier FROM placed;

CREATE VIEW versions AS
WITH first_copy AS (
    SELECT user_id, file_index, file_row_number FROM placed
    QUALIFY row_number() OVER (
        PARTITION BY user_id, content_hash ORDER BY updated_on, file_index, file_row_number
    ) = 1
)
SELECT {_COLUMNS}, question, tier FROM placed JOIN first_copy USING (user_id, file_index, file_row_number);

CREATE VIEW winners AS
SELECT {_KEY}, file_index, file_row_number, count(DISTINCT content_hash) OVER (PARTITION BY {_KEY}) AS versions,
    year, week, last_attempted_on, has_answers, total_score, total_max_score
FROM placed
QUALIFY row_number() OVER (
    PARTITION BY {_KEY}
    ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC, updated_on, file_index, file_row_number
) = 1;

CREATE VIEW newest AS
SELECT {_COLUMNS}, question, tier, versions
FROM placed JOIN (SELECT user_id, file_index, file_row_number, versions FROM winners)
    USING (user_id, file_index, file_row_number);
"""


@contextmanager
def open_union(
    hot: HotStore, lake: Lake, *, batches: Collection[str] | None = None, weeks: Collection[IsoWeek] | None = None
) -> Iterator["DuckUnion"]:
    """The union of the slices of some batches, or of some weeks, or of both; of all slices if neither is given.

    With `weeks`, only the copies of those weeks are read, also of a version that was received in two weeks. Raises
    `ReportFailed` if a file of the lake cannot be read, `StoreUnavailable` if a store does not answer or disk or memory
    is full.
    """
    with temporary_folder("assess-union-") as folder:
        # rule 4: read the hot store first. Rows that a clear deletes from now on were in the lake before. The list of
        # slices only grows, so a slice that is not in the list yet is newer than this union
        spilled = _spill(_scan(hot, batches, weeks), Path(folder) / "hot.parquet")
        pinned = lake.pin()
        files = pinned.files(weeks)
        with connect(location_of(pinned)) as duck:
            union = DuckUnion(duck, pinned, files)
            union.define(_hot_rows(spilled), _lake_rows(files, batches))
            yield union


def _scan(
    hot: HotStore, batches: Collection[str] | None, weeks: Collection[IsoWeek] | None
) -> Iterator[pa.RecordBatch]:
    for batch_id in [None] if batches is None else batches:
        for slice_ in hot.slices(batch_id=batch_id, weeks=weeks):
            for shard in hot.scan(slice_):
                for rows in shard:
                    checkpoint()
                    yield rows


def _spill(batches: Iterable[pa.RecordBatch], target: Path) -> Path | None:
    """Write the hot rows to a file; returns None if there are none.

    pyarrow writes Parquet: 100,000 attempts of 4.4 kB take 0.4 s and 100 MB. A DuckDB table takes 1.4 s and 560 MB.
    All DuckDB threads can read the file, and the store's iterator stays in the thread that opened it.
    """
    writer: pq.ParquetWriter | None = None
    try:
        for group in gathered(batches, size=_GROUP_BYTES):
            if writer is None:
                writer = pq.ParquetWriter(
                    target,
                    HOT_SCHEMA,
                    compression="lz4",
                    use_dictionary=["batch_id", "course_id"],
                    write_statistics=[name for name in HOT_SCHEMA.names if name != "question"],
                )
            writer.write_table(group, row_group_size=max(1, group.num_rows * _GROUP_BYTES // max(1, group.nbytes)))
        if writer is not None:
            writer.close()
    except OSError as error:
        raise StoreUnavailable(
            f"no room to spill hot rows to {target.parent} ({error}); free some, or set TMPDIR"
        ) from error
    return target if writer is not None else None


def _hot_rows(spilled: Path | None) -> str:
    """The SQL of the hot copies, each with its place; `question` is JSON text."""
    if spilled is None:
        return f"SELECT * REPLACE (NULL::VARCHAR AS question) FROM {parquet([], place=True)}"
    path = literal(str(spilled))
    return f"SELECT {_COLUMNS}, question, -1::BIGINT AS file_index, file_row_number FROM read_parquet({path})"


def _lake_rows(files: Sequence[LakeFile], batches: Collection[str] | None) -> str:
    """The lake's copies with their places; `question` is nested."""
    of_batches = ""
    if batches is not None:
        of_batches = f" WHERE batch_id IN ({', '.join(map(literal, batches))})" if batches else " WHERE false"
    return f"SELECT * FROM {parquet(files, place=True)}{of_batches}"


def _in_parts(duck: duckdb.DuckDBPyConnection, sql: str, folder: Path, parts: int) -> list[Path]:
    """Write the records of a query part by part, each into a folder; returns the folders."""
    folder.mkdir()
    folders = [folder / str(part) for part in range(parts)]
    for part, target in enumerate(folders):
        statement = f"COPY ({sql}) TO {literal(str(target))} (FORMAT blob, PER_THREAD_OUTPUT)"
        duck.execute(statement, {"parts": parts, "part": part})
    return folders


def _numbers(weeks: Collection[IsoWeek]) -> list[int]:
    """ISO weeks as the numbers that SQL compares: 202405."""
    return [week.year * 100 + week.week for week in weeks]


class DuckUnion:
    """A `ports.Union` over one DuckDB connection; queries can overlap, because each has its own cursor."""

    def __init__(self, duck: duckdb.DuckDBPyConnection, pinned: Pinned, files: Sequence[LakeFile]) -> None:
        self.lake_version = pinned.version
        self._place = location_of(pinned)
        self._duck = duck
        self._files = files

    def define(self, hot_rows: str, lake_rows: str) -> None:
        """Create the views over the copies of each tier. DuckDB reads the schema of a file for them."""
        with self._named_errors():
            self._duck.execute(f"CREATE VIEW hot_rows AS {hot_rows}")
            self._duck.execute(f"CREATE VIEW lake_rows AS {lake_rows}")
            self._duck.execute(_VIEWS)

    # SQL sees three views:
    #     copies    every row of both tiers, with `tier` ('hot' or 'lake')
    #     versions  one row per distinct version, from the copy with the earliest receipt
    #     newest    the newest version of each attempt key, and `versions`, the number of its distinct versions

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[dict[str, object]]:
        with self._named_errors(), cursor(self._duck) as duck:
            duck.execute(sql, dict(parameters or {}))
            names = [column[0] for column in duck.description or ()]
            while batch := duck.fetchmany(_ROWS):
                for row in batch:
                    yield dict(zip(names, row, strict=True))

    def batches(self) -> set[str]:
        return {str(row["batch_id"]) for row in self.rows("SELECT DISTINCT batch_id FROM copies")}

    def count_attempts(self, spec: ReportSpec) -> int:
        picked, parameters = picked_sql(spec)
        [row] = self.rows(f"SELECT count(*) AS attempts FROM (SELECT DISTINCT {_KEY} FROM ({picked}))", parameters)
        return cast(int, row["attempts"])

    def write_report(self, spec: ReportSpec, target: Path) -> int:
        return self._write_lines(spec, target) if can_write(spec) else self._write_rows(spec, target)

    def batch_numbers(self) -> BatchNumbers:
        [row] = self.rows(BATCH_NUMBERS)
        return msgspec.convert(row, BatchNumbers)

    def week_numbers(self) -> list[WeekNumbers]:
        return [msgspec.convert(row, WeekNumbers) for row in self.rows(WEEK_NUMBERS)]

    def all_attempts(self) -> Iterator[AttemptVersion]:
        return map(to_version, self.rows(ALL_ATTEMPTS))

    def copies(self, tier: str) -> Iterator[AttemptVersion]:
        return map(to_version, self.rows(COPIES, {"tier": tier}))

    def received(self, weeks: Collection[IsoWeek]) -> Iterator[Received]:
        return map(to_received, self.rows(RECEIVED, {"weeks": _numbers(weeks)}))

    def weekly_activity(self, weeks: Collection[IsoWeek], without: Collection[bytes]) -> list[WeeklyActivity]:
        parameters = {"weeks": _numbers(weeks), "without": list(without)}
        return list(map(to_activity, self.rows(WEEKLY_ACTIVITY, parameters)))

    def _write_lines(self, spec: ReportSpec, target: Path) -> int:
        with temporary_folder("assess-report-") as folder:
            records = self._records(spec, Path(folder))
            with target.open("wb") as file:
                file.write(header_line(spec))
                for lines in records.in_order():
                    checkpoint()
                    file.write(lines)
        return records.rows

    def _records(self, spec: ReportSpec, folder: Path) -> Records:
        """The lines of each attempt, numbered in the order of the report; each thread of DuckDB writes a file."""
        picked, parameters = picked_sql(spec)
        with self._named_errors(), cursor(self._duck) as duck:
            duck.execute(numbered_sql(picked), parameters)
            [(attempts,)] = duck.execute("SELECT count(*) FROM numbered").fetchall()
            sql = records_sql(spec)
            try:
                folders = _in_parts(duck, sql, folder / "whole", 1)
            except duckdb.OutOfMemoryException:
                shutil.rmtree(folder / "whole", ignore_errors=True)
                folders = _in_parts(duck, sql, folder / "parts", _PARTS)
        return Records([file for each in folders for file in each.iterdir()], attempts)

    def _write_rows(self, spec: ReportSpec, target: Path) -> int:
        declared = DECLARED[spec.report]
        picked, parameters = picked_sql(spec)
        with self._named_errors(), cursor(self._duck) as duck:
            duck.execute(f"CREATE TEMP TABLE picked AS {picked}", parameters)
            duck.execute(REPORTED)
            for statement in declared.prepare(spec):
                duck.execute(statement)
            columns = chosen(declared, declared.more(lambda sql: duck.execute(sql).fetchall()), spec)
            # if DuckDB fails, its own temporary file would be left behind
            options = f"{copy_options(spec.format, _VERSIONS)}, USE_TMP_FILE false"
            sql = f"COPY ({report_sql(declared, columns, spec)}) TO {literal(str(target))} ({options})"
            written = duck.execute(sql).fetchone()
        return int(written[0]) if written else 0

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Translate errors of DuckDB to ours. They name the lake's unreadable file, if there is one."""
        try:
            yield
        except UNREADABLE as error:
            checkpoint()  # an interrupted query does not mean that a file is damaged
            if fault := self._place.fault(error):
                raise fault from error
            for file in self._files:
                if problem := self._problem(file):
                    raise ReportFailed(
                        f"the lake's file {file.url} cannot be read, so nothing was reported: {problem}; "
                        "restore the file, or the lake, from a copy and try again"
                    ) from error
            if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
                raise StoreUnavailable(f"no room to finish: {first_line(error)}; free some disk or memory") from error
            raise

    def _problem(self, file: LakeFile) -> str | None:
        """Why a file of the lake cannot be read to its end."""
        error = failure_of(self._duck, file)
        if error is None:
            return None
        if fault := self._place.fault(error):
            raise fault from error
        return "it is missing" if self._place.is_missing(file.url, error) else first_line(error)
