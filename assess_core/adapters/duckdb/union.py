"""The union of hot store and lake as DuckDB views; reports, pages and answers are read from it."""

import hashlib
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
    sha256_of,
    urls,
)
from assess_core.adapters.duckdb.corrected import correct
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import (
    ALL_ATTEMPTS,
    ALL_VERSIONS,
    BATCH_NUMBERS,
    BY_BATCH,
    COPIES,
    RECEIVED,
    SELECTED,
    SLICES,
    STATES,
    WEEK_NUMBERS,
    WEEKLY_ACTIVITY,
    to_activity,
    to_received,
    to_slice,
    to_state,
    to_version,
)
from assess_core.adapters.duckdb.reports.columns import ATTEMPT
from assess_core.adapters.duckdb.reports.declared import DECLARED
from assess_core.adapters.duckdb.reports.overview import draw_pictures
from assess_core.adapters.duckdb.reports.picked import picked_sql
from assess_core.adapters.duckdb.reports.writing import write_report
from assess_core.adapters.error_text import first_line
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.chunks import chunks
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Correction
from assess_core.domain.report_spec import ReportSpec, Versions
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.ticket_diff import AttemptState
from assess_core.domain.tickets import HOT_ROWS, SealedFile
from assess_core.errors import ReportFailed, StoreUnavailable
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, LakeFile, Pinned, name_of
from assess_core.ports.names import Names
from assess_core.ports.reports import (
    BatchNumbers,
    HotRows,
    Packing,
    Pictures,
    Received,
    SliceRows,
    WeeklyActivity,
    WeekNumbers,
    WrittenReport,
)

_ROWS: Final = 1000
"""Rows that a query fetches at a time."""
_GROUP_BYTES: Final = 1024 * 1024
"""The size of a row group of spilled hot rows. DuckDB handles one group at a time per thread: with 250 attempts instead
of 2,048 the lines of a report need 55 MB instead of 265 MB, and three quarters of the time."""

_COLUMNS: Final = ", ".join(name for name in LAKE_SCHEMA.names if name != "question")

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
SELECT {ATTEMPT}, file_index, file_row_number, count(DISTINCT content_hash) OVER (PARTITION BY {ATTEMPT}) AS versions,
    year, week, last_attempted_on, has_answers, content_hash, total_score, total_max_score
FROM placed
QUALIFY row_number() OVER (
    PARTITION BY {ATTEMPT}
    ORDER BY last_attempted_on DESC, has_answers DESC, content_hash DESC, updated_on, file_index, file_row_number
) = 1;

CREATE VIEW newest AS
SELECT {_COLUMNS}, question, tier, versions
FROM placed JOIN (SELECT user_id, file_index, file_row_number, versions FROM winners)
    USING (user_id, file_index, file_row_number);
"""


@contextmanager
def open_union(
    hot: HotStore,
    lake: Lake,
    *,
    batches: Collection[str] | None = None,
    weeks: Collection[IsoWeek] | None = None,
    skip_unreadable: bool = False,
) -> Iterator["DuckUnion"]:
    """The union of the slices of some batches, or of some weeks, or of both; of all slices if neither is given.

    `skip_unreadable` leaves out the files of the lake that cannot be read: it reads every file to its end.
    With `weeks`, only the copies of those weeks are read, also of a version that was received in two weeks. Raises
    `ReportFailed` if a file of the lake cannot be read, `StoreUnavailable` if a store does not answer or disk or memory
    is full.
    """
    with temporary_folder("assess-union-") as folder:
        # rule 4: read the hot store first. Rows that a clear deletes from now on were in the lake before. The list of
        # slices only grows, so a slice that is not in the list yet is newer than this union
        spilled = _spill(_scan(hot, _slices(hot, batches, weeks)), Path(folder) / "hot.parquet")
        pinned = lake.pin()
        files = pinned.files(weeks)  # all of them: a report does not rely on a list of slices
        with connect(location_of(pinned)) as duck:
            union = DuckUnion(duck, pinned, files, spilled)
            if skip_unreadable:
                union.skip_unreadable()
            union.define(batches)
            yield union


def _slices(hot: HotStore, batches: Collection[str] | None, weeks: Collection[IsoWeek] | None) -> list[ArchiveSlice]:
    if batches is None:
        return hot.slices(weeks=weeks)
    return [slice_ for batch_id in batches for slice_ in hot.slices(batch_id=batch_id, weeks=weeks)]


def _scan(hot: HotStore, slices: Iterable[ArchiveSlice]) -> Iterator[pa.RecordBatch]:
    for slice_ in slices:
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


def _numbers(weeks: Collection[IsoWeek]) -> list[int]:
    """ISO weeks as the numbers that SQL compares: 202405."""
    return [week.year * 100 + week.week for week in weeks]


def _unit(spec: ReportSpec) -> str:
    """The columns that identify what a change concerns, for a report with rows or a page."""
    return DECLARED[spec.report].unit if spec.report in DECLARED else ATTEMPT


class DuckUnion:
    """A `ports.Union` over one DuckDB connection; queries can overlap, because each has its own cursor."""

    def __init__(
        self, duck: duckdb.DuckDBPyConnection, pinned: Pinned, files: Sequence[LakeFile], hot: Path | None = None
    ) -> None:
        """`hot` has the rows of the hot store; None if there are none."""
        self._pinned = pinned
        self._hot = hot
        self._place = location_of(pinned)
        self._duck = duck
        self._files = list(files)
        self.unreadable: list[str] = []

    @property
    def lake_version(self) -> int:
        return self._pinned.version

    def skip_unreadable(self) -> None:
        """Leave out the files that cannot be read."""
        problems = {file: self._problem(file) for file in self._files}
        self.unreadable = [f"the lake's file {file.url} cannot be read: {why}" for file, why in problems.items() if why]
        self._files = [file for file, why in problems.items() if not why]

    def define(self, batches: Collection[str] | None) -> None:
        """Create the views over the copies of these batches. DuckDB reads the schema of a file for them."""
        with self._named_errors():
            if batches and len(self._files) > 1:
                self._files = self._holding(batches)
            self._duck.execute(f"CREATE VIEW hot_rows AS {_hot_rows(self._hot)}")
            self._duck.execute(f"CREATE VIEW lake_rows AS {_lake_rows(self._files, batches)}")
            self._duck.execute(_VIEWS)

    def _holding(self, batches: Collection[str]) -> list[LakeFile]:
        """The files with rows of these batches.

        A query opens every file of its views, up to six times, so a lake of ten years would cost ten times as much as
        one of a year. This read opens each file once.
        """
        of_batches = ", ".join(map(literal, batches))
        files = urls(self._files)
        with cursor(self._duck) as duck:
            found = duck.execute(
                f"SELECT DISTINCT file_index FROM read_parquet({files}, hive_partitioning = false) "
                f"WHERE batch_id IN ({of_batches})"
            ).fetchall()
        return [self._files[number] for number in sorted(number for (number,) in found)]

    # SQL reads these views, and those below them in _VIEWS:
    #     copies    every row of both tiers, with `tier` ('hot' or 'lake')
    #     versions  one row per distinct version, from the copy with the earliest receipt
    #     newest    the newest version of each attempt key, and `versions`, the number of its distinct versions

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None, corrections: Sequence[Correction] = ()
    ) -> Iterator[dict[str, object]]:
        with self._named_errors(), cursor(self._duck) as duck:
            if corrections:
                correct(duck, corrections, _VIEWS)
            duck.execute(sql, dict(parameters or {}))
            names = [column[0] for column in duck.description or ()]
            while batch := duck.fetchmany(_ROWS):
                for row in batch:
                    yield dict(zip(names, row, strict=True))

    def slices(self) -> dict[ArchiveSlice, SliceRows]:
        return dict(map(to_slice, self.rows(SLICES)))

    def learners(self) -> Iterator[list[str]]:
        found = (cast(str, row["user_id"]) for row in self.rows("SELECT DISTINCT user_id FROM placed"))
        return chunks(found, _ROWS)

    def count_attempts(self, spec: ReportSpec) -> int:
        picked, parameters = picked_sql(spec, _unit(spec))
        # of the newest versions each attempt has one
        keys = f"SELECT DISTINCT {ATTEMPT} FROM ({picked})" if spec.versions is Versions.ALL else picked
        [row] = self.rows(f"SELECT count(*) AS attempts FROM ({keys})", parameters)
        return cast(int, row["attempts"])

    def lake_files(self) -> list[SealedFile]:
        read = self.rows("SELECT file_index, count(*) AS rows FROM lake_rows GROUP BY file_index ORDER BY file_index")
        counts = {cast(int, row["file_index"]): cast(int, row["rows"]) for row in read}
        files = [self._files[number] for number in counts]
        with self._named_errors():
            return [self._sealed(file, rows) for file, rows in zip(files, counts.values(), strict=True)]

    def _sealed(self, file: LakeFile, rows: int) -> SealedFile:
        sha256 = sha256_of(self._duck, file)
        if sha256 is None:
            raise ReportFailed(f"the lake's file {file.url} disappeared while it was read; write the report again")
        return SealedFile(name=name_of(file, self._pinned), rows=rows, bytes=file.bytes, sha256=sha256)

    def hot_rows(self) -> HotRows | None:
        if self._hot is None:
            return None
        [row] = self.rows("SELECT count(*) AS rows FROM hot_rows")
        with self._hot.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = self._hot.stat().st_size
        return HotRows(self._hot, SealedFile(name=HOT_ROWS, rows=cast(int, row["rows"]), bytes=size, sha256=digest))

    def attempts(self, spec: ReportSpec, corrections: Sequence[Correction] = ()) -> Iterator[AttemptState]:
        picked, parameters = picked_sql(spec, _unit(spec))
        return map(to_state, self.rows(STATES.format(picked=picked), parameters, corrections))

    def selected(self, spec: ReportSpec, *, is_ordered: bool = True) -> Iterator[AttemptVersion]:
        picked, parameters = picked_sql(spec, _unit(spec))
        sql = SELECTED.format(picked=picked)
        return map(to_version, self.rows(f"{sql} ORDER BY {BY_BATCH}" if is_ordered else sql, parameters))

    def write_report(
        self,
        spec: ReportSpec,
        target: Path,
        packing: Packing,
        names: Names | None = None,
        corrections: Sequence[Correction] = (),
    ) -> WrittenReport:
        with self._named_errors(), cursor(self._duck) as duck:
            if corrections or spec.originals:
                correct(duck, corrections, _VIEWS)
            return write_report(duck, spec, target, packing, names)

    def draw(self, spec: ReportSpec, names: Names | None = None, corrections: Sequence[Correction] = ()) -> Pictures:
        with self._named_errors(), cursor(self._duck) as duck:
            if corrections:
                correct(duck, corrections, _VIEWS)
            return draw_pictures(duck, spec, names)

    def batch_numbers(self, corrections: Sequence[Correction] = ()) -> BatchNumbers:
        [row] = self.rows(BATCH_NUMBERS, corrections=corrections)
        return msgspec.convert(row, BatchNumbers)

    def week_numbers(self) -> list[WeekNumbers]:
        return [msgspec.convert(row, WeekNumbers) for row in self.rows(WEEK_NUMBERS)]

    def all_attempts(self, corrections: Sequence[Correction] = ()) -> Iterator[AttemptVersion]:
        return map(to_version, self.rows(ALL_ATTEMPTS, corrections=corrections))

    def all_versions(self) -> Iterator[AttemptVersion]:
        return map(to_version, self.rows(ALL_VERSIONS))

    def copies(self, tier: str) -> Iterator[AttemptVersion]:
        return map(to_version, self.rows(COPIES, {"tier": tier}))

    def received(self, weeks: Collection[IsoWeek]) -> Iterator[Received]:
        return map(to_received, self.rows(RECEIVED, {"weeks": _numbers(weeks)}))

    def weekly_activity(
        self, weeks: Collection[IsoWeek], without: Collection[bytes], corrections: Sequence[Correction] = ()
    ) -> list[WeeklyActivity]:
        parameters = {"weeks": _numbers(weeks), "without": list(without)}
        return list(map(to_activity, self.rows(WEEKLY_ACTIVITY, parameters, corrections)))

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
