"""What the core asks of the outside. Narrower than any adapter: no transaction over several rows, bounded reads.

A port raises `StoreUnavailable` when a store does not answer or has no room; empty means empty.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from assess_core.attempts import AttemptVersion, RowKey
from assess_core.events import FailedEvent, FailedKey, Record
from assess_core.findings import Finding
from assess_core.manifest import Contents, ManifestEntry
from assess_core.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.slices import ArchiveSlice, IsoWeek, Unread

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

Say = Callable[[str], None]
"""Tells a person what goes on."""


class Learner(NamedTuple):
    """A learner's partition of `assessment_aggregator_v2`."""

    entries: list[Entry]
    """The maps of all its rows."""
    summaries: dict[SummaryKey, Summary]
    """The derived columns as they are stored, for Sunbird's readers; a crash may leave them behind the maps."""


class HotStore(Protocol):
    """Where attempts land first: Cassandra, or a SQLite file. Every write may be repeated without harm."""

    @property
    def shards(self) -> int:
        """In how many parts a slice is stored; fixed when the store is made."""
        ...

    # --- what the stream folds, in the order in which it must write ---

    def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        """The whole partitions of these learners; one that has none is left out."""
        ...

    def activities(self, keys: Collection[ActivityKey]) -> dict[ActivityKey, Activity]:
        """The stored rows of `user_activity_agg`; what is not there is left out."""
        ...

    def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
        """Say that these slices hold rows; before their first row is written."""
        ...

    def add_rows(self, rows: Sequence[AttemptVersion]) -> None:
        """Write versions, each in the slice of its receipt; of two receipts in one slice the earlier stays."""
        ...

    def add_entries(self, entries: Sequence[Entry]) -> None:
        """Write map entries, each by its own cell; of two receipts of one version the earlier stays."""
        ...

    def put_summaries(self, summaries: Sequence[Summary]) -> None:
        """Write derived columns; a view from fewer versions never replaces one from more."""
        ...

    def put_activities(self, activities: Sequence[Activity]) -> None:
        """Write rows of `user_activity_agg`; a view from fewer versions never replaces one from more."""
        ...

    # --- failed events ---

    def add_failed(self, events: Sequence[FailedEvent]) -> None:
        """Set events aside; one that is there already, mended or not, stays as it is."""
        ...

    def failed(self) -> Iterator[FailedEvent]:
        """The failed events that are not mended, by topic, partition and offset."""
        ...

    def unmended(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        """The keys of failed events between two offsets (inclusive) that are not mended."""
        ...

    def mend(self, keys: Collection[FailedKey]) -> None:
        """Mark failed events as stored after all."""
        ...

    # --- archive, reports, reads ---

    def slices(self) -> list[ArchiveSlice]:
        """All slices that ever held rows, in their order; a cleared one too."""
        ...

    def count(self, slice_: ArchiveSlice) -> int:
        """How many rows the slice holds now."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the store is, as it says itself. May read all of it: for `doctor`."""
        ...

    def scan(self, slice_: ArchiveSlice, shard: int) -> "Iterator[pa.RecordBatch]":
        """The rows of one shard of a slice, ordered by learner, in batches of bounded size.

        Shape: `stores.rows.HOT_SCHEMA` (`question` is JSON text).
        """
        ...

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        """The rows with these keys and versions in these slices, whatever their receipt; missing ones are left out."""
        ...

    def delete(self, rows: Sequence[RowKey]) -> int:
        """Delete exactly these copies (key, version and receipt); returns how many were there."""
        ...

    def all_learners(self) -> Iterator[tuple[str, Learner]]:
        """Every learner's partition, by learner id: for `table` and audits, never while a client waits."""
        ...

    def all_activities(self) -> Iterator[Activity]:
        """Every row of `user_activity_agg`, by key: for `table` and audits."""
        ...


class Position(NamedTuple):
    """How far a log file was folded: the next line (from 1) and the byte where it begins."""

    line: int
    byte: int


class Positions(Protocol):
    """Where the positions of an embedded log are kept: in the hot store's own database, after the rows."""

    def positions(self) -> dict[str, Position]:
        """By topic (a file's absolute path)."""
        ...

    def commit(self, positions: Mapping[str, Position]) -> None:
        """Everything before these positions is in the hot store."""
        ...


class Batch(NamedTuple):
    """Records of the log in their order: what is folded as a whole."""

    records: list[Record]
    ends: dict[str, Position]
    """By file, where the log goes on after them; also over blank lines, so there may be no record at all."""
    size: int
    """How many bytes of the log it took."""


class Feed(Protocol):
    """A worker's share of the log, followed: every record is given again until its batch is done."""

    def batches(self) -> Iterator[Batch]:
        """What is there now; ends when all of it was given. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def done(self, batch: Batch, failed: Sequence[FailedEvent]) -> None:
        """The batch is in the hot store, `failed` among its events: the log goes on after it from now on."""
        ...

    def close(self) -> None:
        """Leave the share to others."""
        ...


class Message(NamedTuple):
    """An event on its way into the log."""

    user_id: str
    value: bytes
    """As the client sent it: one JSON object."""
    request_id: str = ""
    """Of the request that brought it, for whoever follows it through the log."""


class Intake(Protocol):
    """Where events enter the log."""

    def take(self, messages: Sequence[Message]) -> "Future[None]":
        """Done when the log has all of them for good; raises `Overloaded` at once when too much is waiting.

        The future raises `StoreUnavailable` when they are not known to be in the log (some may be).
        """
        ...

    def close(self) -> None:
        """Wait for what was taken, then stop."""
        ...


class Log(Protocol):
    """Where events are until they are folded: a folder of files, or a Kafka topic."""

    def unread(self) -> Unread | None:
        """What nobody folded yet; None when that is nothing. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def feed(self, say: Say, worker: int = 0, workers: int = 1) -> Feed:
        """The share of a worker of this process."""
        ...

    def intake(self) -> Intake:
        """A way into the log, for this process. Raises `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the log is: for `doctor`."""
        ...


class LakeFile(NamedTuple):
    """One Parquet file of the lake's `attempts`."""

    url: str
    """What DuckDB reads: an absolute path or an s3:// URL."""
    week: IsoWeek
    rows: int
    bytes: int


class Pinned(Protocol):
    """The lake's `attempts` at one version: what was read once can be read again."""

    @property
    def version(self) -> int:
        """The Delta version; -1 while there is no table."""
        ...

    def files(self, weeks: Collection[IsoWeek] | None = None) -> list[LakeFile]:
        """The files of these weeks (of all, when None), in a stable order."""
        ...


class Missing(NamedTuple):
    """The rows of the hot store that the lake's files do not hold."""

    rows: "pa.RecordBatchReader"
    """Shape `stores.rows.LAKE_SCHEMA`; read from the hot store as this is read."""
    counts: Mapping[ArchiveSlice, int]
    """How many there are of each slice: right once `rows` was read to its end."""


class Compared(NamedTuple):
    """The hot rows of slices, beside what the lake's files hold."""

    held: Mapping[ArchiveSlice, int]
    """How many of a slice's rows the files hold, receipt included; a slice without hot rows is left out."""
    left: Mapping[ArchiveSlice, int]
    """How many they do not hold."""
    keys: Iterator[list[RowKey]]
    """The keys of those that they hold, in chunks, each of one slice."""


class Copies(Protocol):
    """What the files of a pinned lake hold of some slices: read once, then held still.

    Two rows of one version and one receipt are one copy. Raises `StoreUnavailable` when there is no room to compare.
    """

    def contents(self) -> dict[ArchiveSlice, Contents]:
        """Of every slice that was asked for, measured from the files."""
        ...

    def damaged(self) -> dict[ArchiveSlice, str]:
        """The slices with rows whose columns do not give their content hash, each with what is wrong.

        Empty unless the copies were opened `proved`.
        """
        ...

    def files(self) -> dict[ArchiveSlice, dict[str, str]]:
        """The files that hold rows of a slice, by name, each with the SHA-256 of its bytes (hex)."""
        ...

    def missing(self, hot: HotStore) -> Missing | None:
        """The hot rows of these slices that the files do not hold; None when they hold them all."""
        ...

    def compare(self, hot: HotStore) -> Compared:
        """Read the hot rows of these slices to their end and look each up among the copies."""
        ...


class Lake(Protocol):
    """Attempts for good: Delta tables `attempts` and `archive_manifest` at a path or s3://."""

    def pin(self, version: int | None = None) -> Pinned:
        """The newest version, or a given one. Raises `NotOurTable`."""
        ...

    def append(self, pinned: Pinned, slices: Collection[ArchiveSlice], rows: "pa.RecordBatchReader") -> int:
        """Append versions of these slices in one commit; returns the new Delta version.

        `rows` has the shape `stores.rows.LAKE_SCHEMA`. What to append was decided by reading `pinned`; if any of the
        slices got another commit since, nothing is written and `LakeConflict` is raised: pin, read, decide again.
        """
        ...

    def copies(
        self, pinned: Pinned, slices: Collection[ArchiveSlice], *, proved: bool = False
    ) -> AbstractContextManager[Copies]:
        """Read what the pinned files hold of these slices: of one week, or memory grows with the weeks.

        `proved` reads every column and computes every content hash again. Raises `VerifyFailed` naming the first file
        that is missing or cannot be read.
        """
        ...

    def manifest(self) -> list[ManifestEntry]:
        """All entries of `archive_manifest`, oldest first."""
        ...

    def record(self, entries: Sequence[ManifestEntry]) -> None:
        """Append manifest entries in one commit."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the lake is: for `doctor`."""
        ...


class Union(Protocol):
    """Hot store ∪ lake, held still: what a report, a page or an answer is read from.

    The hot store was read first and to its end, then the lake was pinned (design section 3, rule 4). SQL sees the views

        copies    every row of both tiers: the columns of `stores.rows.LAKE_SCHEMA`, and `tier` ('hot' or 'lake')
        versions  one row per distinct version, of its copies the one with the earliest receipt
        newest    the newest version of each attempt key, and `versions`, how many distinct versions the attempt has
    """

    @property
    def lake_version(self) -> int:
        """The Delta version that was pinned; -1 where there was no table."""
        ...

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> Iterator[dict[str, object]]:
        """The rows of a query, fetched in batches."""
        ...

    def copy(self, sql: str, target: Path, options: str, parameters: Mapping[str, object] | None = None) -> int:
        """Write a query's rows to a file by `COPY ... (options)`; returns how many."""
        ...


class Unions(Protocol):
    """Opens unions of some of the slices."""

    def __call__(
        self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None
    ) -> AbstractContextManager[Union]:
        """The slices of a batch, or of some weeks, or of both; all of them when nothing is asked."""
        ...


class Stores(NamedTuple):
    """All stores of an installation, as `wiring.open_stores` picks them."""

    hot: HotStore
    log: Log
    lake: Lake
    union: Unions
    exhausts: Path
    """The folder that reports are written to."""
