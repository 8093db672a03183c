"""The hot store as plain dictionaries: the reference for other adapters, and a test double."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import pyarrow as pa
from msgspec import structs

from assess_core.adapters.arrow.rows import KEY_SCHEMA, to_batch
from assess_core.domain.attempts import AttemptVersion, RowKey, page_order
from assess_core.domain.corrected_scores import CorrectedTotals
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.register import Kind, Record
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.erasures import HotErased, Text
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import MOST_AT_ONCE, AttemptRange, Learner
from assess_core.ports.log import Position

_BATCH_ROWS = 1000


class MemoryRegister:
    """The port `Register` as a dictionary."""

    def __init__(self) -> None:
        self._records: dict[tuple[Kind, str, str], Record] = {}

    def add(self, records: Sequence[Record]) -> None:
        for record in records:
            self._records.setdefault(record[:3], record)

    def of(self, kind: Kind, topics: Collection[str]) -> list[Record]:
        return [record for record in self.all(kind) if record.topic in topics]

    def all(self, kind: Kind) -> list[Record]:
        return sorted(record for record in self._records.values() if record.kind is kind)

    def rewrite(self, records: Sequence[Record]) -> None:
        self._records |= {record[:3]: record for record in records if record[:3] in self._records}

    def remove(self, records: Sequence[Record]) -> None:
        for record in records:
            self._records.pop(record[:3], None)


class MemoryCorrectedTotals:
    """The port `CorrectedTotalsTable` as a dictionary."""

    def __init__(self, on_write: Callable[[], None]) -> None:
        self._on_write = on_write
        self._rows: dict[bytes, CorrectedTotals] = {}

    def of(self, user_ids: Collection[str]) -> dict[bytes, CorrectedTotals]:
        return {hash_: row for hash_, row in self._rows.items() if row.user_id in user_ids}

    def put(self, rows: Sequence[CorrectedTotals]) -> None:
        for row in rows:
            self._on_write()
            self._rows[row.content_hash] = row

    def remove(self, user_ids: Collection[str]) -> None:
        """Delete the rows of learners."""
        self._rows = {hash_: row for hash_, row in self._rows.items() if row.user_id not in user_ids}


class MemoryHot:
    """Calls `on_write` before each write of a row or a cell. A test can raise in it, or run another writer."""

    def __init__(self, shards: int = 4, on_write: Callable[[], None] = lambda: None) -> None:
        self.shards = shards
        self._on_write = on_write
        self._slices: set[ArchiveSlice] = set()
        self._rows: dict[tuple[ArchiveSlice, bytes], AttemptVersion] = {}
        self._entries: dict[str, dict[bytes, Entry]] = {}
        self._summaries: dict[SummaryKey, Summary] = {}
        self._activities: dict[ActivityKey, Activity] = {}
        self._failed: dict[FailedKey, FailedEvent] = {}
        self._resolved: set[FailedKey] = set()
        self._positions: dict[str, Position] = {}
        self._lake: str | None = None
        self.register = MemoryRegister()
        self.corrected_totals = MemoryCorrectedTotals(on_write)

    def transaction(self) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        return {user_id: self._learner(user_id) for user_id in user_ids if user_id in self._entries}

    def _learner(self, user_id: str) -> Learner:
        entries = list(self._entries[user_id].values())
        keys = {entry.key for entry in entries}
        return Learner(entries, {key: self._summaries[key] for key in keys if key in self._summaries})

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        return {user_id: list(self._entries[user_id].values()) for user_id in user_ids if user_id in self._entries}

    def entries_at_once(self, user_ids: Collection[str]) -> dict[str, list[Entry]] | None:
        found = self.entries(user_ids)
        if sum(map(len, found.values())) > MOST_AT_ONCE:
            return None
        corrected = {record.topic for record in self.register.all(Kind.CORRECTION)}
        if corrected and any(entry.key.assessment_id in corrected for each in found.values() for entry in each):
            return None
        return found

    def map_sizes(self, user_ids: Collection[str]) -> dict[SummaryKey, int]:
        learners = self.learners(user_ids).values()
        return dict(Counter(entry.key for learner in learners for entry in learner.entries))

    def activities(self, keys: Collection[ActivityKey]) -> dict[ActivityKey, Activity]:
        return {key: self._activities[key] for key in keys if key in self._activities}

    def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
        for slice_ in slices:
            self._on_write()
            self._slices.add(slice_)

    def put_back(self, rows: Sequence[AttemptVersion]) -> None:
        self.add_rows(rows)

    def add_rows(self, rows: Sequence[AttemptVersion]) -> Mapping[bytes, str]:
        for row in rows:
            self._on_write()
            key = (row.slice, row.version.content_hash)
            kept = self._rows.get(key)
            if kept is None or row.received_at < kept.received_at:
                self._rows[key] = row
        return {}

    def add_entries(self, entries: Sequence[Entry], summaries: Sequence[Summary] = ()) -> None:
        for entry in entries:
            self._on_write()
            partition = self._entries.setdefault(entry.key.user_id, {})
            kept = partition.get(entry.version.content_hash)
            if kept is None or entry.received_at < kept.received_at:
                partition[entry.version.content_hash] = entry
        if summaries:
            self.put_summaries(summaries)

    def put_summaries(self, summaries: Sequence[Summary]) -> None:
        for summary in summaries:
            self._on_write()
            kept = self._summaries.get(summary.key)
            if kept is None or summary.versions >= kept.versions:
                self._summaries[summary.key] = summary

    def put_activities(self, activities: Sequence[Activity]) -> None:
        for activity in activities:
            self._on_write()
            kept = self._activities.get(activity.key)
            if kept is None or activity.versions >= kept.versions:
                self._activities[activity.key] = activity

    def add_failed(self, events: Sequence[FailedEvent]) -> None:
        for event in events:
            self._on_write()
            self._failed.setdefault(event.key, event)

    def failed(self, after: FailedKey | None = None) -> Iterator[FailedEvent]:
        for key in sorted(self._failed):
            if key not in self._resolved and (after is None or key > after):
                yield self._failed[key]

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        return [
            key
            for key in sorted(self._failed.keys() - self._resolved)
            if (key.topic, key.partition) == (topic, partition) and first <= key.offset <= last
        ]

    def resolve(self, keys: Collection[FailedKey]) -> None:
        for key in keys:
            self._on_write()
            self._resolved.add(key)

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        return sorted(
            slice_
            for slice_ in self._slices
            if (batch_id is None or slice_.batch_id == batch_id) and (weeks is None or slice_.week in weeks)
        )

    def slices_after(self, after: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        return sorted(slice_ for slice_ in self._slices if after is None or slice_ > after)[:limit]

    def held(self) -> list[ArchiveSlice]:
        return sorted({slice_ for slice_, _ in self._rows})

    def rows_after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        rows = [
            row
            for (slice_, _), row in self._rows.items()
            if slice_ in slices
            and (asked.after is None or row.key > asked.after)
            and asked.course_id in (None, row.key.course_id)
            and asked.content_id in (None, row.key.content_id)
        ]
        keys = set(sorted({row.key for row in rows})[: asked.limit])
        return sorted((row for row in rows if row.key in keys), key=page_order)

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        found = Counter(key[0] for key in self._rows)
        return {slice_: found[slice_] for slice_ in slices}

    def examine(self) -> Iterator[Finding]:
        yield Finding(Level.OK, "hot store", "in memory")

    def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> list[Iterator[pa.RecordBatch]]:
        return [self._shard(slice_, shard, answers) for shard in range(self.shards)]

    def _shard(self, slice_: ArchiveSlice, shard: int, answers: bool) -> Iterator[pa.RecordBatch]:
        rows = [
            row if answers else structs.replace(row, question="[]")
            for (where, _), row in self._rows.items()
            if where == slice_ and shard_of(row.key.user_id, self.shards) == shard
        ]
        rows.sort(key=lambda row: (row.key, row.version))
        for start in range(0, len(rows), _BATCH_ROWS):
            yield to_batch(rows[start : start + _BATCH_ROWS])

    def keys(self, slice_: ArchiveSlice) -> Iterator[pa.RecordBatch]:
        for shard in self.scan(slice_, answers=False):
            yield from (batch.select(KEY_SCHEMA.names) for batch in shard)

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        keys = [(row.slice, row.version.content_hash) for row in rows]
        return [self._rows[key] for key in keys if key in self._rows]

    def delete(self, rows: Sequence[RowKey]) -> int:
        deleted = 0
        for row in rows:
            self._on_write()
            key = (row.slice, row.version.content_hash)
            if key in self._rows and self._rows[key].received_at == row.received_at:
                del self._rows[key]
                deleted += 1
        return deleted

    def remember_lake(self, identity: str | None) -> None:
        self._lake = identity

    def remembered_lake(self) -> str | None:
        return self._lake

    def erase(self, user_ids: Collection[str], slices: Collection[ArchiveSlice]) -> HotErased:
        rows = [key for key, row in self._rows.items() if key[0] in slices and row.key.user_id in user_ids]
        activities = [key for key in self._activities if key.user_id in user_ids]
        summaries = [key for key in self._summaries if key.user_id in user_ids]
        entries = 0
        for row in rows:
            self._on_write()
            del self._rows[row]
        for activity in activities:
            self._on_write()
            del self._activities[activity]
        for user_id in user_ids:
            self._on_write()
            entries += len(self._entries.pop(user_id, {}))
        for summary in summaries:
            del self._summaries[summary]
        self.corrected_totals.remove(user_ids)
        return HotErased(len(rows), entries, len(summaries), len(activities))

    def every_failed(self) -> Iterator[FailedEvent]:
        yield from list(self._failed.values())

    def remove_failed(self, keys: Collection[FailedKey]) -> None:
        for key in keys:
            self._on_write()
            self._failed.pop(key, None)
            self._resolved.discard(key)

    def files(self) -> Iterator[tuple[str, Iterator[Text]]]:
        return iter(())

    def scrub(self) -> str:
        return ""

    def all_learners(self) -> Iterator[tuple[str, Learner]]:
        for user_id in sorted(self._entries):
            yield user_id, self._learner(user_id)

    def all_activities(self) -> Iterator[Activity]:
        for key in sorted(self._activities):
            yield self._activities[key]

    def positions(self) -> dict[str, Position]:
        return dict(self._positions)

    def commit(self, positions: Mapping[str, Position]) -> None:
        self._on_write()
        self._positions.update(positions)
