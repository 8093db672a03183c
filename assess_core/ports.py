"""What the core asks of the outside. Narrower than any adapter: no transaction over several rows, bounded reads.

A port raises `StoreUnavailable` when a store does not answer or has no room; empty means empty.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from assess_core.attempts import AttemptVersion, RowKey
from assess_core.events import FailedEvent, FailedKey, Record
from assess_core.findings import Finding
from assess_core.lake import Lake
from assess_core.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.slices import ArchiveSlice, IsoWeek, Unread

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

Say = Callable[[str], None]
"""Tells a person what goes on."""


class BatchState(Enum):
    """What is known of a batch of a course."""

    ONGOING = "on-going"
    NOT_ONGOING = "not on-going"
    UNKNOWN = "unknown"


class Facts(Protocol):
    """What is known of courses, assessments and batches.

    The stream asks of courses and assessments, for a version that no map names yet; the write API asks of batches.
    """

    def leaf_nodes(self, course_id: str) -> frozenset[str] | None:
        """The assessments and contents of a course; None when the course is not known."""
        ...

    def question_count(self, assessment_id: str) -> int | None:
        """How many questions the assessment has; None when that is not known."""
        ...

    def batch(self, course_id: str, batch_id: str) -> BatchState | None:
        """Whether the batch is on-going; None when nothing is known of any batch. Raises `StoreUnavailable`."""
        ...


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

    def add_rows(self, rows: Sequence[AttemptVersion]) -> Mapping[bytes, str]:
        """Write versions, each in the slice of its receipt; of two receipts in one slice the earlier stays.

        Returns, by content hash, those that the store can never take, and what it said of each.
        """
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

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        """How many rows each of the slices holds now."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the store is, as it says itself. May read all of it: for `doctor`."""
        ...

    def scan(self, slice_: ArchiveSlice) -> "list[Iterator[pa.RecordBatch]]":
        """The rows of a slice, shard by shard: of each, ordered by learner, in batches of bounded size.

        Shape: `stores.rows.HOT_SCHEMA` (`question` is JSON text). They are read from now on: what was acknowledged
        before is there, unless it was deleted since.
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


class Schema(Protocol):
    """The tables of a hot store, before anybody opens it. Methods raise `BadSettings` and `StoreUnavailable`."""

    def show(self) -> str:
        """The statements that make them."""
        ...

    def apply(self, replication: str | None, shards: int | None) -> str:
        """Make what is missing; returns what there is now. May be repeated, and run by several at once.

        Raises `NotOurTable` where a table of another shape is in the way; then nothing was changed.
        """
        ...

    def check(self) -> Iterator[str]:
        """What differs from what the store needs, a sentence each; nothing when all is right."""
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
        """The batch is in the hot store, `failed` among its events: the log goes on after it from now on.

        Raises `StoreUnavailable`; to call it again is right.
        """
        ...

    def keep(self) -> None:
        """Called now and then while a batch waits for a store: this process lives, and keeps its share."""
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


class Part(NamedTuple):
    """A part of a log: a partition of a topic, or a folder of files."""

    cut: bool
    """Whether records that came before the first one may have been removed."""
    batches: Iterator[Batch]
    """From its start to its end, as it is when this is read."""


class Retained(NamedTuple):
    """What a log still holds."""

    folded: Mapping[tuple[str, int], int]
    """By topic and partition, the offset that was next when this was asked: what is before it was folded."""
    parts: Iterator[Part]
    """One is read after the other. Raises `BadLog`, `StoreUnavailable`."""


class Log(Protocol):
    """Where events are until they are folded: a folder of files, or a Kafka topic."""

    def unread(self) -> Unread | None:
        """What nobody folded yet; None when that is nothing. Raises `BadLog`, `StoreUnavailable`."""
        ...

    def feed(self, say: Say, worker: int = 0, workers: int = 1) -> Feed:
        """The share of a worker of this process."""
        ...

    def retained(self) -> Retained:
        """All that is still there, for an audit: read beside the stream, whose positions stay as they are.

        The positions are read now, the records when they are asked for. Raises `BadLog`, `StoreUnavailable`.
        """
        ...

    def intake(self) -> Intake:
        """A way into the log, for this process. Raises `StoreUnavailable`."""
        ...

    def examine(self) -> Iterator[Finding]:
        """How the log is: for `doctor`."""
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


class Exhausts(Protocol):
    """Where reports are written to: a folder, or a prefix of a bucket. Names are relative, with `/` between parts."""

    def path(self, name: str) -> str:
        """What a person calls the report of this name: an absolute path, or an s3:// URL."""
        ...

    def written_whole(self, name: str) -> AbstractContextManager[Path]:
        """A local temporary file; at the end of the block it becomes the report, and where the block fails it goes.

        The report appears whole or not at all. Raises `StoreUnavailable`, `ReportFailed`.
        """
        ...

    def examine(self) -> Iterator[Finding]:
        """How the place is: for `doctor`."""
        ...


class Stores(NamedTuple):
    """All stores of an installation, as `wiring.open_stores` picks them."""

    hot: HotStore
    log: Log
    lake: Lake
    union: Unions
    exhausts: Exhausts
