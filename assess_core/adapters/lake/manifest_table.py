"""The Delta table `archive_manifest`: entries are appended, chained per slice, and read by slice or batch."""

from collections.abc import Collection, Sequence
from typing import Final

from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.manifest_rows import (
    MANIFEST_SCHEMA,
    read_ends,
    read_entries,
    read_failed,
    read_slices,
    to_table,
)
from assess_core.adapters.lake.snapshots import Snapshots
from assess_core.adapters.lake.tables import OurTable, compact, names, translated
from assess_core.domain.manifest import ManifestEntry, chained
from assess_core.domain.slices import ArchiveSlice
from assess_core.retrying import retrying

_DEADLINE: Final = 60.0  # seconds; each retry means that another process has committed, so all make progress
_FIRST_WAIT: Final = 0.02
_COMPACTION: Final = 32  # commits after which the small files become one


class ManifestTable:
    """See `ports.lake.Lake.manifest` and `record`. Any thread may call."""

    def __init__(self, place: Location) -> None:
        self.table = OurTable(place, MANIFEST_SCHEMA, [])
        self._files = Snapshots(self.table, names)

    def read(self, slices: Collection[ArchiveSlice] | None, batch_id: str | None) -> list[ManifestEntry]:
        """The entries of these slices, of a batch, or all, oldest first."""
        with translated(self.table.place):
            files = self._files.newest()
            if files is None or (slices is not None and not slices):
                return []
            return read_entries(self.table.place, files, slices, batch_id)

    def slices(self, after: ArchiveSlice | None, until: ArchiveSlice | None) -> list[ArchiveSlice]:
        """The slices with entries above `after` up to `until`, in their order."""
        with translated(self.table.place):
            files = self._files.newest()
            return [] if files is None else read_slices(self.table.place, files, after, until)

    def failed(self) -> list[ArchiveSlice]:
        """The slices with an entry that has a problem, sorted."""
        with translated(self.table.place):
            files = self._files.newest()
            return [] if files is None else read_failed(self.table.place, files)

    def append(self, entries: Sequence[ManifestEntry]) -> None:
        """Append entries in one commit."""
        with translated(self.table.place):
            table = retrying(_came_second, deadline_seconds=_DEADLINE, first_wait=_FIRST_WAIT)(self._chain, entries)
            if table.version() % _COMPACTION == 0:
                compact(table)

    def _chain(self, entries: Sequence[ManifestEntry]) -> DeltaTable:
        """Append entries, each tied to its slice's entry before. Raises `CommitFailedError` when others came first."""
        table = self.table.open() or self.table.create()
        ends = read_ends(self.table.place, names(table), {entry.slice for entry in entries})
        # one name for all slices: two commits at once cannot both follow the same entry
        only_one = Transaction("chain", table.version() + 1)
        write_deltalake(
            table,
            to_table(chained(entries, ends)),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[only_one]),
        )
        return table


def _came_second(error: BaseException) -> bool:
    return isinstance(error, CommitFailedError)  # then chain to the entries that came first
