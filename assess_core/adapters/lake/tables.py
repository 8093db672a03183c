"""One Delta table of ours: open it, check that it is ours, create it, compact it and vacuum it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties
from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
    TableNotFoundError,
)

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.error_text import first_line
from assess_core.errors import LakeConflict, NotOurTable, StoreUnavailable
from assess_core.ports.lake import Unused

_CHECKPOINT: Final = "20"  # commits; without checkpoints, opening a table replays every commit since the first
_TRANSACTIONS: Final = "interval 7 days"
"""How long checkpoints keep the transaction of a slice. Delta finds conflicts in the commits.

Without a limit, opening a table with the transactions of 400,000 slices took 320 ms instead of 17 ms."""
KEPT_REMOVALS: Final = "interval 90 days"
"""How long checkpoints of `attempts` say that a file left the table. Vacuum finds files to delete by that.

With Delta's default of a week, a checkpoint just before a vacuum hid every file that was old enough."""
COMPACTED_BYTES: Final = 16 * 1024 * 1024
"""Target size of a compacted file. Larger files are not rewritten, so a compaction costs the same in any year."""
_SMALL_GROUPS: Final = WriterProperties(compression="ZSTD", max_row_group_size=2048)
"""For tables of which a few rows are read at a time: a read by key decodes whole row groups."""


class OurTable(NamedTuple):
    """One Delta table of ours: where it is and what it must look like."""

    place: Location
    schema: pa.Schema
    partitions: list[str]
    removals: str = "interval 7 days"
    """How long checkpoints say that a file left the table: Delta's default."""

    def open(self, version: int | None = None) -> DeltaTable | None:
        """None when there is no table. Raises `NotOurTable`, `StoreUnavailable`."""
        try:
            table = self._at(version)
        except TableNotFoundError:
            names = self.place.names()
            if names and "_delta_log" not in names:
                raise self._not_ours("there are files in it, and no Delta table") from None
            return None  # there is nothing, or another process is creating it or was killed while it did
        except DeltaError as error:
            if fault := self.place.fault(error):
                raise fault from error
            if version is None:
                self.place.names()  # raises OSError where a file has the place of the folder
                raise self._not_ours(f"its log cannot be read: {first_line(error)}") from error
            raise StoreUnavailable(
                f"the lake's table {self.place.url} cannot be read at version {version}: {first_line(error)}; "
                "ask for a newer version"
            ) from error
        self._check(table)
        return table

    def _at(self, version: int | None) -> DeltaTable:
        return DeltaTable(self.place.url, version=version, storage_options=self.place.options())

    def _check(self, table: DeltaTable) -> None:
        metadata = table.metadata()
        if table.protocol().min_reader_version > 1:
            raise self._not_ours("it needs features of Delta that this project does not use")
        if table.schema() != Schema.from_arrow(self.schema):
            raise self._not_ours(f"its columns are {', '.join(field.name for field in table.schema().fields)}")
        if metadata.partition_columns != self.partitions:
            raise self._not_ours(f"it is partitioned by {metadata.partition_columns}")
        if metadata.name != self.place.name:
            raise self._not_ours(f"it does not carry the name {self.place.name!r}")

    def _not_ours(self, why: str) -> NotOurTable:
        return NotOurTable(
            f"{self.place.url} was not written by this project: {why}; "
            "move it away, or set ASSESS_LAKE to another folder"
        )

    def create(self) -> DeltaTable:
        """Create the empty table unless another process just did; returns the table at its first version."""
        try:
            table = DeltaTable.create(
                self.place.url,
                self.schema,
                partition_by=self.partitions,
                storage_options=self.place.options(),
                name=self.place.name,
                description="Written by assessment-lakehouse",
                configuration=self._configuration(),
                # a retry would write the table's metadata again, and that refuses the commits of other processes
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except DeltaError:
            if self.open() is None:
                raise
            table = self._at(version=0)
        if table.version() != 0:  # another process has appended meanwhile
            table = self._at(version=0)
        self._check(table)
        return table

    def _configuration(self) -> dict[str, str]:
        return {
            "delta.checkpointInterval": _CHECKPOINT,
            "delta.setTransactionRetentionDuration": _TRANSACTIONS,
            "delta.deletedFileRetentionDuration": self.removals,
        }

    def configure(self) -> bool:
        """Give a table of an earlier version the configuration of a new one; returns whether this changed it."""
        with translated(self.place):
            table = self.open()
            if table is None or self._configuration().items() <= table.metadata().configuration.items():
                return False
            table.alter.set_table_properties(self._configuration())
            return True

    def compact(self) -> int:
        """Rewrite small files into few; returns how many files the table has fewer. Rows stay the same."""
        with translated(self.place):
            table = self.open()
            return 0 if table is None else compact(table)

    def unused(self, retain_hours: int) -> Unused:
        """The files that left the table more than `retain_hours` ago, and later."""
        with translated(self.place):
            table = self.open()
            if table is None:
                return Unused([], frozenset())
            old, left = (
                set(table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False))
                for hours in (retain_hours, 0)
            )
            # the log also names files that an earlier vacuum deleted
            existing = sorted(name for name in old if self.place.mark(name) is not None)
            return Unused(existing, frozenset(left - old))

    def vacuum(self, retain_hours: int, dry_run: bool) -> list[str]:
        """Delete files that left the table more than `retain_hours` ago; returns `TABLE/FILE` names."""
        with translated(self.place):
            table = self.open()
            return [] if table is None else vacuum(table, self.place, retain_hours, dry_run)


def compact(table: DeltaTable) -> int:
    """As `OurTable.compact`, for an open table."""
    try:
        metrics = table.optimize.compact(target_size=COMPACTED_BYTES, writer_properties=_SMALL_GROUPS)
    except CommitFailedError:
        return 0  # another process compacts it at the same time
    return int(metrics["numFilesRemoved"]) - int(metrics["numFilesAdded"])


def vacuum(table: DeltaTable, place: Location, retain_hours: int, dry_run: bool) -> list[str]:
    """As `OurTable.vacuum`, for an open table."""
    files: list[str] = table.vacuum(
        retention_hours=retain_hours,
        dry_run=dry_run,
        enforce_retention_duration=False,  # Delta would refuse less than a week
    )
    return sorted(f"{place.name}/{file}" for file in files)


def transaction(name: str, number: int) -> Transaction:
    """A transaction of a commit. Its time lets checkpoints drop it when its retention ends."""
    return Transaction(name, number, time.time_ns() // 1_000_000)


@contextmanager
def translated(place: Location) -> Iterator[None]:
    """Translate errors of deltalake and of reading files to errors of ours."""
    try:
        yield
    except CommitFailedError as error:
        raise LakeConflict(
            f"another process committed to {place.url} at the same time ({first_line(error)}); run it again"
        ) from error
    except (SchemaMismatchError, DeltaProtocolError) as error:
        raise NotOurTable(
            f"{place.url} was not written by this project: {first_line(error)}; "
            "move it away, or set ASSESS_LAKE to another folder"
        ) from error
    except (DeltaError, OSError) as error:
        raise place.fault(error) or StoreUnavailable(
            f"the lake at {place.url} did not answer: {first_line(error)}; {place.advice}, then run it again"
        ) from error
