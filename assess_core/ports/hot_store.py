"""What the core needs from the hot store: bounded reads. Transactions make it faster, but no rule depends on them.

A method raises `StoreUnavailable` when the store does not answer or is full. It never returns an empty result instead.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from assess_core.domain.attempts import AttemptKey, AttemptVersion, RowKey
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.corrected_totals import CorrectedTotalsTable
from assess_core.ports.erasures import HotErased, Text
from assess_core.ports.findings import Finding
from assess_core.ports.register import Register

if TYPE_CHECKING:
    import pyarrow as pa

MOST_AT_ONCE: Final = 100
"""The most entries that `entries_at_once` reads. Computing their scores takes less than a millisecond."""


class Learner(NamedTuple):
    """A learner's partition of `assessment_aggregator_v2`."""

    entries: list[Entry]
    """All entries of the learner's maps."""
    summaries: dict[SummaryKey, Summary]
    """The derived columns as stored, for Sunbird's readers. After a crash they may be older than the maps."""


class AttemptRange(NamedTuple):
    """The first `limit` attempts of a batch after the key `after`, optionally of one course or assessment."""

    after: AttemptKey | None
    """None: from the beginning."""
    limit: int
    course_id: str | None = None
    content_id: str | None = None

    @property
    def begin(self) -> tuple[str, str, str, str]:
        """`after` without its batch, in the order of the tables' columns.

        Empty texts if `after` is None: they sort before every key.
        """
        if self.after is None:
            return "", "", "", ""
        return self.after.user_id, self.after.course_id, self.after.content_id, self.after.attempt_id


class HotStore(Protocol):
    """The database that attempts enter first: Cassandra or a SQLite file. Every write can be repeated without harm."""

    @property
    def shards(self) -> int:
        """The number of parts in which a slice is stored; fixed when the store is created."""
        ...

    @property
    def register(self) -> Register:
        """The register of decisions. What it holds is in force. In a transaction, its calls are a part of that."""
        ...

    @property
    def corrected_totals(self) -> CorrectedTotalsTable:
        """The totals of versions under corrections. In a transaction, its calls are a part of that."""
        ...

    def transaction(self) -> AbstractContextManager[bool]:
        """A block of reads and writes by this thread, as one transaction if the store has them.

        True: other writers wait until the block ends, and if it raises, nothing of it is written. False: each call
        stands alone, and what others write may appear between any two.
        """
        ...

    # --- folding; the stream must write in this order ---

    def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        """The complete partitions of these learners; learners without a partition are left out."""
        ...

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        """All entries of these learners' maps, from which scores are computed; learners without any are left out."""
        ...

    def entries_at_once(self, user_ids: Collection[str]) -> dict[str, list[Entry]] | None:
        """As `entries`, for a thread that must not wait for a network, a lock or many rows.

        None if the store cannot promise that, if there are more than `MOST_AT_ONCE` entries, or if there was a
        correction of one of their assessments. Otherwise the entries have the scores that count. The pages of a file
        may be read from the disk, unless they were read a moment ago.
        """
        ...

    def map_sizes(self, user_ids: Collection[str]) -> dict[SummaryKey, int]:
        """The number of entries in each map of these learners; empty maps are left out."""
        ...

    def activities(self, keys: Collection[ActivityKey]) -> dict[ActivityKey, Activity]:
        """The rows of `user_activity_agg` with these keys; keys without a row are left out."""
        ...

    def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
        """Register slices. Call this before writing their first row."""
        ...

    def add_rows(self, rows: Sequence[AttemptVersion]) -> Mapping[bytes, str]:
        """Write versions, each into the slice of its receipt.

        If a slice gets a version with two receipts, the earlier receipt wins. Returns the versions that the store will
        never accept: each content hash with the error of the store.
        """
        ...

    def put_back(self, rows: Sequence[AttemptVersion]) -> None:
        """Write versions again that `delete` may have deleted. When this returns, all of them can be read.

        Raises `StoreUnavailable` if the store hides or refuses one.
        """
        ...

    def add_entries(self, entries: Sequence[Entry], summaries: Sequence[Summary] = ()) -> None:
        """Write map entries, each into its own cell, and summaries as in `put_summaries`.

        If a version has two receipts, the earlier one wins. A summary never appears before its learner's entries.
        """
        ...

    def put_summaries(self, summaries: Sequence[Summary]) -> None:
        """Write derived columns. A row with fewer `versions` never replaces one with more."""
        ...

    def put_activities(self, activities: Sequence[Activity]) -> None:
        """Write rows of `user_activity_agg`. A row with fewer versions never replaces one with more."""
        ...

    # --- failed events ---

    def add_failed(self, events: Sequence[FailedEvent]) -> None:
        """Store failed events. An event that is stored already, resolved or not, stays as it is."""
        ...

    def failed(self, after: FailedKey | None = None) -> Iterator[FailedEvent]:
        """The unresolved failed events after a key (None: all), ordered by topic, partition and offset.

        Events before the key are not read."""
        ...

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        """The keys of unresolved failed events between two offsets (inclusive)."""
        ...

    def resolve(self, keys: Collection[FailedKey]) -> None:
        """Mark failed events as resolved: a replay stored them."""
        ...

    # --- archive, reports, reads ---

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        """The slices that hold or held rows, sorted: of a batch, of some weeks, of both, or all of them.

        A cleared slice stays in the list. The cost grows with the requested slices, not with those that exist.
        """
        ...

    def slices_after(self, after: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        """A page of the list of all slices: the first `limit` slices after `after` (None: from the beginning)."""
        ...

    def held(self) -> list[ArchiveSlice]:
        """The slices that hold rows now, sorted. Slices that were cleared cost nothing."""
        ...

    def rows_after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        """A page of a batch: all rows of the requested attempts, ordered by key, version and receipt.

        `slices` are of one batch. The result has all versions of each attempt in these slices. If a version is in two
        slices, the result has both copies.
        """
        ...

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        """The number of rows that each slice holds now."""
        ...

    def examine(self) -> Iterator[Finding]:
        """The state of the store, for `assess doctor`. May read all of it."""
        ...

    def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> "list[Iterator[pa.RecordBatch]]":
        """The rows of a slice: one iterator per shard, ordered by learner, in batches of bounded size.

        Shape: `arrow.rows.HOT_SCHEMA` (`question` is JSON text; `[]` without `answers`). Every row that was
        acknowledged before this call is included, unless it is deleted while the slice is read.
        """
        ...

    def keys(self, slice_: ArchiveSlice) -> "Iterator[pa.RecordBatch]":
        """The keys of the rows of a slice with their receipts, in any order, in batches of bounded size.

        Shape: `arrow.rows.KEY_SCHEMA`. It has the same rows as `scan`, and the store reads no answers for it.
        """
        ...

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        """The rows with these keys, versions and slices, whatever their receipt. Missing rows are left out."""
        ...

    def delete(self, rows: Sequence[RowKey]) -> int:
        """Delete exactly these copies (key, version and receipt); returns how many existed."""
        ...

    def remember_lake(self, identity: str | None) -> None:
        """Store which lake has versions that are not here (`Pinned.identity`); None: no lake has.

        Call this before the first of them is deleted or named. Can be repeated.
        """
        ...

    def remembered_lake(self) -> str | None:
        """What `remember_lake` stored: without this lake, versions are missing."""
        ...

    # --- erasing learners ---

    def erase(self, user_ids: Collection[str], slices: Collection[ArchiveSlice]) -> HotErased:
        """Delete the rows of learners in these slices, then their activities, then their maps and summaries.

        The maps are last, so that a killed call can be repeated: they say where the rest is. Writes that were sent
        before this call cannot appear after it.
        """
        ...

    def every_failed(self) -> Iterator[FailedEvent]:
        """All failed events, also the resolved ones, in any order."""
        ...

    def remove_failed(self, keys: Collection[FailedKey]) -> None:
        """Delete failed events with their bytes. Can be repeated."""
        ...

    def files(self) -> Iterator[tuple[str, Iterator[Text]]]:
        """The local files of the store: the name of each, and what is in it. None if a server has them."""
        ...

    def scrub(self) -> str:
        """Make deleted bytes unreadable; returns a sentence about what stays and until when, empty if nothing does."""
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
        """Create what is missing; returns a sentence about what exists now. Can be repeated and run concurrently.

        Changes nothing and raises `NotOurTable` if an existing table has another shape.
        """
        ...

    def check(self) -> Iterator[str]:
        """The differences between the tables and what the store needs, one sentence each."""
        ...
