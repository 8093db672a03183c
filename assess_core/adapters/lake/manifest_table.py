"""The Delta table `archive_manifest`: entries are appended, chained per slice, and read by slice or batch."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.manifest_files import ManifestFile, manifest_files
from assess_core.adapters.lake.manifest_rows import (
    MANIFEST_SCHEMA,
    oldest_first,
    read_dropped,
    read_ends,
    read_entries,
    read_failed,
    read_index,
    read_repeating,
    read_since,
    read_slices,
    slices_of,
    to_table,
)
from assess_core.adapters.lake.manifest_small import SmallFiles
from assess_core.adapters.lake.snapshots import Held, Snapshots
from assess_core.adapters.lake.tables import OurTable, compact, transaction, translated
from assess_core.domain.manifest import UNCHAINED, Link, ManifestEntry, chained
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.retrying import retrying

_DEADLINE: Final = 60.0  # seconds; each retry means that another process has committed, so all make progress
_FIRST_WAIT: Final = 0.02
_COMPACTION: Final = 32  # commits after which the small files become one


class ManifestTable:
    """See `ports.lake.Lake.manifest` and `record`. Any thread may call."""

    def __init__(self, place: Location) -> None:
        self.table = OurTable(place, MANIFEST_SCHEMA, [])
        self._files = Snapshots(self.table, manifest_files)
        self._written: list[Held[DeltaTable]] = []
        """The table of the last commit, for the next one. A writer takes it out, because a commit changes it."""
        self._small = SmallFiles(place)
        self._index: dict[str, pa.Table] = {}
        """The slices of each file, by its name: a file never changes. A million slices take 20 MB."""

    def read(self, slices: Collection[ArchiveSlice] | None, batch_id: str | None) -> list[ManifestEntry]:
        """The entries of these slices, of a batch, or all, oldest first."""
        if batch_id is not None:
            of_batch = self.slices_of(batch_id)
            slices = of_batch if slices is None else set(of_batch).intersection(slices)
        if slices is not None and not slices:
            return []
        with self._newest() as files:
            small = self._small.find(files, slices)
            return oldest_first([*small.entries, *read_entries(self.table.place, small.others, slices)])

    def slices(self, after: ArchiveSlice | None, until: ArchiveSlice | None) -> list[ArchiveSlice]:
        """The slices with entries above `after` up to `until`, in their order."""
        with self._newest() as files:
            return read_slices(self.table.place, files, after, until)

    def slices_of(self, batch_id: str) -> list[ArchiveSlice]:
        """The slices of a batch with entries, sorted."""
        with self._newest() as files:
            found: set[ArchiveSlice] = set()
            for index in self._indexes(files):
                batches = index["batch_id"].combine_chunks()
                number = pc.index(batches.dictionary, batch_id).as_py()
                if number >= 0:
                    found |= slices_of(index.filter(pc.equal(batches.indices, number)))
        return sorted(found)

    def slices_since(self, at: int) -> list[ArchiveSlice]:
        """The slices with entries recorded at this moment (epoch ms) or later, sorted."""
        with self._newest() as files:
            return read_since(self.table.place, files, at)

    def failed(self) -> list[ArchiveSlice]:
        """The slices with an entry that has a problem, sorted."""
        with self._newest() as files:
            return read_failed(self.table.place, files)

    def dropped(self) -> list[ArchiveSlice]:
        """The slices with an entry *dropped*, sorted."""
        with self._newest() as files:
            return read_dropped(self.table.place, files)

    def repeating(self) -> set[IsoWeek]:
        """The weeks with an entry that has more rows than versions."""
        with self._newest() as files:
            return read_repeating(self.table.place, files)

    def count(self) -> int:
        """The number of entries."""
        with self._newest() as files:
            return sum(file.entries for file in files)

    @contextmanager
    def _newest(self) -> Iterator[Sequence[ManifestFile]]:
        """The files of the newest version; none if there is no table."""
        with translated(self.table.place):
            yield self._files.newest() or ()

    def _indexes(self, files: Sequence[ManifestFile]) -> list[pa.Table]:
        known = self._index
        # a new dictionary: another thread can be reading the old one
        self._index = {
            file.name: known[file.name] if file.name in known else read_index(self.table.place, file) for file in files
        }
        return list(self._index.values())

    def append(self, entries: Sequence[ManifestEntry]) -> None:
        """Append entries in one commit."""
        with translated(self.table.place):
            table = retrying(_came_second, deadline_seconds=_DEADLINE, first_wait=_FIRST_WAIT)(self._chain, entries)
            if table.version() % _COMPACTION == 0:
                compact(table)
            if self.table.place.options() is None:  # in a bucket the credentials of an open table expire
                self._files.committed(table)
                self._written = [Held.of(table, self.table.place, table)]

    def _opened(self) -> DeltaTable | None:
        """The newest version of the table. Raises `NotOurTable`, `StoreUnavailable`."""
        with suppress(IndexError):
            written = self._written.pop()
            if written.is_newest(self.table.place):
                return written.value
        return self.table.open()

    def _chain(self, entries: Sequence[ManifestEntry]) -> DeltaTable:
        """Append entries, each tied to its slice's entry before. Raises `CommitFailedError` when others came first."""
        table = self._opened() or self.table.create()
        ends = self._ends(manifest_files(table), {entry.slice for entry in entries})
        # one name for all slices: two commits at once cannot both follow the same entry
        only_one = transaction("chain", table.version() + 1)
        write_deltalake(
            table,
            to_table(chained(entries, ends)),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[only_one]),
        )
        return table

    def _ends(self, files: Sequence[ManifestFile], slices: set[ArchiveSlice]) -> dict[ArchiveSlice, Link]:
        """The last link of each slice's chain."""
        small = self._small.find(files, slices)
        ends = read_ends(self.table.place, small.others, slices)
        for entry in small.entries:
            if entry.number > ends.get(entry.slice, UNCHAINED).number:
                ends[entry.slice] = Link(entry.number, entry.hash)
        return ends


def _came_second(error: BaseException) -> bool:
    return isinstance(error, CommitFailedError)  # then chain to the entries that came first
