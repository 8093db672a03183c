"""Entries of the archive manifest as rows of a table."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from assess_core.manifest import Action, Contents, ManifestEntry
from assess_core.moments import millis
from assess_core.slices import ArchiveSlice, IsoWeek
from assess_core.stores.places import Place

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
    return (*place, *entry.contents, entry.at * 1000, entry.code, entry.cleared, entry.left, entry.files)


def read_entries(place: Place, names: Sequence[str]) -> list[ManifestEntry]:
    """The entries of the manifest's files at a place, oldest first. Raises `OSError` where a file cannot be read."""
    sources = zip(names, place.sources(names), strict=True)
    entries = [_entry(row) for name, source in sources for row in _rows(f"{place.url}/{name}", source)]
    return sorted(entries, key=lambda entry: (entry.at, entry.delta_version, entry.slice, entry.action))


def _rows(url: str, source: str | pa.Buffer) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(source) as file:
            rows: list[dict[str, Any]] = file.read().to_pylist()
            return rows
    except pa.ArrowException as error:
        raise OSError(f"{url} is damaged ({error})") from error


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
    )
