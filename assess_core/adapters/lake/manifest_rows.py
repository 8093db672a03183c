"""Entries of the archive manifest as rows of a table."""

from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assess_core.adapters.duckdb.location import Location
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


def read_entries(place: Location, names: Sequence[str]) -> list[ManifestEntry]:
    """The entries of the manifest's files at a place, oldest first. Raises `OSError` where a file cannot be read."""
    entries = [_entry(row) for table in _tables(place, names) for row in table.to_pylist()]
    return sorted(entries, key=lambda entry: (entry.at, entry.slice, entry.number))


def read_ends(place: Location, names: Sequence[str], weeks: Collection[IsoWeek]) -> dict[ArchiveSlice, Link]:
    """Where the chains of these weeks' slices end. Raises `OSError` where a file cannot be read."""
    ends: dict[ArchiveSlice, Link] = {}
    for table in _tables(place, names, ["batch_id", "year", "week", "number", "hash"]):
        of_weeks = [(pc.field("year") == week.year) & (pc.field("week") == week.week) for week in weeks]
        for batch_id, year, week, number, hash_ in _values_of(table.filter(reduce(or_, of_weeks))):
            slice_ = ArchiveSlice(IsoWeek(year, week), batch_id)
            if number > ends.get(slice_, UNCHAINED).number:
                ends[slice_] = Link(number, hash_)
    return ends


def _values_of(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _tables(place: Location, names: Sequence[str], columns: list[str] | None = None) -> Iterator[pa.Table]:
    for name, source in zip(names, place.sources(names), strict=True):
        try:
            with pq.ParquetFile(source) as file:
                yield file.read(columns)
        except pa.ArrowException as error:
            raise OSError(f"{place.url}/{name} is damaged ({error})") from error


def _entry(row: dict[str, Any]) -> ManifestEntry:
    return ManifestEntry(
        ArchiveSlice(IsoWeek(row["year"], row["week"]), row["batch_id"]),
        Action(row["action"]),
        row["delta_version"],
        Contents(*(row[name] for name in Contents._fields)),
        millis(row["at"]),
        row["code"],
        row["cleared"],
        row["left"],
        dict(row["files"]),
        row["problem"],
        row["number"],
        row["previous"],
        row["hash"],
    )
