"""What the core needs from the lake. A method raises `StoreUnavailable` when the lake does not answer."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from assess_core.domain.attempts import AttemptVersion, RowKey
from assess_core.domain.manifest import Contents, ManifestEntry
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding
from assess_core.ports.scores import SCORES, ScoresDraft

if TYPE_CHECKING:
    import pyarrow as pa

    from assess_core.ports.erasures import LakeTraces
    from assess_core.ports.register import RegisterCopy
    from assess_core.ports.seals import Seals
    from assess_core.ports.tickets import Tickets


FILE_BYTES: Final = 32 * 1024 * 1024
"""Target size of a file: about 100,000 attempts with answers. Reading one batch of such a file takes 60 ms."""

Shard: TypeAlias = "Iterator[pa.RecordBatch]"
"""Rows of a slice in the shape `arrow.rows.HOT_SCHEMA`, ordered by learner."""
Shards: TypeAlias = Iterable[Sequence[Shard]]
"""The hot rows of some slices: for each slice, in order, what `HotStore.scan` returns."""


class LakeFile(NamedTuple):
    """One Parquet file of the lake's `attempts` or `scores`."""

    url: str
    """The name of the file for DuckDB: an absolute path or an s3:// URL."""
    week: IsoWeek
    rows: int
    bytes: int


class Named(NamedTuple):
    """Learners and assessments of which a slice has rows."""

    user_ids: frozenset[str] = frozenset()
    content_ids: frozenset[str] = frozenset()


class Place(Protocol):
    """The location of the files of a lake."""

    @property
    def url(self) -> str:
        """An absolute path or an s3:// URL, without a slash at its end."""
        ...


class Pinned(Protocol):
    """The lake's `attempts` or `scores` at one version: every read returns the same rows."""

    @property
    def version(self) -> int:
        """The Delta version; -1 if there is no table."""
        ...

    @property
    def place(self) -> Place:
        """The location of the files."""
        ...

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        """The files of these weeks (None: of all), in a stable order."""
        ...


class PinnedTable(Pinned, Protocol):
    """A version of the table itself."""

    @property
    def identity(self) -> str | None:
        """The id in the table's metadata, which a copy of the lake keeps; None if there is no table."""
        ...

    def learner_rows(
        self, batch_ids: Collection[str], weeks: Collection[IsoWeek], user_id: str, hashes: Collection[bytes]
    ) -> list[AttemptVersion] | None:
        """A learner's rows of `attempts` with these content hashes, if the table can be asked for them by key.

        None if it cannot, or if a file cannot be read: read `files` then, which finds the rows or the fault.
        """
        ...


class Unused(NamedTuple):
    """Names of files that are not in a table any more."""

    old: list[str]
    """Files that left it longer ago than the retention, and still exist; sorted."""
    recent: frozenset[str]
    """Files that left it later."""


def name_of(file: LakeFile, pinned: Pinned) -> str:
    """The name of a file within the table: it stays the same if the lake is moved. `pinned` is of `attempts`."""
    url = pinned.place.url
    return file.url.removeprefix(f"{url.rpartition('/')[0] if is_kept(file, pinned) else url}/")


def is_kept(file: LakeFile, pinned: Pinned) -> bool:
    """Whether a file is of `scores`. `pinned` is of `attempts`."""
    return file.url.startswith(f"{pinned.place.url.rpartition('/')[0]}/{SCORES}/")


class Missing(NamedTuple):
    """The hot rows that the lake's files do not hold."""

    rows: "pa.RecordBatchReader"
    """Shape: `arrow.rows.LAKE_SCHEMA`. The hot store is read only while this reader is read."""
    counts: Mapping[ArchiveSlice, int]
    """The number of rows of each slice; complete only after `rows` was read to its end."""


class Compared(NamedTuple):
    """The hot rows of slices, compared with the lake's files."""

    held: Mapping[ArchiveSlice, int]
    """The number of a slice's rows that the files hold with the same receipt. A slice without hot rows has no entry."""
    left: Mapping[ArchiveSlice, int]
    """The number of a slice's rows that the files do not hold."""
    keys: Iterator[list[RowKey]]
    """The keys of the rows that the files hold, ordered by slice, in chunks."""


class Copies(Protocol):
    """The copies of some slices in the files of a pinned lake, read once.

    Two rows with the same version and receipt are one copy. Raises `StoreUnavailable` if there is no room to compare.
    """

    def read_again(self, pinned: Pinned) -> None:
        """Read the files of another version of the lake instead, not proved. Raises what `Lake.copies` raises."""
        ...

    def contents(self, user_ids: Collection[str] | None = None) -> dict[ArchiveSlice, Contents]:
        """The contents of every requested slice, measured from the files: of all learners, or of these."""
        ...

    def damaged(self) -> dict[ArchiveSlice, str]:
        """The slices with rows whose columns do not match their content hash, each with a sentence.

        Always empty if the copies were opened without `proved`.
        """
        ...

    def files(self, slices: Collection[ArchiveSlice]) -> dict[ArchiveSlice, dict[str, str]]:
        """For each of these slices, the names of the files with its rows, each with the SHA-256 of its bytes (hex).

        Reads every byte of those files.
        """
        ...

    def missing(self, shards: Shards) -> Missing | None:
        """The hot rows of the slices that the files do not hold; None if the files hold all of them."""
        ...

    def compare(self, keys: "Iterable[pa.RecordBatch]") -> Compared:
        """Read the keys of hot rows (`HotStore.keys`) of the slices to their end; look each up among the copies."""
        ...


class ImportedRow(NamedTuple):
    """A copy that an import wrote into the lake, and where it comes from."""

    slice: ArchiveSlice
    content_hash: bytes
    received_at: int
    """Epoch ms."""
    source: str
    """The file, or the table of Sunbird."""
    line: int | None
    """The line in the file."""
    at: int
    """When it was imported, epoch ms."""


class Lake(Protocol):
    """Delta tables: `attempts`, `scores`, `archive_manifest`, `imports`, `weekly_activity` and those of the seals."""

    def pin(self, version: int | None = None) -> PinnedTable:
        """The newest version, or a given one. Raises `NotOurTable`."""
        ...

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: "pa.RecordBatchReader") -> int:
        """Append versions of these slices in one commit; returns the new Delta version.

        `rows` has the shape `arrow.rows.LAKE_SCHEMA` and was computed from `pinned`. If another commit has written any
        of the slices since then, this call writes nothing and raises `LakeConflict`: pin, read and decide again.
        """
        ...

    def copies(
        self,
        pinned: Pinned,
        slices: Collection[ArchiveSlice],
        *,
        proved: bool = False,
        verified: Mapping[ArchiveSlice, Mapping[str, str]] | None = None,
    ) -> AbstractContextManager[Copies]:
        """Read the copies of these slices from the pinned files. Memory grows with the weeks, so pass one week.

        `proved` reads every column and computes every content hash again. `verified` names, for each slice, the files
        in which its rows were proved before, with the SHA-256 of their bytes. If all bytes of such a file have the same
        SHA-256 now, the slice's rows in it are not proved again. Raises `VerifyFailed` naming the first file that is
        missing or cannot be read.
        """
        ...

    def manifest(
        self, slices: Collection[ArchiveSlice] | None = None, *, batch_id: str | None = None
    ) -> list[ManifestEntry]:
        """The entries of `archive_manifest`, oldest first: of these slices, of a batch, or all of them.

        Skips files and row groups that cannot contain the requested entries.
        """
        ...

    def recorded(self, after: ArchiveSlice | None, until: ArchiveSlice | None) -> list[ArchiveSlice]:
        """The slices with manifest entries, sorted: after `after`, up to and including `until` (None: no bound)."""
        ...

    def recorded_of(self, batch_id: str) -> list[ArchiveSlice]:
        """The slices of a batch with manifest entries, sorted.

        The first call of a process reads the columns of a slice from the whole manifest. Later calls read new files.
        """
        ...

    def recorded_since(self, at: int) -> list[ArchiveSlice]:
        """The slices with manifest entries that were recorded at this moment (epoch ms) or later, sorted.

        Skips files whose entries are all older.
        """
        ...

    def repeating(self) -> set[IsoWeek]:
        """The weeks of slices with a manifest entry that has more rows than versions. Reads two numbers per entry."""
        ...

    def failed(self) -> list[ArchiveSlice]:
        """The slices with a manifest entry that has a problem, sorted; later entries can say that it is resolved."""
        ...

    def dropped(self) -> list[ArchiveSlice]:
        """The slices with an entry *dropped*, sorted; they can have been archived again. Reads one column."""
        ...

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        """Append manifest entries in one commit."""
        ...

    def slices(self, pinned: Pinned, week: IsoWeek) -> list[ArchiveSlice]:
        """The slices with rows in the pinned files of a week. Raises what `copies` raises."""
        ...

    def naming(
        self, pinned: Pinned, week: IsoWeek, user_ids: Collection[str], content_ids: Collection[str]
    ) -> dict[ArchiveSlice, Named]:
        """The slices with rows of these learners or assessments in the pinned files of a week, and of which.

        Reads three narrow columns of the week. Raises what `copies` raises.
        """
        ...

    def rows(
        self, pinned: Pinned, slices: Collection[ArchiveSlice], *, answers: bool
    ) -> "Iterator[list[AttemptVersion]]":
        """The pinned rows of these slices, in chunks of bounded size. A copy that was written twice is in it twice.

        Without `answers`, `question` is empty, and the rows are ordered by learner. Raises what `copies` raises.
        """
        ...

    def record_imports(self, rows: Sequence[ImportedRow]) -> None:
        """Append to the table `imports`. It may have a row several times, because an import can be killed."""
        ...

    def imports(self) -> "Iterator[pa.RecordBatch]":
        """The rows of the table `imports`, at least their columns `batch_id` and `content_hash`."""
        ...

    def repeated(self, pinned: Pinned, week: IsoWeek) -> int:
        """The number of surplus rows of a week in the pinned files: rows minus distinct copies."""
        ...

    def weeks_with(self, pinned: Pinned, user_ids: Collection[str]) -> list[IsoWeek]:
        """The weeks with rows of these learners in the pinned files. Reads narrow columns of all files."""
        ...

    def rewritten(
        self,
        pinned: Pinned,
        week: IsoWeek,
        without: Collection[ArchiveSlice] = (),
        without_learners: Collection[str] = (),
    ) -> AbstractContextManager[Pinned]:
        """A draft of a week: each copy once, ordered by batch, then learner, in files that are not in the lake yet.

        It has no rows of the slices `without`, and none of the learners `without_learners`.
        """
        ...

    def replace(self, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        """Replace the pinned files of a week with a draft, in one commit; returns the new Delta version.

        Raises `LakeConflict` if another commit has changed the week since then: pin and rewrite the week again.
        """
        ...

    def pin_scores(self, *, create: bool = False) -> Pinned:
        """The newest version of `scores`, without files if there is no table. `create`: make the table first.

        `slices`, `naming`, `weeks_with`, and `rows` without answers read it like `attempts`. Raises `NotOurTable`.
        """
        ...

    def score_contents(
        self, pinned: Pinned, week: IsoWeek, user_ids: Collection[str] | None = None
    ) -> dict[ArchiveSlice, Contents]:
        """The contents of the slices with kept scores in a week, of all learners or of these.

        The digest covers every column. Raises what `copies` raises.
        """
        ...

    def scores_draft(
        self, attempts: Pinned, scores: Pinned, week: IsoWeek, asked: ScoresDraft
    ) -> AbstractContextManager[Pinned]:
        """A week of `scores` with these changes, each copy once, which was compared with the rows it was written from.

        It is not in the lake yet. Raises what `copies` raises.
        """
        ...

    def replace_scores(self, pinned: Pinned, week: IsoWeek, draft: Pinned) -> int:
        """Like `replace`, for a week of `scores`. The table must exist."""
        ...

    def upgrade(self) -> list[str]:
        """Give the tables of an earlier version the settings of new ones; returns the names of the changed tables."""
        ...

    def compact_small_tables(self) -> int:
        """Rewrite all tables but `attempts` and `scores` into few files; returns how many fewer files they have."""
        ...

    @property
    def tickets(self) -> "Tickets":
        """The tickets of reports from this lake."""
        ...

    @property
    def register(self) -> "RegisterCopy":
        """A copy of the hot store's register, for the day on which the hot store is lost."""
        ...

    @property
    def traces(self) -> "LakeTraces":
        """The traces of learners in this lake's files."""
        ...

    @property
    def seals(self) -> "Seals":
        """The seals over this lake's manifest."""
        ...

    def unused(self, retain_hours: int) -> Unused:
        """The files that left `attempts` or `scores`, as far as Delta's logs know."""
        ...

    def delete(self, names: Collection[str]) -> None:
        """Delete files of `attempts` or `scores`, if they exist. No check is made: see `vacuum`."""
        ...

    def vacuum_small_tables(self, retain_hours: int, dry_run: bool) -> list[str]:
        """Delete files that left a table other than `attempts` and `scores` more than `retain_hours` ago.

        Also deletes temporary files of decisions and tickets that killed processes left, after an hour.
        Returns `TABLE/FILE` names. With `dry_run` nothing is deleted.
        """
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the lake, for `assess doctor`."""
        ...
