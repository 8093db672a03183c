"""The port `Lake`: Delta tables in a folder or a bucket."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake

from assess_core.adapters.arrow.rows import LAKE_SCHEMA, SCORES_SCHEMA
from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.lake.imports import ImportsTable
from assess_core.adapters.lake.learner_rows import LearnerRows
from assess_core.adapters.lake.manifest_table import ManifestTable
from assess_core.adapters.lake.register import LakeRegister
from assess_core.adapters.lake.seals import LakeSeals
from assess_core.adapters.lake.snapshots import Snapshots
from assess_core.adapters.lake.tables import KEPT_REMOVALS, OurTable, transaction, translated
from assess_core.adapters.lake.tickets import LakeTickets
from assess_core.adapters.lake.weekly import DeltaWeekly
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.counts import counted
from assess_core.domain.manifest import Contents, ManifestEntry
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import LakeConflict, StoreUnavailable
from assess_core.ports.findings import Finding, Level
from assess_core.ports.lake import FILE_BYTES, ImportedRow, LakeFile, Named, Pinned, PinnedTable, Unused
from assess_core.ports.scores import SCORES, ScoresDraft, shown

if TYPE_CHECKING:
    from assess_core.adapters.lake.copies import DuckCopies
    from assess_core.adapters.lake.erasing import DeltaTraces
    from assess_core.adapters.lake.rewriting import Draft

_KILLED: Final = 3600.0  # seconds; a process that lives writes to its temporary file all the time
WRITER: Final = WriterProperties(compression="ZSTD", max_row_group_size=8192)
"""Writes small row groups: DuckDB skips them by batch and learner, and reads several in parallel."""


class _Pinned:
    """The port `Pinned`: the files of one version. Any thread may read it."""

    def __init__(self, table: DeltaTable | None, place: Location) -> None:
        self.version: int = -1 if table is None else table.version()
        self.identity: str | None = None if table is None else str(table.metadata().id)
        self.place = place
        self._files = {} if table is None else _by_week(table, place)
        # in a bucket the credentials of an open table expire
        self._rows = LearnerRows(table) if table is not None and place.options() is None else None

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        wanted = sorted(self._files if weeks is None else self._files.keys() & set(weeks))
        return [file for week in wanted for file in self._files[week]]

    def learner_rows(
        self, batch_ids: Collection[str], weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[AttemptVersion] | None:
        return None if self._rows is None else self._rows.read(batch_ids, weeks, user_id, hashes)


def _by_week(table: DeltaTable, place: Location) -> dict[IsoWeek, list[LakeFile]]:
    actions = pa.table(table.get_add_actions(flatten=True))
    names = ("path", "partition.year", "partition.week", "num_records", "size_bytes")
    files: dict[IsoWeek, list[LakeFile]] = {}
    for path, year, week, rows, size in zip(*(actions[name].to_pylist() for name in names), strict=True):
        url = f"{place.url}/{unquote(path)}"  # the log URL-quotes paths
        files.setdefault(IsoWeek(year, week), []).append(LakeFile(url, IsoWeek(year, week), rows, size))
    return {week: sorted(found) for week, found in files.items()}


class DeltaLake:
    """The port `Lake`. The first write creates the tables. Thread-safe. DuckDB is imported when files are read."""

    def __init__(self, place: Location) -> None:
        self._place = place
        self._attempts = OurTable(place.within("attempts"), LAKE_SCHEMA, ["year", "week"], KEPT_REMOVALS)
        self._newest = Snapshots(self._attempts, self._pinned)
        self._scores = OurTable(place.within(SCORES), SCORES_SCHEMA, ["year", "week"], KEPT_REMOVALS)
        self._newest_scores = Snapshots(self._scores, lambda table: _Pinned(table, self._scores.place))
        self._manifest = ManifestTable(place.within("archive_manifest"))
        self._imports = ImportsTable(place.within("imports"))
        self._weekly = DeltaWeekly(place.within("weekly_activity"))
        self._tickets = LakeTickets(place.within("tickets"))
        self._register = LakeRegister(place.within("register"))
        self._seals = LakeSeals(place, self._manifest.table)

    def pin(self, version: int | None = None) -> PinnedTable:
        with translated(self._attempts.place):
            if version is None:
                return self._newest.newest() or _Pinned(None, self._attempts.place)
            return _Pinned(self._attempts.open(version), self._attempts.place)

    def _pinned(self, table: DeltaTable) -> "_Pinned":
        return _Pinned(table, self._attempts.place)

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: pa.RecordBatchReader) -> int:
        with self._prepared_at(pinned, self._attempts):
            # at the pinned version: the decision what to append was made on it
            table = None if pinned.version < 0 else self._attempts.open(pinned.version)
            if table is None:
                # the decision was made on an empty lake, so write against the table's first version, which is empty:
                # Delta then reports a conflict with every later append
                table = self._attempts.create()
            _append(table, rows, slices)
            return int(table.version())

    @contextmanager
    def _prepared_at(self, pinned: Pinned, ours: OurTable) -> Iterator[None]:
        """Translate the errors of a commit that was prepared on a pinned version."""
        place = ours.place
        try:
            with translated(place):
                yield
        except StoreUnavailable as error:
            with translated(place):
                is_forgotten = pinned.version >= 0 and place.mark(f"_delta_log/{pinned.version:020}.json") is None
            if not is_forgotten:
                raise
            raise _forgotten(place) from error

    def copies(
        self,
        pinned: Pinned,
        slices: Collection[ArchiveSlice],
        *,
        proved: bool = False,
        verified: Mapping[ArchiveSlice, Mapping[str, str]] | None = None,
    ) -> "AbstractContextManager[DuckCopies]":
        from assess_core.adapters.lake.copies import open_copies

        return open_copies(pinned, slices, proved=proved, verified=verified)

    def manifest(
        self, slices: Collection[ArchiveSlice] | None = None, *, batch_id: str | None = None
    ) -> list[ManifestEntry]:
        return self._manifest.read(slices, batch_id)

    def recorded_of(self, batch_id: str) -> list[ArchiveSlice]:
        return self._manifest.slices_of(batch_id)

    def recorded_since(self, at: int) -> list[ArchiveSlice]:
        return self._manifest.slices_since(at)

    def repeating(self) -> set[IsoWeek]:
        return self._manifest.repeating()

    def recorded(self, after: ArchiveSlice | None, until: ArchiveSlice | None) -> list[ArchiveSlice]:
        return self._manifest.slices(after, until)

    def failed(self) -> list[ArchiveSlice]:
        return self._manifest.failed()

    def dropped(self) -> list[ArchiveSlice]:
        return self._manifest.dropped()

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        if entries:
            self._manifest.append(entries)

    def record_imports(self, rows: Sequence[ImportedRow]) -> None:
        if rows:
            self._imports.append(rows)

    def imports(self) -> Iterator[pa.RecordBatch]:
        return self._imports.read()

    def slices(self, pinned: Pinned, week: IsoWeek) -> list[ArchiveSlice]:
        from assess_core.adapters.lake.rewriting import slices_in

        return slices_in(pinned, week)

    def naming(
        self, pinned: Pinned, week: IsoWeek, user_ids: Collection[str], content_ids: Collection[str]
    ) -> dict[ArchiveSlice, Named]:
        from assess_core.adapters.lake.rewriting import naming

        return naming(pinned, week, user_ids, content_ids)

    def rows(
        self, pinned: Pinned, slices: Collection[ArchiveSlice], *, answers: bool
    ) -> Iterator[list[AttemptVersion]]:
        from assess_core.adapters.lake.row_reading import read_rows

        return read_rows(pinned, slices, answers=answers)

    def repeated(self, pinned: Pinned, week: IsoWeek) -> int:
        from assess_core.adapters.lake.rewriting import repeated

        return repeated(pinned, week)

    def weeks_with(self, pinned: Pinned, user_ids: Collection[str]) -> list[IsoWeek]:
        from assess_core.adapters.lake.erasing import weeks_with

        return weeks_with(pinned, user_ids)

    def rewritten(
        self,
        pinned: Pinned,
        week: IsoWeek,
        without: Collection[ArchiveSlice] = (),
        without_learners: Collection[str] = (),
    ) -> "AbstractContextManager[Draft]":
        from assess_core.adapters.lake.rewriting import rewritten

        return rewritten(pinned, week, without, without_learners)

    def replace(self, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        return self._replace(self._attempts, "compaction", pinned, week, draft)

    def _replace(self, ours: OurTable, name: str, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        from assess_core.adapters.lake.rewriting import Draft

        assert isinstance(draft, Draft)
        with self._prepared_at(pinned, ours):
            table = ours.open(pinned.version)
            if table is None:
                raise _forgotten(ours.place)
            write_deltalake(
                table,
                draft.rows(),
                mode="overwrite",
                predicate=f"year = {week.year} AND week = {week.week}",
                target_file_size=FILE_BYTES,
                writer_properties=WRITER,
                # one name for all weeks: if two compactions run at once, the second one starts again
                commit_properties=CommitProperties(app_transactions=[transaction(name, table.version() + 1)]),
            )
            table.create_checkpoint()
            return int(table.version())

    def pin_scores(self, *, create: bool = False) -> "_Pinned":
        with translated(self._scores.place):
            if create and self._scores.open() is None:
                self._scores.create()
            return self._newest_scores.newest() or _Pinned(None, self._scores.place)

    def score_contents(
        self, pinned: Pinned, week: IsoWeek, user_ids: Collection[str] | None = None
    ) -> dict[ArchiveSlice, Contents]:
        from assess_core.adapters.lake.scores import contents_of

        return contents_of(pinned, week, user_ids)

    def scores_draft(
        self, attempts: Pinned, scores: Pinned, week: IsoWeek, asked: ScoresDraft
    ) -> "AbstractContextManager[Draft]":
        from assess_core.adapters.lake.scores import draft_of

        return draft_of(attempts, scores, week, asked)

    def replace_scores(self, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        return self._replace(self._scores, "scores", pinned, week, draft)

    def upgrade(self) -> list[str]:
        small = (self._manifest.table, self._imports.table, self._seals.leaves, self._seals.seals)
        tables = (self._attempts, self._scores, *small)
        return [table.place.name for table in tables if table.configure()]

    def compact_small_tables(self) -> int:
        small = (self._manifest.table, self._imports.table, self._seals.leaves, self._seals.seals)
        return sum(table.compact() for table in small) + self._weekly.compact()

    @property
    def tickets(self) -> LakeTickets:
        return self._tickets

    @property
    def register(self) -> LakeRegister:
        return self._register

    @property
    def traces(self) -> "DeltaTraces":
        from assess_core.adapters.lake.erasing import DeltaTraces

        return DeltaTraces(self._place, self._attempts, self._scores)

    @property
    def seals(self) -> LakeSeals:
        return self._seals

    def unused(self, retain_hours: int) -> Unused:
        attempts, scores = self._attempts.unused(retain_hours), self._scores.unused(retain_hours)
        return Unused(
            attempts.old + [f"{SCORES}/{name}" for name in scores.old],
            attempts.recent | {f"{SCORES}/{name}" for name in scores.recent},
        )

    def delete(self, names: Collection[str]) -> None:
        with translated(self._place):
            self._place.delete([shown(name) for name in names])

    def vacuum_small_tables(self, retain_hours: int, dry_run: bool) -> list[str]:
        return [
            *self._manifest.table.vacuum(retain_hours, dry_run),
            *self._imports.table.vacuum(retain_hours, dry_run),
            *self._seals.leaves.vacuum(retain_hours, dry_run),
            *self._seals.seals.vacuum(retain_hours, dry_run),
            *self._weekly.vacuum(retain_hours, dry_run),
            *self._delete_temporaries(dry_run),
        ]

    def _delete_temporaries(self, dry_run: bool) -> list[str]:
        with translated(self._place):
            found = sorted(self._place.temporaries(_KILLED))
            self._place.delete([] if dry_run else found)
        return found

    def examine(self) -> Iterator[Finding]:
        yield from self._place.examine("lake")
        pinned = self.pin()
        if pinned.version < 0:
            yield Finding(Level.OK, "lake", "nothing was archived yet")
            return
        files = pinned.files()
        message = (
            f"version {pinned.version}: {counted(sum(file.rows for file in files), 'row')} in "
            f"{counted(len(files), 'file')}"
        )
        kept = sum(file.rows for file in self.pin_scores().files())
        scores = f", {counted(kept, 'score')} without answers" if kept else ""
        yield Finding(
            Level.OK,
            "lake",
            f"{message}{scores}, {counted(self._manifest.count(), 'manifest entry', 'manifest entries')}",
        )
        yield self._seals.examine()


def _forgotten(place: Location) -> LakeConflict:
    return LakeConflict(f"an erasure has deleted the history of {place.url}; run it again")


def _append(table: DeltaTable, rows: pa.RecordBatchReader, slices: Collection[ArchiveSlice]) -> None:
    failures: list[BaseException] = []

    def watched() -> Iterator[pa.RecordBatch]:
        try:
            yield from rows
        except BaseException as error:
            failures.append(error)  # deltalake would turn it into a text
            raise

    # Delta refuses a commit if one made after `table` was read has the same transaction name, whatever its number.
    # The table's version serves as number: looking up a slice's last number takes 1.5 ms in a log with 10,000 slices
    number = table.version() + 1
    transactions = [transaction(str(slice_), number) for slice_ in sorted(set(slices))]
    try:
        write_deltalake(
            table,
            pa.RecordBatchReader.from_batches(LAKE_SCHEMA, watched()),
            mode="append",
            target_file_size=FILE_BYTES,
            writer_properties=WRITER,
            commit_properties=CommitProperties(app_transactions=transactions),
        )
    except Exception as error:
        if failures:
            raise failures[0] from error
        raise
