"""The hot store as the core needs it: bounded reads; transactions help, but nothing depends on them.

A method raises `StoreUnavailable` when the store does not answer or is full. It never returns an empty result instead.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from assess_core.domain.attempts import AttemptKey, AttemptVersion, RowKey
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding

if TYPE_CHECKING:
    import pyarrow as pa


class Learner(NamedTuple):
    """A learner's partition of `assessment_aggregator_v2`."""

    entries: list[Entry]
    """All entries of its maps."""
    summaries: dict[SummaryKey, Summary]
    """The derived columns as stored, for Sunbird's readers. After a crash they may be older than the maps."""


class AttemptRange(NamedTuple):
    """The first `limit` attempts of a batch above `after`, of one course or assessment if it is named."""

    after: AttemptKey | None
    """None: from the beginning."""
    limit: int
    course_id: str | None = None
    content_id: str | None = None

    @property
    def begin(self) -> tuple[str, str, str, str]:
        """`after` without its batch, as the tables order it; empty texts, which are below every key, if it is None."""
        if self.after is None:
            return "", "", "", ""
        return self.after.user_id, self.after.course_id, self.after.content_id, self.after.attempt_id


class HotStore(Protocol):
    """Where attempts arrive: Cassandra or a SQLite file. Every write may be repeated without harm."""

    @property
    def shards(self) -> int:
        """The number of parts in which a slice is stored; fixed when the store is made."""
        ...

    def transaction(self) -> AbstractContextManager[bool]:
        """A block of reads and writes by this thread, as one transaction if the store has them.

        True: other writers wait until the block ends, and if it raises, nothing of it is written. False: each call
        stands alone, and what others write may appear between any two.
        """
        ...

    # --- folding; the stream must write in this order ---

    def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        """The whole partitions of these learners, without those that have none."""
        ...

    def activities(self, keys: Collection[ActivityKey]) -> dict[ActivityKey, Activity]:
        """The stored rows of `user_activity_agg`, without those that do not exist."""
        ...

    def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
        """Register slices. Call this before writing their first row."""
        ...

    def add_rows(self, rows: Sequence[AttemptVersion]) -> Mapping[bytes, str]:
        """Write versions, each into the slice of its receipt. If a slice gets two receipts, the earlier one wins.

        Returns the versions that the store will never accept: content hash and the error of the store.
        """
        ...

    def add_entries(self, entries: Sequence[Entry]) -> None:
        """Write map entries, each into its own cell. If a version has two receipts, the earlier one wins."""
        ...

    def put_summaries(self, summaries: Sequence[Summary]) -> None:
        """Write derived columns. A view computed from fewer versions never replaces one from more."""
        ...

    def put_activities(self, activities: Sequence[Activity]) -> None:
        """Write rows of `user_activity_agg`. A view computed from fewer versions never replaces one from more."""
        ...

    # --- failed events ---

    def add_failed(self, events: Sequence[FailedEvent]) -> None:
        """Store failed events. An event that is stored already, resolved or not, stays as it is."""
        ...

    def failed(self) -> Iterator[FailedEvent]:
        """The unresolved failed events, ordered by topic, partition and offset."""
        ...

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        """The keys of unresolved failed events between two offsets (inclusive)."""
        ...

    def resolve(self, keys: Collection[FailedKey]) -> None:
        """Mark failed events as resolved: a replay stored them."""
        ...

    # --- archive, reports, reads ---

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        """The slices that ever held rows, in their order: of a batch, of some weeks, of both, or all of them.

        A cleared slice stays in the list. The cost grows with the slices asked for, not with those that exist.
        """
        ...

    def slices_after(self, after: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        """A page of the same list: the first `limit` slices above `after` (None: from the beginning)."""
        ...

    def rows_after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        """A page of a batch: all rows of these attempts.

        `slices` are of one batch. The rows come in the order of key, version and receipt. Each key is complete: all
        its versions in these slices are there, and both copies of a version that lies in two of them.
        """
        ...

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        """The number of rows that each slice holds now."""
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the store, for `assess doctor`. May read all of it."""
        ...

    def scan(self, slice_: ArchiveSlice) -> "list[Iterator[pa.RecordBatch]]":
        """The rows of a slice: one iterator per shard, ordered by learner, in batches of bounded size.

        Shape: `arrow.rows.HOT_SCHEMA` (`question` is JSON text). Every row that was acknowledged before this call is
        included, unless it is deleted while the slice is read.
        """
        ...

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        """The rows with these keys, versions and slices, whatever their receipt, without those that do not exist."""
        ...

    def delete(self, rows: Sequence[RowKey]) -> int:
        """Delete exactly these copies (key, version and receipt); returns how many existed."""
        ...

    def all_learners(self) -> Iterator[tuple[str, Learner]]:
        """Every learner's partition, ordered by learner id. For `table` and audits, never while a client waits."""
        ...

    def all_activities(self) -> Iterator[Activity]:
        """Every row of `user_activity_agg`, ordered by key. For `table` and audits."""
        ...


class Schema(Protocol):
    """The tables of a hot store. Methods raise `BadSettings` and `StoreUnavailable`."""

    def show(self) -> str:
        """The statements that create the tables."""
        ...

    def apply(self, replication: str | None, shards: int | None) -> str:
        """Create what is missing; returns a sentence about what exists now. May be repeated and run concurrently.

        Raises `NotOurTable` if an existing table has another shape; nothing was changed then.
        """
        ...

    def check(self) -> Iterator[str]:
        """The differences from what the store needs, one sentence each."""
        ...
