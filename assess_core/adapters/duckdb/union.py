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
from assess_core.adapters.arrow.rows import HOT_SCHEMA
from assess_core.adapters.duckdb.connection import (
    UNREADABLE,
    connect,
    cursor,
    failure_of,
    literal,
    sha256_of,
    urls,
)
from assess_core.adapters.duckdb.corrected import correct
from assess_core.adapters.duckdb.in_order import COPIES, NEWEST, VERSIONS, InOrder, selected
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.questions import (
    BATCH_NUMBERS,
    FETCHED,
    RECEIVED,
    SELECTED,
    SLICES,
    STATES,
    WEEK_NUMBERS,
    WEEKLY_ACTIVITY,
    rows_by_name,
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
from assess_core.adapters.duckdb.views import VIEWS, Placed, hot_rows, kept_rows, lake_rows, views_of
from assess_core.adapters.error_text import first_line
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.chunks import chunks
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.corrections import Correction
from assess_core.domain.report_spec import ReportSpec
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.domain.ticket_diff import AttemptState
from assess_core.domain.tickets import HOT_ROWS, SealedFile
from assess_core.errors import ReportFailed, StoreUnavailable
from assess_core.ports.cancelling import checkpoint
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, LakeFile, Pinned, name_of
from assess_core.ports.names import Names
from assess_core.ports.pinning import pin_needed
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

_GROUP_BYTES: Final = 1024 * 1024
"""The size of a row group of spilled hot rows. DuckDB handles one group at a time per thread: with 250 attempts instead
of 2,048 the lines of a report need 55 MB instead of 265 MB, and three quarters of the time."""

FEW_ROWS: Final = 500
"""Up to so many rows are copied into a table. A score report of few attempts takes 37 ms of CPU time and not 46, and
with corrections 20 ms less. With 1,500 rows of ten answers, the copy takes as long as it saves."""

_OF_REPORTS: Final = "FROM placed JOIN winners"
"""What the queries of `reports` read."""


@contextmanager
def open_union(
    hot: HotStore,
    lake: Lake,
    *,
    batches: Collection[str] | None = None,
    weeks: Collection[IsoWeek] | None = None,
    skip_unreadable: bool = False,
    scores: bool = False,
    answers: bool = True,
) -> Iterator["DuckUnion"]:
    """The union of the slices of some batches, or of some weeks, or of both; of all slices if neither is given.

    `skip_unreadable` leaves out the files of the lake that cannot be read: it reads every file to its end. `scores`
    adds the scores that the lake keeps without answers. Without `answers`, hot rows have none.
    With `weeks`, only the copies of those weeks are read, also of a version that was received in two weeks. Raises
    `ReportFailed` if a file of the lake cannot be read, `StoreUnavailable` if a store does not answer or disk or memory
    is full.
    """
    with temporary_folder("assess-union-") as folder:
        # rule 4: read the hot store first. Rows that a clear deletes from now on were in the lake before. The list of
        # slices only grows, so a slice that is not in the list yet is newer than this union
        spilled = _spill(_scan(hot, _slices(hot, batches, weeks), answers), Path(folder) / "hot.parquet")
        pinned = pin_needed(hot, lake)
        files = pinned.files(weeks)  # all of them: a report does not rely on a list of slices
        # after `attempts`: rows that a drop deletes from now on were pinned, and those that it deleted have scores here
        kept = lake.pin_scores().files(weeks) if scores else []
        size = sum(file.bytes for file in (*files, *kept)) + (spilled.stat().st_size if spilled else 0)
        with connect(location_of(pinned), size=size) as duck:
            union = DuckUnion(duck, pinned, files, spilled, kept)
            if skip_unreadable:
                union.skip_unreadable()
            union.define(batches)
            yield union


def _slices(hot: HotStore, batches: Collection[str] | None, weeks: Collection[IsoWeek] | None) -> list[ArchiveSlice]:
    if batches is None:
        return hot.slices(weeks=weeks)
    return [slice_ for batch_id in batches for slice_ in hot.slices(batch_id=batch_id, weeks=weeks)]


def _scan(hot: HotStore, slices: Iterable[ArchiveSlice], answers: bool) -> Iterator[pa.RecordBatch]:
    for slice_ in slices:
        for shard in hot.scan(slice_, answers=answers):
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


def _numbers(weeks: Collection[IsoWeek]) -> list[int]:
    """ISO weeks as the numbers that SQL compares: 202405."""
    return [week.year * 100 + week.week for week in weeks]


def _unit(spec: ReportSpec) -> str:
    """The columns that identify what a change concerns, for a report with rows or a page."""
    return DECLARED[spec.report].unit if spec.report in DECLARED else ATTEMPT


class DuckUnion:
    """A `ports.Union` over one DuckDB connection; queries can overlap, because each has its own cursor."""

    def __init__(
        self,
        duck: duckdb.DuckDBPyConnection,
        pinned: Pinned,
        files: Sequence[LakeFile],
        hot: Path | None = None,
        kept: Sequence[LakeFile] = (),
    ) -> None:
        """`hot` has the rows of the hot store; None if there are none. `kept`: files of kept scores."""
        self._pinned = pinned
        self._hot = hot
        self._place = location_of(pinned)
        self._duck = duck
        self._files = list(files)
        self._kept = list(kept)
        self._placed = Placed(is_table=False, sides=())
        self._is_defined = False
        self._created: set[str] = set()
        self.unreadable: list[str] = []

    @property
    def lake_version(self) -> int:
        return self._pinned.version

    def skip_unreadable(self) -> None:
        """Leave out the files that cannot be read."""
        problems = {file: self._problem(file) for file in (*self._files, *self._kept)}
        self.unreadable = [f"the lake's file {file.url} cannot be read: {why}" for file, why in problems.items() if why]
        self._files = [file for file in self._files if not problems[file]]
        self._kept = [file for file in self._kept if not problems[file]]

    def define(self, batches: Collection[str] | None) -> None:
        """Create `placed`, the copies of these batches. DuckDB reads the files for it, or at least a schema."""
        with self._named_errors():
            if batches:
                self._files, self._kept = self._holding(batches, self._files), self._holding(batches, self._kept)
            self._duck.execute(f"CREATE VIEW hot_rows AS {hot_rows(self._hot)}")
            self._duck.execute(f"CREATE VIEW lake_rows AS {lake_rows(self._files, batches)}")
            self._duck.execute(f"CREATE VIEW kept_rows AS {kept_rows(self._kept, batches, len(self._files))}")
            self._placed = self._to_place()
            self._duck.execute(f"CREATE {self._placed.sql}")  # finds a damaged file now
            self._is_defined = True

    def _create(self, sql: str) -> None:
        """Create the views that a statement reads. A page has none: its statements read files."""
        for name in views_of(sql) if self._is_defined else ():
            if name not in self._created:  # DuckDB plans the query of a view also if the view exists
                self._duck.execute(f"CREATE VIEW IF NOT EXISTS {name} AS {VIEWS[name]}")
                self._created.add(name)

    def _prepare(self, duck: duckdb.DuckDBPyConnection, sql: str, corrections: Sequence[Correction]) -> None:
        """Create the views that a statement on this cursor reads."""
        if corrections:
            correct(duck, corrections, self._placed)
        else:
            self._create(sql)

    def _to_place(self) -> Placed:
        rows = sum(file.rows for file in (*self._files, *self._kept))
        rows += pq.read_metadata(self._hot).num_rows if self._hot else 0
        sides = {"hot_rows": self._hot, "lake_rows": self._files, "kept_rows": self._kept}
        return Placed(rows <= FEW_ROWS, [name for name, files in sides.items() if files])

    def _holding(self, batches: Collection[str], among: list[LakeFile]) -> list[LakeFile]:
        """The files with rows of these batches, if there is more than one.

        A query opens every file of its views, up to six times, so a lake of ten years would cost ten times as much as
        one of a year. This read opens each file once.
        """
        if len(among) < 2:
            return among
        of_batches = ", ".join(map(literal, batches))
        files = urls(among)
        with cursor(self._duck) as duck:
            found = duck.execute(
                f"SELECT DISTINCT file_index FROM read_parquet({files}, hive_partitioning = false) "
                f"WHERE batch_id IN ({of_batches})"
            ).fetchall()
        return [among[number] for number in sorted(number for (number,) in found)]

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None, corrections: Sequence[Correction] = ()
    ) -> Iterator[dict[str, object]]:
        with self._named_errors(), cursor(self._duck) as duck:
            self._prepare(duck, sql, corrections)
            duck.execute(sql, dict(parameters or {}))
            yield from rows_by_name(duck)

    def slices(self) -> dict[ArchiveSlice, SliceRows]:
        return dict(map(to_slice, self.rows(SLICES)))

    def learners(self) -> Iterator[list[str]]:
        found = (cast(str, row["user_id"]) for row in self.rows("SELECT DISTINCT user_id FROM placed"))
        return chunks(found, FETCHED)

    def lake_files(self) -> list[SealedFile]:
        read = self.rows("""SELECT file_index, count(*) AS rows FROM placed WHERE tier <> 'hot'
            GROUP BY file_index ORDER BY file_index""")
        counts = {cast(int, row["file_index"]): cast(int, row["rows"]) for row in read}
        files = [[*self._files, *self._kept][number] for number in counts]
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
        if is_ordered:
            return self._in_order(selected(picked), parameters)
        return map(to_version, self.rows(SELECTED.format(picked=picked), parameters))

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
                correct(duck, corrections, self._placed)
            else:
                self._create(_OF_REPORTS)
            return write_report(duck, spec, target, packing, names)

    def draw(self, spec: ReportSpec, names: Names | None = None, corrections: Sequence[Correction] = ()) -> Pictures:
        with self._named_errors(), cursor(self._duck) as duck:
            if corrections or self._kept:
                correct(duck, corrections, self._placed, with_kept=False)  # pictures show answers
            else:
                self._create(_OF_REPORTS)
            return draw_pictures(duck, spec, names)

    def batch_numbers(self, corrections: Sequence[Correction] = ()) -> BatchNumbers:
        [row] = self.rows(BATCH_NUMBERS, corrections=corrections)
        return msgspec.convert(row, BatchNumbers)

    def week_numbers(self) -> list[WeekNumbers]:
        return [msgspec.convert(row, WeekNumbers) for row in self.rows(WEEK_NUMBERS)]

    def all_attempts(self, corrections: Sequence[Correction] = ()) -> Iterator[AttemptVersion]:
        return self._in_order(NEWEST, corrections=corrections)

    def all_versions(self) -> Iterator[AttemptVersion]:
        return self._in_order(VERSIONS)

    def copies(self, tier: str) -> Iterator[AttemptVersion]:
        return self._in_order(COPIES, {"tier": tier})

    def _in_order(
        self, wanted: InOrder, parameters: Mapping[str, object] | None = None, corrections: Sequence[Correction] = ()
    ) -> Iterator[AttemptVersion]:
        with self._named_errors(), cursor(self._duck) as duck:
            self._prepare(duck, wanted.sql, corrections)
            yield from map(to_version, wanted.read(duck, parameters or {}))

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
            for file in (*self._files, *self._kept):
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
