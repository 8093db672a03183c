"""What the core asks of the hot store: no transaction over several rows, bounded reads.

A method raises `StoreUnavailable` when the store does not answer or has no room; empty means empty.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        """The keys of failed events between two offsets (inclusive) that are not mended."""
        ...

    def resolve(self, keys: Collection[FailedKey]) -> None:
        """Mark failed events as stored after all."""
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

    def rows_after(
        self,
        slices: Collection[ArchiveSlice],
        after: AttemptKey | None,
        attempts: int,
        *,
        course_id: str | None = None,
        content_id: str | None = None,
    ) -> list[AttemptVersion]:
        """A page of a batch: all rows of the first `attempts` attempt keys above `after` (None: from the beginning).

        `slices` are of one batch. The rows come in the order of key, version and receipt. Each key is complete: all
        its versions in these slices are there, and both copies of a version that lies in two of them.
        """
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
