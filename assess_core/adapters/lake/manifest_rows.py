"""Entries of the archive manifest as rows of a table."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assess_core.adapters.lake.locations import Location
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
    place: Location, names: Sequence[str], slices: Collection[ArchiveSlice] | None = None, batch_id: str | None = None
) -> list[ManifestEntry]:
    """Entries of the manifest's files at a place, oldest first: of these slices, of a batch, or all.

    Raises `OSError` where a file cannot be read.
    """
    entries: list[ManifestEntry] = []
    for table in _tables(place, names, _Wanted.of(slices, batch_id)):
        entries += map(_entry, *(column.to_pylist() for column in table.columns))
    return sorted(entries, key=lambda entry: (entry.at, entry.slice, entry.number))


def read_ends(place: Location, names: Sequence[str], slices: Collection[ArchiveSlice]) -> dict[ArchiveSlice, Link]:
    """Where the chains of these slices end. Raises `OSError` where a file cannot be read."""
    ends: dict[ArchiveSlice, Link] = {}
    for table in _tables(place, names, _Wanted.of(slices, None), [*_SLICE, "number", "hash"]):
        for batch_id, year, week, number, hash_ in zip(*(column.to_pylist() for column in table.columns), strict=True):
            slice_ = ArchiveSlice(IsoWeek(year, week), batch_id)
            if number > ends.get(slice_, UNCHAINED).number:
                ends[slice_] = Link(number, hash_)
    return ends


class _Wanted(NamedTuple):
    """Which rows are read; None where the column does not matter."""

    batch_ids: pa.Array | None
    slices: Collection[ArchiveSlice] | None

    @classmethod
    def of(cls, slices: Collection[ArchiveSlice] | None, batch_id: str | None) -> "_Wanted | None":
        """None when every row is wanted."""
        if slices is None and batch_id is None:
            return None
        batches = {batch_id} if slices is None else {slice_.batch_id for slice_ in slices}
        return cls(pa.array(sorted(filter(None, batches)), pa.string()), None if slices is None else set(slices))

    def mask(self, rows: pa.Table) -> list[bool]:
        """Which of these rows are wanted; `rows` has the columns of a slice."""
        of_batches = pc.is_in(rows["batch_id"], value_set=self.batch_ids)
        if self.slices is None or not pc.any(of_batches).as_py():
            return list(of_batches.to_pylist())
        keys = zip(*(rows[name].to_pylist() for name in _SLICE), of_batches.to_pylist(), strict=True)
        return [
            of_batch and ArchiveSlice(IsoWeek(year, week), batch_id) in self.slices
            for batch_id, year, week, of_batch in keys
        ]


def _tables(
    place: Location, names: Sequence[str], wanted: _Wanted | None, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    for name, source in zip(names, place.sources(names), strict=True):
        try:
            with pq.ParquetFile(source) as file:
                yield file.read(columns) if wanted is None else _filtered(file, wanted, columns)
        except pa.ArrowException as error:
            raise OSError(f"{place.url}/{name} is damaged ({error})") from error


def _filtered(file: pq.ParquetFile, wanted: _Wanted, columns: list[str] | None) -> pa.Table:
    """The wanted rows of a file. First the columns of the slice are read, then the row groups that have such rows."""
    mask = wanted.mask(file.read(_SLICE))
    groups: list[int] = []
    kept: list[bool] = []
    start = 0
    for group in range(file.metadata.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        if any(mask[start:end]):
            groups.append(group)
            kept += mask[start:end]
        start = end
    return file.read_row_groups(groups, columns).filter(pa.array(kept, pa.bool_()))


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
