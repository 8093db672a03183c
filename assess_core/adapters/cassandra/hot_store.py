"""The hot store in a keyspace of Cassandra. memory.py is the reference implementation, cql/ defines the tables."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any, Final, NamedTuple

import pyarrow as pa
from cassandra.query import BoundStatement

from assess_core.adapters.cassandra.connection import Connection, Refused, Row
from assess_core.adapters.cassandra.corrected_totals import CassandraCorrectedTotals
from assess_core.adapters.cassandra.driver import set_routing_columns
from assess_core.adapters.cassandra.erasing import CassandraErasing
from assess_core.adapters.cassandra.failed import FailedEvents
from assess_core.adapters.cassandra.health import examine
from assess_core.adapters.cassandra.maps import activity, read_entries, read_learner
from assess_core.adapters.cassandra.pages import BatchPages
from assess_core.adapters.cassandra.putting_back import put_back
from assess_core.adapters.cassandra.register import CassandraRegister
from assess_core.adapters.cassandra.requests import REQUEST_BYTES, as_one_request, by_bytes, chunked, grouped, size
from assess_core.adapters.cassandra.scan import LONG_QUESTION, Scans
from assess_core.adapters.cassandra.schema import require
from assess_core.adapters.cassandra.slices import SliceTables
from assess_core.adapters.cassandra.sorting import in_order
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.adapters.cassandra.write_times import receipt_write_time, view_write_time
from assess_core.chunks import chunks, padded
from assess_core.domain.attempts import AttemptVersion, RowKey
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding
from assess_core.ports.hot_store import AttemptRange, Learner
from assess_core.ports.log import Position

_READ_ROWS: Final = 20  # keys in one IN
_IDS: Final = 64  # learners in one IN; they share a replica, which asks the other replicas for each of them
_PAGE: Final = 512
_IN_FLIGHT_BYTES: Final = 16 * 1024 * 1024  # 64 rows of 8 MiB must not be in flight at once

_PARTITION = "batch_id, year, week, shard"
_ROW_KEY = "user_id, course_id, content_id, attempt_id, last_attempted_on, content_hash"
_ONE_ROW = " AND ".join(f"{column} = ?" for column in f"{_PARTITION}, {_ROW_KEY}".split(", "))
_ADD_ROW = f"""INSERT INTO {{ks}}.assessment_aggregator
    ({_PARTITION}, {_ROW_KEY}, total_score, total_max_score, grand_total, created_on, updated_on, question)
    VALUES ({", ".join("?" * 16)}) USING TIMESTAMP ?"""
_DELETE = f"DELETE FROM {{ks}}.assessment_aggregator USING TIMESTAMP ? WHERE {_ONE_ROW}"
_SOME_ROWS = f"batch_id = ? AND year = ? AND week = ? AND shard = ? AND ({_ROW_KEY}) IN ?"
_SELECTED_KEY = "user_id, course_id, content_id, attempt_id, to_unix_timestamp(last_attempted_on), content_hash"
_GET = f"""SELECT {_SELECTED_KEY}, total_score, total_max_score, grand_total, question, to_unix_timestamp(updated_on)
    FROM {{ks}}.assessment_aggregator WHERE {_SOME_ROWS}"""
_RECEIPTS = f"""SELECT {_SELECTED_KEY}, to_unix_timestamp(updated_on), writetime(updated_on)
    FROM {{ks}}.assessment_aggregator WHERE {_SOME_ROWS}"""

_USER: Final = -4  # in the values of the two statements below
_SUMMARY_KEY = "user_id, assessment_id, course_id, batch_id"
_ADD_ENTRY = """UPDATE {ks}.assessment_aggregator_v2 USING TIMESTAMP ? SET attempts[?] = ?
    WHERE user_id = ? AND assessment_id = ? AND course_id = ? AND batch_id = ?"""
_PUT_SUMMARY = """UPDATE {ks}.assessment_aggregator_v2 USING TIMESTAMP ?
    SET last_attempted_score = ?, total_max_score = ?, best_score = ?, min_score = ?, average_score = ?,
        attempts_count = ?, updated_on = ?, versions = ?
    WHERE user_id = ? AND assessment_id = ? AND course_id = ? AND batch_id = ?"""
_LEARNERS = f"""SELECT {_SUMMARY_KEY}, attempts, last_attempted_score, total_max_score, best_score, min_score,
    average_score, attempts_count, to_unix_timestamp(updated_on), versions
    FROM {{ks}}.assessment_aggregator_v2 WHERE user_id IN ("""
_MAPS = f"SELECT {_SUMMARY_KEY}, attempts FROM {{ks}}.assessment_aggregator_v2 WHERE user_id IN ("
_MAP_SIZES = f"""SELECT {_SUMMARY_KEY}, collection_count(attempts)
    FROM {{ks}}.assessment_aggregator_v2 WHERE user_id IN ("""

_PUT_ACTIVITY = """INSERT INTO {ks}.user_activity_agg
    (activity_type, activity_id, user_id, context_id, aggregates, agg_details, agg_last_updated, versions)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"""
_ACTIVITIES = """SELECT activity_id, user_id, context_id, aggregates, agg_details, agg_last_updated, versions
    FROM {ks}.user_activity_agg WHERE activity_type = ? AND activity_id = ? AND user_id IN ("""


class CassandraHot(CassandraErasing):
    """HotStore and Positions at `cassandra://...` (see `parse_cassandra_url`).

    Any thread may use it; the stores of a process share their connections. When a method returns, its writes are
    acknowledged at the consistency of the URL. The constructor raises `BadSettings`, `NotOurTable` and
    `StoreUnavailable`.
    """

    def __init__(self, url: str) -> None:
        self._db = Connection(parse_cassandra_url(url))
        self.shards = require(self._db)
        self._failed = FailedEvents(self._db)
        self._scans = Scans(self._db, self.shards)
        self._slices = SliceTables(self._db)
        self._pages = BatchPages(self._db, self.shards)
        self.register = CassandraRegister(self._db)
        self.corrected_totals = CassandraCorrectedTotals(self._db)

    # --- folding ---

    def transaction(self) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        found: dict[str, Learner] = {}
        for row in self._of_users(_LEARNERS, user_ids):
            if row[4] is not None:  # a summary without map entries is ignored
                read_learner(row, found)
        return found

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        return read_entries(row for row in self._of_users(_MAPS, user_ids) if row[4] is not None)

    def entries_at_once(self, user_ids: Collection[str]) -> None:
        """None: every read waits for the network."""

    def map_sizes(self, user_ids: Collection[str]) -> dict[SummaryKey, int]:
        return {SummaryKey(*key): count for *key, count in self._of_users(_MAP_SIZES, user_ids) if count}

    def _of_users(self, select: str, user_ids: Collection[str]) -> Iterator[Row]:
        groups = self._db.by_owner(user_ids, lambda user_id: (user_id,))
        asked = [self._in(select, (), ids) for ids in chunked(groups, _IDS)]
        return chain.from_iterable(self._db.execute_all(asked))

    def activities(self, keys: Collection[ActivityKey]) -> dict[ActivityKey, Activity]:
        wanted = set(keys)
        courses: dict[tuple[str, str], set[str]] = {}
        for key in wanted:
            courses.setdefault((key.activity_type, key.course_id), set()).add(key.user_id)
        asked = []
        for course, users in courses.items():
            groups = self._db.by_owner(users, lambda user_id, course=course: (*course, user_id))  # type: ignore[misc]
            asked += [self._in(_ACTIVITIES, course, ids) for ids in chunked(groups, _IDS)]
        activities = (activity(row) for rows in self._db.execute_all(asked) for row in rows)
        return {activity.key: activity for activity in activities if activity.key in wanted}

    def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
        self._slices.add(slices)

    def put_back(self, rows: Sequence[AttemptVersion]) -> None:
        put_back(rows, self.add_rows, self.get)

    def add_rows(self, rows: Sequence[AttemptVersion], above: int = 0) -> Mapping[bytes, str]:
        insert = self._db.prepared(_ADD_ROW)
        bound = [_BoundRow(row, insert.bind(self._values(row, above))) for row in rows]
        self._mark_large(bound)
        # rows of a partition are adjacent, because the server writes those of a request together
        bound.sort(key=lambda one: one.partition)
        batches = [
            batch
            for of_node in self._db.by_owner(bound, lambda one: one.partition)
            for batch in by_bytes(of_node, lambda one: size(one.statement), REQUEST_BYTES)
        ]
        refused: dict[bytes, str] = {}
        for at_once in by_bytes(batches, lambda batch: sum(one.size for one in batch), _IN_FLIGHT_BYTES):
            try:
                self._db.execute_all(
                    [as_one_request([one.statement for one in batch]) for batch in at_once], single=True
                )
            except Refused:
                refused |= self._one_by_one([one for batch in at_once for one in batch])
        return refused

    def _one_by_one(self, rows: Sequence["_BoundRow"]) -> dict[bytes, str]:
        """Write rows one by one; returns the server's message for each refused row. Raises if the schema is wrong."""
        refused: dict[bytes, str] = {}
        for row, statement in rows:
            try:
                self._db.execute_all([statement], single=True)
            except Refused as error:
                refused[row.version.content_hash] = str(error)
        if refused:
            require(self._db)
        return refused

    def _values(self, row: AttemptVersion, above: int) -> Row:
        at = row.received_at
        totals = row.total_score, row.total_max_score, row.grand_total
        return *self._primary_key(row.row_key), *totals, at, at, row.question, receipt_write_time(at) + above

    def _partition(self, slice_: ArchiveSlice, user_id: str) -> tuple[str, int, int, int]:
        (year, week), batch_id = slice_
        return batch_id, year, week, shard_of(user_id, self.shards)

    def _primary_key(self, row: RowKey) -> tuple[str, int, int, int, str, str, str, str, int, bytes]:
        """The primary key of a row."""
        return *self._partition(row.slice, row.key.user_id), *_clustering_key(row)

    def _mark_large(self, rows: Iterable["_BoundRow"]) -> None:
        """Mark the slices of long rows before the rows are written, so that scans request smaller pages."""
        largest: dict[ArchiveSlice, int] = {}
        for one in rows:
            if one.size > LONG_QUESTION:
                slice_ = one.row.slice
                largest[slice_] = max(largest.get(slice_, 0), 1 << (one.size - 1).bit_length())
        self._slices.mark_largest(largest)

    def add_entries(self, entries: Sequence[Entry], summaries: Sequence[Summary] = ()) -> None:
        """The server writes the statements of a learner in one request as a whole, so the entries go with summaries."""
        add = self._db.prepared(_ADD_ENTRY)
        learners = grouped(self._put_summaries(summaries), lambda statement: statement.values[_USER])
        bound = (
            add.bind(
                (
                    receipt_write_time(entry.received_at),
                    (entry.attempt_id, entry.version.last_attempted_on, entry.version.content_hash),
                    (entry.score, entry.max_score, entry.version.has_answers, entry.received_at),
                    *entry.key,
                )
            )
            for entry in entries
        )
        units, late = list[list[BoundStatement]](), list[list[BoundStatement]]()
        for user, statements in grouped(bound, lambda statement: statement.values[_USER]).items():
            derived = learners.pop(user, [])
            if sum(map(size, statements)) + sum(map(size, derived)) <= REQUEST_BYTES:
                units.append([*statements, *derived])
            else:
                units += [[statement] for statement in statements]
                late += [[statement] for statement in derived]
        self._write_learners(units)
        self._write_learners([*late, *learners.values()])

    def put_summaries(self, summaries: Sequence[Summary]) -> None:
        self._write_learners([[statement] for statement in self._put_summaries(summaries)])

    def _put_summaries(self, summaries: Iterable[Summary]) -> Iterator[BoundStatement]:
        put = self._db.prepared(_PUT_SUMMARY)
        return (
            put.bind(
                (
                    view_write_time(summary.versions),
                    *(summary.last_attempted_score, summary.total_max_score, summary.best_score),
                    *(summary.min_score, summary.average_score, summary.attempts_count, summary.updated_on),
                    summary.versions,
                    *summary.key,
                )
            )
            for summary in summaries
        )

    def _write_learners(self, units: Sequence[list[BoundStatement]]) -> None:
        """Write units, each of one learner."""
        self._db.write(units, lambda statement: (statement.values[_USER],))

    def put_activities(self, activities: Sequence[Activity]) -> None:
        put = self._db.prepared(_PUT_ACTIVITY)
        bound = (
            put.bind(
                (
                    *(activity.key.activity_type, activity.key.course_id, activity.key.user_id),
                    *(activity.key.context_id, activity.aggregates, activity.agg_details),
                    *(activity.agg_last_updated, activity.versions, view_write_time(activity.versions)),
                )
            )
            for activity in activities
        )
        self._db.write(([statement] for statement in bound), lambda statement: statement.values[:3])

    def _in(self, cql: str, first: Sequence[str], ids: Sequence[str]) -> BoundStatement:
        asked = padded(ids)  # so that five statements are prepared, not sixteen
        prepared = self._db.prepared(f"{cql}{', '.join('?' * len(asked))})")
        set_routing_columns(prepared.statement, len(first) + 1)
        return prepared.bind([*first, *asked])

    # --- failed events ---

    def add_failed(self, events: Sequence[FailedEvent]) -> None:
        self._failed.add(events)

    def failed(self, after: FailedKey | None = None) -> Iterator[FailedEvent]:
        return self._failed.all(after)

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        return self._failed.unresolved(topic, partition, first, last)

    def resolve(self, keys: Collection[FailedKey]) -> None:
        self._failed.resolve(keys)

    # --- archive, reports, reads ---

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        return self._slices.listed(batch_id, weeks)

    def slices_after(self, after: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        return self._slices.after(after, limit)

    def rows_after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        return self._pages.after(slices, asked)

    def held(self) -> list[ArchiveSlice]:
        return self._scans.held()

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        return self._scans.counts(slices)

    def examine(self) -> Iterator[Finding]:
        return examine(self._db, self.shards)

    def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> list[Iterator[pa.RecordBatch]]:
        return self._scans.scan(slice_, answers)

    def keys(self, slice_: ArchiveSlice) -> Iterator[pa.RecordBatch]:
        return self._scans.keys(slice_)

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        found = self._select(_GET, rows)
        return [
            AttemptVersion(row.key, row.version, *found[key])
            for row in rows
            if (key := self._primary_key(row)) in found
        ]

    def remember_lake(self, identity: str | None) -> None:
        self._slices.remember_lake(identity)

    def remembered_lake(self) -> str | None:
        return self._slices.remembered_lake()

    def delete(self, rows: Sequence[RowKey]) -> int:
        delete, deleted = self._db.prepared(_DELETE), 0
        for some in chunks(rows, 5000):
            stored = self._select(_RECEIPTS, some)
            wanted = {
                key: found[1]
                for row in some
                if (found := stored.get(key := self._primary_key(row))) and found[0] == row.received_at
            }
            # a row that got an earlier receipt meanwhile has a higher write time, so this does not delete it
            bound = (delete.bind((write_time, *key)) for key, write_time in sorted(wanted.items()))
            self._db.write(([statement] for statement in bound), lambda statement: statement.values[1:5])
            deleted += len(wanted)
        return deleted

    def _select(self, cql: str, rows: Iterable[RowKey]) -> dict[tuple[Any, ...], Row]:
        """Read rows; returns the columns that follow the key in `cql`, by primary key."""
        select = self._db.prepared(cql)
        partitions = grouped(rows, lambda row: self._partition(row.slice, row.key.user_id))
        asked = [
            (partition, select.bind((*partition, [_clustering_key(row) for row in some])))
            for partition, of_partition in partitions.items()
            for some in chunks(of_partition, _READ_ROWS)
        ]
        found = self._db.execute_all([statement for _, statement in asked])
        return {
            (*partition, *row[:6]): tuple(row[6:])
            for (partition, _), rows in zip(asked, found, strict=True)
            for row in rows
        }

    def all_learners(self) -> Iterator[tuple[str, Learner]]:
        every = self._db.pages("SELECT DISTINCT user_id FROM {ks}.assessment_aggregator_v2")
        for page in chunks(in_order(every), _PAGE):
            learners = self.learners([user_id for (user_id,) in page])
            yield from ((user_id, learners[user_id]) for (user_id,) in page if user_id in learners)

    def all_activities(self) -> Iterator[Activity]:
        every = self._db.pages("SELECT DISTINCT activity_type, activity_id, user_id FROM {ks}.user_activity_agg")
        one = self._db.prepared(f"{_ACTIVITIES}?)")
        for page in chunks(in_order((user_id, course, type_) for type_, course, user_id in every), _PAGE):
            found = self._db.execute_all([one.bind((type_, course, user_id)) for user_id, course, type_ in page])
            yield from (activity(row) for rows in found for row in rows)

    # --- positions ---

    def positions(self) -> dict[str, Position]:
        rows = self._db.execute("SELECT topic, line, byte, proof FROM {ks}.positions")
        return {topic: Position(line, byte, proof or b"") for topic, line, byte, proof in rows}

    def commit(self, positions: Mapping[str, Position]) -> None:
        put = self._db.prepared("INSERT INTO {ks}.positions (topic, line, byte, proof) VALUES (?, ?, ?, ?)")
        self._db.execute_all([put.bind((topic, *position)) for topic, position in positions.items()])


def _clustering_key(row: RowKey) -> tuple[str, str, str, str, int, bytes]:
    """The clustering key of a row."""
    user_id, course_id, _, content_id, attempt_id = row.key
    attempted_on, _, hash_ = row.version
    return user_id, course_id, content_id, attempt_id, attempted_on, hash_


class _BoundRow(NamedTuple):
    """A version and the statement that writes it."""

    row: AttemptVersion
    statement: BoundStatement

    @property
    def partition(self) -> list[bytes]:
        """The encoded partition key."""
        return list(self.statement.values[:4])

    @property
    def size(self) -> int:
        """Bytes of the encoded `question`."""
        return len(self.statement.values[-2])
