"""Use case: move in with old archives of Sunbird. Their rows go into the lake, and the maps learn about them.

Rows are imported in portions of bounded size. A row that a map already names with an equal or earlier receipt is there,
and nothing is written. Of the others, each portion does these steps in this order:

    table `imports`    so that the balance never takes an imported version for one that the log has lost
    append             the copies that the lake lacks, and their manifest entries
    verify             read the files back, and prove them
    map entries        with scores and activities; the rows do not enter the hot store

If an import is killed, the next one repeats the portion: the lake has its rows, and only the map entries are added.
Until then the rows are in reports, and scores do not know them. Everything can be repeated and run several times at
once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from assess_core.chunks import chunks
from assess_core.domain.archive_files import ArchiveFile
from assess_core.domain.archive_rows import ArchivedRow, Refusal, read_rows
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import NotErased, VerifyFailed
from assess_core.ports.archive_files import ArchiveFiles
from assess_core.ports.lake import ImportedRow
from assess_core.ports.pinning import pin_needed
from assess_core.ports.stores import Stores
from assess_core.retrying import retrying
from assess_core.usecases.archiving import Scan, archive_rows, verify_alone
from assess_core.usecases.erased import erased_among, without_erased
from assess_core.usecases.folding import name_archived, unnamed

if TYPE_CHECKING:
    import pyarrow as pa

PORTION_ROWS: Final = 20_000
PORTION_TEXT: Final = 32 * 1024 * 1024
"""Limits of a portion: rows, and characters of their answers. Arrow and DuckDB take several times as much."""
_NAMED_ROWS: Final = 4000
"""Rows whose learners are read together, as many as a batch of the stream has."""

ToBatch = Callable[[Sequence[AttemptVersion]], "pa.RecordBatch"]


class Counts(NamedTuple):
    """The rows of files: read = imported + there + refused + erased. An unreadable file adds 1 to `bad_files`."""

    files: int = 0
    read: int = 0
    imported: int = 0
    """Rows whose version, or earlier receipt, was not known."""
    there: int = 0
    """Rows whose version was already known, by an earlier import, by the stream, or from another file."""
    refused: int = 0
    bad_files: int = 0
    """Files that are not archives, or are cut or damaged."""
    erased: int = 0
    """Rows of erased learners, which are not imported."""

    @property
    def complete(self) -> bool:
        """Whether every row of every file is in the lake."""
        return not self.refused and not self.bad_files


class Import:
    """One import. `to_batch` turns versions into Arrow rows; `now` and `grace` are in ms."""

    def __init__(
        self,
        stores: Stores,
        to_batch: ToBatch,
        now: int,
        grace: int,
        *,
        refused: Callable[[Refusal], None],
        finished: Callable[[Sequence[ArchiveFile]], None] = lambda files: None,
        portion_rows: int = PORTION_ROWS,
    ) -> None:
        """`refused` is called with each row or file that is not imported, `finished` with files that were imported."""
        self._stores = stores
        self._to_batch = to_batch
        self._now = now
        self._closed_before = IsoWeek.of(now - grace).start
        self._refused = refused
        self._finished = finished
        self._portion_rows = portion_rows
        self._portion: list[_Read] = []
        self._text = 0
        self._whole: list[ArchiveFile] = []
        self._counts: Counter[str] = Counter()
        self.slices: Counter[ArchiveSlice] = Counter()
        """The imported rows of each slice."""

    @property
    def counts(self) -> Counts:
        return Counts(**self._counts)

    def run(self, archives: ArchiveFiles, files: Iterable[ArchiveFile]) -> Counts:
        """Import files, in their order. Raises `StoreUnavailable`, `NotOurTable`, `VerifyFailed`, `LakeConflict`."""
        for file in files:
            self._counts["files"] += 1
            with archives.open(file) as content:
                is_good = content.problem is None
                if content.problem is not None:
                    self._refused(Refusal(file.url, None, content.problem))
                rows = read_rows(content.chunks, file.url, file.week, self._closed_before) if content.chunks else ()
                is_good, is_whole = self._read(file, rows, is_good)
            self._counts["bad_files"] += not is_good
            if is_good and is_whole:
                self._whole.append(file)
        self._write()
        return self.counts

    def _read(self, file: ArchiveFile, rows: Iterable[ArchivedRow | Refusal], is_good: bool) -> tuple[bool, bool]:
        """Read the rows of a file; returns whether it is a good file, and whether none of its rows was refused."""
        refused = 0
        for row in rows:
            if isinstance(row, Refusal):
                self._refused(row)
                is_good = is_good and row.line is not None
                refused += row.line is not None
                continue
            self._counts["read"] += 1
            self._portion.append(_Read(file.url, row))
            self._text += len(row.version.question)
            if len(self._portion) >= self._portion_rows or self._text >= PORTION_TEXT:
                self._write()
        self._counts["read"] += refused
        self._counts["refused"] += refused
        return is_good, not refused

    def _write(self) -> None:
        """Import the rows that were read since the last call. The files that ended among them are finished."""
        portion, self._portion, self._text = self._portion, [], 0
        hot, keys = self._stores.hot, self._stores.keys
        read, portion = len(portion), without_erased(portion, _user_id, hot, keys)
        self._counts["erased"] += read - len(portion)
        rows = _first_receipts(portion)
        new = self._new(rows)
        if rows:
            pin_needed(hot, self._stores.lake)
        if new:
            self._stores.lake.record_imports([self._record(read) for read in new])
            self._archive([read.row.version for read in new])
        if rows:
            hot.remember_lake(self._stores.lake.pin().identity)
        # also rows that are named: an import may have been killed before it wrote the scores
        for some in chunks(rows, _NAMED_ROWS):
            name_archived([read.row.version for read in some], hot, keys)
        if new and erased_among({_user_id(read) for read in new}, hot, keys):
            raise NotErased(
                "a learner was erased while the rows were imported, so rows of the learner came into the lake; "
                "erase the learner again, then run the import again"
            )
        self.slices.update(read.row.version.slice for read in new)
        self._counts["imported"] += len(new)
        self._counts["there"] += len(portion) - len(new)
        whole, self._whole = self._whole, []
        if whole:
            self._finished(whole)

    def _new(self, rows: Sequence["_Read"]) -> list["_Read"]:
        """The rows that no map names yet, or only with a later receipt."""
        new: set[bytes] = set()
        for some in chunks(rows, _NAMED_ROWS):
            found = unnamed([read.row.version for read in some], self._stores.hot)
            new.update(row.version.content_hash for row in found)
        return [read for read in rows if read.content_hash in new]

    def _record(self, read: "_Read") -> ImportedRow:
        version = read.row.version
        return ImportedRow(version.slice, read.content_hash, version.received_at, read.file, read.row.line, self._now)

    def _archive(self, rows: Sequence[AttemptVersion]) -> None:
        """Append rows to the lake, sorted by learner, and read them back."""
        of_slice: dict[ArchiveSlice, list[AttemptVersion]] = {}
        for row in rows:
            of_slice.setdefault(row.slice, []).append(row)

        def scan(slice_: ArchiveSlice) -> list[Iterator["pa.RecordBatch"]]:
            return [map(self._to_batch, chunks(of_slice[slice_], _SCANNED))]

        retrying(_is_unproved, deadline_seconds=_PATIENCE, first_wait=_FIRST_WAIT)(self._prove, of_slice, scan)

    def _prove(self, slices: Collection[ArchiveSlice], scan: Scan) -> None:
        archive_rows(slices, scan, self._stores.lake, self._now)
        verified = verify_alone(slices, self._stores.lake, self._now, only_new=True)
        problems = [found.problem for found in verified.values() if found.problem]
        if problems:
            raise VerifyFailed(f"{problems[0]}; nothing of these slices was added to the scores; import again after it")


def _user_id(read: "_Read") -> str:
    return read.row.version.key.user_id


def _is_unproved(error: BaseException) -> bool:
    """Another process may have appended to the slice and not recorded it yet. The next try records and proves it."""
    return isinstance(error, VerifyFailed)


_PATIENCE: Final = 20.0  # seconds
_FIRST_WAIT: Final = 0.05
_SCANNED: Final = 500


class _Read(NamedTuple):
    """A row and the file that it comes from."""

    file: str
    row: ArchivedRow

    @property
    def content_hash(self) -> bytes:
        return self.row.version.version.content_hash


def _first_receipts(portion: Sequence[_Read]) -> list[_Read]:
    """Each version once, with its first receipt, ordered by learner."""
    first: dict[bytes, _Read] = {}
    for read in portion:
        kept = first.setdefault(read.content_hash, read)
        if read.row.version.received_at < kept.row.version.received_at:
            first[read.content_hash] = read
    return sorted(first.values(), key=lambda read: read.row.version.key)
