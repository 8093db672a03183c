"""Entries of the archive manifest as rows of a table."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.manifest_files import FIRST, LAST, ManifestFile, week_range
from assess_core.domain.manifest import UNCHAINED, Action, Contents, Link, ManifestEntry
from assess_core.domain.moments import millis
from assess_core.domain.slices import ArchiveSlice, IsoWeek

MANIFEST_SCHEMA: Final = pa.schema(
    [
        ("batch_id", pa.string()),
        ("year", pa.int32()),
        ("week", pa.int32()),
        ("action", pa.string()),
        ("delta_version", pa.int64()),
        ("rows", pa.int64()),
        ("versions", pa.int64()),
        ("attempts", pa.int64()),
        ("total_score", pa.float64()),
        ("digest", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("code", pa.string()),
        ("cleared", pa.int64()),
        ("left", pa.int64()),
        ("files", pa.map_(pa.string(), pa.string())),
        ("problem", pa.string()),
        ("number", pa.int64()),
        ("previous", pa.string()),
        ("hash", pa.string()),
    ]
)
"""A row of `archive_manifest`: the fields of `manifest.ManifestEntry`."""

_SLICE: Final = ["batch_id", "year", "week"]
_SMALL: Final = 100
"""Rows of a row group whose other columns cost less than a second read."""


def to_table(entries: Sequence[ManifestEntry]) -> pa.Table:
    """Entries as a table of `MANIFEST_SCHEMA`."""
    return pa.Table.from_pylist(
        [dict(zip(MANIFEST_SCHEMA.names, _values(entry), strict=True)) for entry in entries], MANIFEST_SCHEMA
    )


def _values(entry: ManifestEntry) -> tuple[object, ...]:
    (year, week), batch_id = entry.slice
    place = (batch_id, year, week, entry.action.value, entry.delta_version)
    done = (entry.at * 1000, entry.code, entry.cleared, entry.left, entry.files, entry.problem)
    return (*place, *entry.contents, *done, entry.number, entry.previous, entry.hash)


def read_entries(
    place: Location,
    files: Iterable[ManifestFile],
    slices: Collection[ArchiveSlice] | None = None,
    batch_id: str | None = None,
) -> list[ManifestEntry]:
    """Entries of the manifest's files at a place, oldest first: of these slices, of a batch, or all.

    Raises `OSError` if a file cannot be read.
    """
    entries: list[ManifestEntry] = []
    for table in _tables(place, files, _Wanted.of(slices, batch_id)):
        entries += map(_entry, *(column.to_pylist() for column in table.columns))
    return oldest_first(entries)


def oldest_first(entries: Iterable[ManifestEntry]) -> list[ManifestEntry]:
    """Entries in the order in which they are read."""
    return sorted(entries, key=lambda entry: (entry.at, entry.slice, entry.number))


def read_ends(
    place: Location, files: Iterable[ManifestFile], slices: Collection[ArchiveSlice]
) -> dict[ArchiveSlice, Link]:
    """The last link of each slice's chain. Raises `OSError` if a file cannot be read."""
    ends: dict[ArchiveSlice, Link] = {}
    for table in _tables(place, files, _Wanted.of(slices, None), [*_SLICE, "number", "hash"]):
        for batch_id, year, week, number, hash_ in zip(*(column.to_pylist() for column in table.columns), strict=True):
            slice_ = ArchiveSlice(IsoWeek(year, week), batch_id)
            if number > ends.get(slice_, UNCHAINED).number:
                ends[slice_] = Link(number, hash_)
    return ends


def read_slices(
    place: Location, files: Iterable[ManifestFile], after: ArchiveSlice | None, until: ArchiveSlice | None
) -> list[ArchiveSlice]:
    """The slices with entries above `after` up to `until`, in their order. Raises `OSError` as `read_entries`."""
    weeks = (after.week if after else FIRST, until.week if until else LAST)
    found: set[ArchiveSlice] = set()
    for table in _tables(place, files, _Wanted(weeks, None, None), _SLICE):
        found |= slices_of(table)
    return sorted(
        slice_ for slice_ in found if (after is None or slice_ > after) and (until is None or slice_ <= until)
    )


def read_since(place: Location, files: Iterable[ManifestFile], at: int) -> list[ArchiveSlice]:
    """The slices with entries recorded at this moment (epoch ms) or later. Raises `OSError` as `read_entries`."""
    first = pa.scalar(at * 1000, pa.timestamp("us", "UTC"))
    return _chosen(
        place,
        (file for file in files if file.recorded_since(at)),
        lambda file: (rows.filter(pc.greater_equal(rows["at"], first)) for rows in _groups(file, [*_SLICE, "at"])),
    )


def read_repeating(place: Location, files: Iterable[ManifestFile]) -> set[IsoWeek]:
    """The weeks with an entry that has more rows than versions. Raises `OSError` as `read_entries`."""
    found = _chosen(
        place,
        files,
        lambda file: (
            rows.filter(pc.greater(rows["rows"], rows["versions"]))
            for rows in _groups(file, [*_SLICE, "rows", "versions"])
        ),
    )
    return {slice_.week for slice_ in found}


def read_dropped(place: Location, files: Iterable[ManifestFile]) -> list[ArchiveSlice]:
    """The slices with an entry *dropped*, sorted. Raises `OSError` as `read_entries`."""
    return _chosen(
        place,
        files,
        lambda file: (
            rows.filter(pc.equal(rows["action"], Action.DROPPED.value)) for rows in _groups(file, [*_SLICE, "action"])
        ),
    )


def read_failed(place: Location, files: Iterable[ManifestFile]) -> list[ArchiveSlice]:
    """The slices with an entry that has a problem, sorted. Raises `OSError` as `read_entries`."""
    return _chosen(place, (file for file in files if file.can_have_problem), _rows_with_problem)


def read_index(place: Location, file: ManifestFile) -> pa.Table:
    """The slices of a file, each once or a few times: the columns of a slice, the batch as a dictionary."""
    [index] = _read(place, [file], lambda open_: iter([_index(open_)]))
    return index


def _index(file: pq.ParquetFile) -> pa.Table:
    columns = [field for field in MANIFEST_SCHEMA if field.name in _SLICE]
    empty = pa.schema(columns).empty_table()
    distinct = [rows.group_by(_SLICE).aggregate([]).select(_SLICE) for rows in _groups(file, _SLICE)]
    whole = pa.concat_tables([empty, *distinct]).group_by(_SLICE).aggregate([]).select(_SLICE)
    return whole.set_column(0, "batch_id", whole["batch_id"].dictionary_encode()).combine_chunks()


def _chosen(
    place: Location, files: Iterable[ManifestFile], rows: Callable[[pq.ParquetFile], Iterator[pa.Table]]
) -> list[ArchiveSlice]:
    """The slices of these rows, sorted."""
    found: set[ArchiveSlice] = set()
    for table in _read(place, files, rows):
        if table.num_rows:
            found |= slices_of(table)
    return sorted(found)


def _groups(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    return (file.read_row_group(number, columns) for number in range(file.metadata.num_row_groups))


def _rows_with_problem(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for number in range(file.metadata.num_row_groups):
        if _can_have_problem(file.metadata.row_group(number)):
            rows = file.read_row_group(number, [*_SLICE, "problem"])
            yield rows.filter(pc.is_valid(rows["problem"]))


def _can_have_problem(group: pq.RowGroupMetaData) -> bool:
    columns = map(group.column, range(group.num_columns))
    statistics = next(column.statistics for column in columns if column.path_in_schema == "problem")
    return statistics is None or not statistics.has_null_count or statistics.null_count < group.num_rows


def slices_of(table: pa.Table) -> set[ArchiveSlice]:
    """The slices of a table's rows."""
    rows = table.group_by(_SLICE).aggregate([])
    keys = zip(*(rows[name].to_pylist() for name in _SLICE), strict=True)
    return {ArchiveSlice(IsoWeek(year, week), batch_id) for batch_id, year, week in keys}


class _Wanted(NamedTuple):
    """Which rows are read."""

    weeks: tuple[IsoWeek, IsoWeek]
    """The first and the last week: row groups of other weeks are skipped."""
    batch_ids: pa.Array | None
    """None: of any batch."""
    slices: Collection[ArchiveSlice] | None
    """None: any slice of those weeks and batches."""

    @classmethod
    def of(cls, slices: Collection[ArchiveSlice] | None, batch_id: str | None) -> "_Wanted":
        """The rows of these slices, of a batch, or all."""
        if slices is None:
            return cls((FIRST, LAST), None if batch_id is None else pa.array([batch_id], pa.string()), None)
        weeks = [slice_.week for slice_ in slices]
        batch_ids = sorted({slice_.batch_id for slice_ in slices})
        return cls((min(weeks), max(weeks)), pa.array(batch_ids, pa.string()), set(slices))

    def groups(self, file: pq.ParquetFile) -> list[int]:
        """The row groups that may hold wanted rows, by the file's statistics."""
        columns = [file.schema_arrow.get_field_index(name) for name in ("year", "week")]
        return [
            number
            for number in range(file.metadata.num_row_groups)
            if self._overlaps(file.metadata.row_group(number), *columns)
        ]

    def _overlaps(self, group: pq.RowGroupMetaData, year: int, week: int) -> bool:
        years, weeks = group.column(year).statistics, group.column(week).statistics
        if years is None or weeks is None or not (years.has_min_max and weeks.has_min_max):
            return True
        first, last = week_range((years.min, years.max), (weeks.min, weeks.max))
        return first <= self.weeks[1] and last >= self.weeks[0]

    def mask(self, rows: pa.Table) -> pa.Array:
        """Which of these rows are wanted; `rows` has the columns of a slice."""
        of_batches = pc.is_in(rows["batch_id"], value_set=self.batch_ids).combine_chunks()
        if self.slices is None or not of_batches.true_count:
            return of_batches
        keys = zip(*(rows[name].to_pylist() for name in _SLICE), of_batches.to_pylist(), strict=True)
        return pa.array(
            [
                of_batch and ArchiveSlice(IsoWeek(year, week), batch_id) in self.slices
                for batch_id, year, week, of_batch in keys
            ],
            pa.bool_(),
        )


def _tables(
    place: Location, files: Iterable[ManifestFile], wanted: _Wanted, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    can_matter = (file for file in files if file.overlaps(wanted.weeks))
    return _read(place, can_matter, lambda file: _wanted_rows(file, wanted, columns))


def _read(
    place: Location, files: Iterable[ManifestFile], rows: Callable[[pq.ParquetFile], Iterator[pa.Table]]
) -> Iterator[pa.Table]:
    """The wanted rows of each file of the manifest. Raises `OSError` if a file is damaged."""
    names = [file.name for file in files]
    for name, source in zip(names, place.sources(names), strict=True):
        try:
            with pq.ParquetFile(source) as file:
                yield from rows(file)
        except pa.ArrowException as error:
            raise OSError(f"{place.url}/{name} is damaged ({error})") from error


def _wanted_rows(file: pq.ParquetFile, wanted: _Wanted, columns: list[str] | None) -> Iterator[pa.Table]:
    """The wanted rows of a file. Row groups without one are skipped: by statistics, then by the columns of a slice."""
    groups = wanted.groups(file)
    if wanted.batch_ids is None:
        yield file.read_row_groups(groups, columns)
        return
    for group in groups:
        is_small = file.metadata.row_group(group).num_rows <= _SMALL
        rows = file.read_row_group(group, columns if is_small else _SLICE)
        mask = wanted.mask(rows)
        if mask.true_count:
            yield (rows if is_small else file.read_row_group(group, columns)).filter(mask)


def _entry(
    batch_id: str, year: int, week: int, action: str, delta_version: int, rows: int, versions: int, attempts: int,
    total_score: float, digest: str, at: datetime, code: str, cleared: int, left: int, files: list[tuple[str, str]],
    problem: str | None, number: int, previous: str, hash_: str,
) -> ManifestEntry:  # fmt: skip
    """An entry from a row of `MANIFEST_SCHEMA`."""
    contents = Contents(rows, versions, attempts, total_score, digest)
    slice_, done = ArchiveSlice(IsoWeek(year, week), batch_id), Action(action)
    return ManifestEntry(
        slice_, done, delta_version, contents, millis(at), code, cleared, left, dict(files), problem, number, previous,
        hash_,
    )  # fmt: skip
