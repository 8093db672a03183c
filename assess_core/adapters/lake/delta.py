"""The lake: Delta tables `attempts` and `archive_manifest`, in a folder or a bucket."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Final, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    SchemaMismatchError,
    TableNotFoundError,
)

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.connection import first_line
from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.copies import DuckCopies, open_copies
from assess_core.adapters.lake.manifest_rows import MANIFEST_SCHEMA, read_ends, read_entries, to_table
from assess_core.adapters.lake.rewriting import Draft, repeated, rewritten, slices_in
from assess_core.domain.manifest import ManifestEntry, chained
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import LakeConflict, NotOurTable, StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.ports.lake import FILE_BYTES, LakeFile, Pinned

# DuckDB skips groups by batch and learner, and reads several at once
_WRITER: Final = WriterProperties(compression="ZSTD", max_row_group_size=8192)
_CHECKPOINT: Final = "20"  # commits: without a checkpoint an open replays every commit there ever was
_TRIES: Final = 20  # each time somebody else has committed, so all together they get on
_COMPACTION: Final = 32  # commits after which the small files of the manifest become one


class _Table(NamedTuple):
    """One Delta table of ours: where it is and what it must look like."""

    place: Location
    schema: pa.Schema
    partitions: list[str]

    def open(self, version: int | None = None) -> DeltaTable | None:
        """None where there is no table."""
        try:
            table = self._at(version)
        except TableNotFoundError:
            names = self.place.names()
            if names and "_delta_log" not in names:
                raise self._not_ours("there are files in it, and no Delta table") from None
            return None  # nothing is there; or somebody is making it right now, or was killed when making it
        except DeltaError as error:
            if fault := self.place.fault(error):
                raise fault from error
            if version is None:
                self.place.names()  # a file where the folder should be is no table of somebody else
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
        """Make the table, empty, or find that somebody else just did; the table at its first version."""
        try:
            DeltaTable.create(
                self.place.url,
                self.schema,
                partition_by=self.partitions,
                storage_options=self.place.options(),
                name=self.place.name,
                description="Written by assessment-lakehouse",
                configuration={"delta.checkpointInterval": _CHECKPOINT},
                # a loser that tried again would write the table's metadata a second time and refuse others' commits
                commit_properties=CommitProperties(max_commit_retries=0),
            )
        except DeltaError:
            if self.open() is None:
                raise
        table = self._at(version=0)
        self._check(table)
        return table


class _Pinned:
    """A `ports.Pinned`: one DeltaTable object, from which what to append is read and through which it is written."""

    def __init__(self, table: DeltaTable | None, place: Location) -> None:
        self.table = table
        self.version: int = -1 if table is None else table.version()
        self.place = place
        self._files: dict[IsoWeek, list[LakeFile]] | None = None

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        if self._files is None:
            self._files = self._by_week()
        wanted = sorted(self._files if weeks is None else self._files.keys() & set(weeks))
        return [file for week in wanted for file in self._files[week]]

    def _by_week(self) -> dict[IsoWeek, list[LakeFile]]:
        if self.table is None:
            return {}
        actions = pa.table(self.table.get_add_actions(flatten=True))
        names = ("path", "partition.year", "partition.week", "num_records", "size_bytes")
        files: dict[IsoWeek, list[LakeFile]] = {}
        for path, year, week, rows, size in zip(*(actions[name].to_pylist() for name in names), strict=True):
            url = f"{self.place.url}/{unquote(path)}"  # the log quotes paths as URLs do
            files.setdefault(IsoWeek(year, week), []).append(LakeFile(url, IsoWeek(year, week), rows, size))
        return {week: sorted(found) for week, found in files.items()}


class DeltaLake:
    """A `ports.Lake` at a place; there are no tables until the first write.

    Any thread may call.
    """

    def __init__(self, place: Location) -> None:
        self._place = place
        self._attempts = _Table(place.within("attempts"), LAKE_SCHEMA, ["year", "week"])
        self._manifest = _Table(place.within("archive_manifest"), MANIFEST_SCHEMA, [])

    def pin(self, version: int | None = None) -> "_Pinned":
        with translated(self._attempts.place):
            return _Pinned(self._attempts.open(version), self._attempts.place)

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        table = pinned.table if isinstance(pinned, _Pinned) else self.pin(pinned.version).table
        with translated(self._attempts.place):
            if table is None:
                # what was decided on an empty lake is written against the first version of the table, which is empty:
                # whoever appended since then is noticed
                table = self._attempts.create()
            _append(table, rows, slices)
            return int(table.version())

    def copies(
        self, pinned: Pinned, slices: Collection[ArchiveSlice], *, proved: bool = False
    ) -> AbstractContextManager[DuckCopies]:
        return open_copies(pinned, slices, proved=proved)

    def manifest(self) -> list[ManifestEntry]:
        with translated(self._manifest.place):
            table = self._manifest.open()
            if table is None:
                return []
            return read_entries(self._manifest.place, _names(table))

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        if not entries:
            return
        with translated(self._manifest.place):
            for tries in count(1):
                table = self._manifest.open() or self._manifest.create()
                try:
                    self._chain(table, entries)
                    break
                except CommitFailedError:
                    if tries == _TRIES:
                        raise  # until then: somebody else's entries came first, so chain to those
            if table.version() % _COMPACTION == 0:
                _compact(table)

    def _chain(self, table: DeltaTable, entries: Sequence[ManifestEntry]) -> None:
        """Append entries, each tied to its slice's entry before. Raises `CommitFailedError` when others came first."""
        ends = read_ends(self._manifest.place, _names(table), {entry.slice.week for entry in entries})
        # one name for all slices: two commits at once cannot both follow the same entry
        only_one = Transaction("chain", table.version() + 1)
        write_deltalake(
            table,
            to_table(chained(entries, ends)),
            mode="append",
            commit_properties=CommitProperties(app_transactions=[only_one]),
        )

    def slices(self, pinned: Pinned, week: IsoWeek) -> list[ArchiveSlice]:
        return slices_in(pinned, week)

    def repeated(self, pinned: Pinned, week: IsoWeek) -> int:
        return repeated(pinned, week)

    def rewritten(self, pinned: Pinned, week: IsoWeek) -> AbstractContextManager[Draft]:
        return rewritten(pinned, week)

    def replace(self, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        assert isinstance(pinned, _Pinned)
        assert isinstance(draft, Draft)
        table = pinned.table
        assert table is not None, "a week that has files has a table"
        with translated(self._attempts.place):
            write_deltalake(
                table,
                draft.rows(),
                mode="overwrite",
                predicate=f"year = {week.year} AND week = {week.week}",
                target_file_size=FILE_BYTES,
                writer_properties=_WRITER,
                # one name for all weeks: of two compactions at once one begins again
                commit_properties=CommitProperties(app_transactions=[Transaction("compaction", table.version() + 1)]),
            )
            table.create_checkpoint()
            return int(table.version())

    def vacuum(self, retain: int, dry_run: bool) -> list[str]:
        with translated(self._attempts.place):
            table = self._attempts.open()
            if table is None:
                return []
            files: list[str] = table.vacuum(
                retention_hours=retain // 3_600_000,
                dry_run=dry_run,
                enforce_retention_duration=False,  # Delta would insist on a week
            )
            return sorted(files)

    def examine(self) -> Iterator[Finding]:
        yield from self._place.examine("lake")
        pinned = self.pin()
        if pinned.version < 0:
            yield Finding(Level.OK, "lake", "nothing was archived yet")
            return
        files, entries = pinned.files(), self.manifest()
        message = f"version {pinned.version}: {sum(file.rows for file in files):,} rows in {len(files)} files"
        yield Finding(Level.OK, "lake", f"{message}, {len(entries):,} manifest entries")


def _names(table: DeltaTable) -> list[str]:
    """The table's files, within its place."""
    return [unquote(path) for path in pa.table(table.get_add_actions())["path"].to_pylist()]


def _append(table: DeltaTable, rows: pa.RecordBatchReader, slices: Collection[ArchiveSlice]) -> None:
    failures: list[BaseException] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows
        except BaseException as error:
            failures.append(error)  # deltalake would make a text of it
            raise

    # Delta refuses a commit when another one since `table` was read names one of its transactions, whatever the
    # number; looking up each slice's last number takes 1.5 ms in a log that knows 10,000, the table's own grows as well
    number = table.version() + 1
    transactions = [Transaction(str(slice_), number) for slice_ in sorted(set(slices))]
    try:
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(LAKE_SCHEMA, watched()),
            mode="append",
            target_file_size=FILE_BYTES,
            writer_properties=_WRITER,
            commit_properties=CommitProperties(app_transactions=transactions),
        )
    except Exception as error:
        if failures:
            raise failures[0] from error
        raise


def _compact(table: DeltaTable) -> None:
    try:
        table.optimize.compact()
    except CommitFailedError:
        return  # another process did so at the same time


@contextmanager
def translated(place: Location) -> Iterator[None]:
    """Errors of deltalake, and of reading files, as errors of ours."""
    try:
        yield
    except CommitFailedError as error:
        raise LakeConflict(
            f"somebody else committed to {place.url} at the same time ({first_line(error)}); run it again"
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
