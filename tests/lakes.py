"""A lake that is a list of Parquet files, and how versions get into a lake without an archive run."""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from assess_core.attempts import AttemptVersion
from assess_core.manifest import ManifestEntry
from assess_core.ports import Lake, LakeFile, Pinned
from assess_core.slices import ArchiveSlice, IsoWeek
from assess_core.stores.duck import connect
from assess_core.stores.rows import LAKE_SCHEMA, to_batch


class FilesPinned(NamedTuple):
    version: int
    written: tuple[LakeFile, ...]

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        return [file for file in self.written if weeks is None or file.week in weeks]


class FilesLake:
    """`ports.Lake` without Delta: each append adds a file per week. `on_pin` is called before a version is pinned."""

    def __init__(self, folder: Path, on_pin: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._on_pin = on_pin
        self._pinned = FilesPinned(-1, ())
        self._manifest: list[ManifestEntry] = []

    def pin(self, version: int | None = None) -> Pinned:
        assert version is None, "this lake keeps no older versions"
        self._on_pin()
        return self._pinned

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        number = self._pinned.version + 1
        table = rows.read_all()
        added = [self._write(number, week, table) for week in sorted({slice_.week for slice_ in slices})]
        self._pinned = FilesPinned(number, (*self._pinned.written, *added))
        return number

    def _write(self, number: int, week: IsoWeek, table: pa.Table) -> LakeFile:
        mine = [(row["year"], row["week"]) == week for row in table.select(["year", "week"]).to_pylist()]
        rows = table.filter(pa.array(mine)).drop_columns(["year", "week"])
        path = self._folder / f"year={week.year}" / f"week={week.week}" / f"{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path)
        return LakeFile(str(path), week, rows.num_rows, path.stat().st_size)

    def manifest(self) -> list[ManifestEntry]:
        return self._manifest

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        self._manifest.extend(entries)


def put(lake: Lake, versions: Iterable[AttemptVersion]) -> None:
    """Append versions to a lake as they are, in one commit."""
    rows = sorted(versions, key=lambda row: (row.slice, row.key, row.version))
    slices = [slice_ for slice_, _ in groupby(rows, lambda row: row.slice)]
    with connect() as duck:
        duck.register("hot", pa.Table.from_batches([to_batch(rows)]))
        table = duck.execute("SELECT * REPLACE (question_of(question) AS question) FROM hot").to_arrow_table()
    lake.append(lake.pin(), slices, table.cast(LAKE_SCHEMA).to_reader())
