"""The hot store in one SQLite file, which several processes can share. memory.py is the reference implementation."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from assess_core.adapters.sqlite.connections import Connections
from assess_core.adapters.sqlite.corrected_totals import SqliteCorrectedTotals
from assess_core.adapters.sqlite.erasing import SqliteErasing
from assess_core.adapters.sqlite.maps import ENTRY, ENTRY_KEY, SqliteMaps
from assess_core.adapters.sqlite.pages import BatchPages
from assess_core.adapters.sqlite.register import SqliteRegister
from assess_core.adapters.sqlite.scan import Scans
from assess_core.adapters.sqlite.schema import prepare, readable_by_others
from assess_core.adapters.sqlite.slices import SliceTable
from assess_core.adapters.sqlite.url import parse_sqlite_url
from assess_core.chunks import chunks, padded
from assess_core.domain.attempts import AttemptKey, AttemptVersion, RowKey, Version
from assess_core.domain.counts import counted
from assess_core.domain.events import FailedEvent, FailedKey
from assess_core.domain.reasons import Reason
from assess_core.domain.scores import Activity, ActivityKey, Entry, Summary, SummaryKey
from assess_core.domain.shards import shard_of
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding, Level
from assess_core.ports.hot_store import MOST_AT_ONCE, AttemptRange, Learner
from assess_core.ports.log import Position

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK: Final = 512  # ids in one IN (...): a power of two, because shorter lists are padded to one
_DELETE_ROWS: Final = 5000  # in one transaction: other writers wait milliseconds, not for the whole clear
_PAGE: Final = 500
_PART: Final = 1024 * 1024  # bytes of a failed event in one row

_ROW_KEY = "batch_id, year, week, shard, user_id, course_id, content_id, attempt_id, last_attempted_on, content_hash"
_ROW = f"{_ROW_KEY}, total_score, total_max_score, grand_total, updated_on, question"
_ONE_ROW = " AND ".join(f"{column} = ?" for column in _ROW_KEY.split(", "))
_SUMMARY_KEY = "user_id, assessment_id, course_id, batch_id"
_SUMMARY = (
    f"{_SUMMARY_KEY}, last_attempted_score, total_max_score, best_score, min_score, average_score, "
    "attempts_count, updated_on, versions"
)
_ACTIVITY_KEY = "user_id, activity_type, activity_id, context_id"
_ACTIVITY = f"{_ACTIVITY_KEY}, aggregates, agg_details, agg_last_updated, versions"
_FAILED_KEY = 'topic, partition, "offset", raw_hash'
_FAILED = f"{_FAILED_KEY}, received_at, reason, message"


def _insert(table: str, columns: str, key: str, then: str) -> str:
    marks = ", ".join("?" * len(columns.split(", ")))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO {then}"


def _replace(table: str, columns: str, key: str) -> str:
    """An upsert of derived columns: a view from fewer versions never replaces one from more."""
    derived = [column for column in columns.split(", ") if column not in key.split(", ")]
    assignments = ", ".join(f"{column} = excluded.{column}" for column in derived)
    return _insert(table, columns, key, f"UPDATE SET {assignments} WHERE excluded.versions >= versions")


def _earlier(column: str) -> str:
    """An update of the receipt alone, if it is earlier: the rest of a version never changes."""
    return f"UPDATE SET {column} = excluded.{column} WHERE excluded.{column} < {column}"


_ADD_ROW = _insert("assessment_aggregator", _ROW, _ROW_KEY, _earlier("updated_on"))
_ADD_ENTRY = _insert("assessment_aggregator_v2_attempts", ENTRY, ENTRY_KEY, _earlier("received_at"))
_PUT_SUMMARY = _replace("assessment_aggregator_v2", _SUMMARY, _SUMMARY_KEY)
_PUT_ACTIVITY = _replace("user_activity_agg", _ACTIVITY, _ACTIVITY_KEY)
_ADD_FAILED = _insert("failed_events", _FAILED, _FAILED_KEY, "NOTHING")
_ADD_PART = "INSERT INTO failed_events_raw VALUES (?, ?, ?, ?, ?, ?)"
# this also marks an event that is not stored yet, so that a late worker cannot make it unresolved again
_RESOLVE = _insert("failed_events", f"{_FAILED_KEY}, mended", _FAILED_KEY, "UPDATE SET mended = 1")
_COMMIT = _insert(
    "positions",
    "topic, line, byte, proof",
    "topic",
    "UPDATE SET line = excluded.line, byte = excluded.byte, proof = excluded.proof",
)
_DELETE = f"DELETE FROM assessment_aggregator WHERE {_ONE_ROW} AND updated_on = ?"

_SUMMARIES_OF = f"SELECT {_SUMMARY} FROM assessment_aggregator_v2"
_ACTIVITIES_OF = f"SELECT {_ACTIVITY} FROM user_activity_agg"
_GET = (
    "SELECT total_score, total_max_score, grand_total, question, updated_on "
    f"FROM assessment_aggregator WHERE {_ONE_ROW}"
)
_COUNT = "SELECT count(*) FROM assessment_aggregator WHERE batch_id = ? AND year = ? AND week = ?"
_UNRESOLVED = f"""SELECT {_FAILED_KEY} FROM failed_events
    WHERE topic = ? AND partition = ? AND "offset" BETWEEN ? AND ? AND mended = 0 ORDER BY {_FAILED_KEY}"""
_PARTS_OF = """SELECT bytes FROM failed_events_raw
    WHERE topic = ? AND partition = ? AND "offset" = ? AND raw_hash = ? ORDER BY part"""

_USERS_AFTER = f"""SELECT DISTINCT user_id FROM assessment_aggregator_v2_attempts
    WHERE user_id > ? ORDER BY user_id LIMIT {_PAGE}"""
_ACTIVITIES_AFTER = f"""SELECT {_ACTIVITY} FROM user_activity_agg
    WHERE ({_ACTIVITY_KEY}) > (?, ?, ?, ?) ORDER BY {_ACTIVITY_KEY} LIMIT {_PAGE}"""
_FAILED_AFTER = f"""SELECT {_FAILED} FROM failed_events
    WHERE ({_FAILED_KEY}) > (?, ?, ?, ?) AND mended = 0 ORDER BY {_FAILED_KEY} LIMIT {_PAGE}"""

_encode = msgspec.json.Encoder().encode
_decode_aggregates = msgspec.json.Decoder(dict[str, float]).decode
_decode_details = msgspec.json.Decoder(list[str]).decode
_decode_updated = msgspec.json.Decoder(dict[str, int]).decode


class SqliteHot(SqliteErasing):
    """HotStore and Positions at `sqlite:///PATH[?shards=N]` (see `url.parse_sqlite_url`).

    Any thread may use it; each thread has its own connection. Every call that writes is one transaction (a large
    delete is several), and the data is on disk when the call returns. The constructor raises `BadSettings`,
    `NotOurTable` and `StoreUnavailable`; the methods raise `StoreUnavailable`.
    """

    def __init__(self, url: str) -> None:
        place = parse_sqlite_url(url)
        self._path = place.path
        self._connections = Connections(place.path)
        self.shards = prepare(self._connections, place)
        self._maps = SqliteMaps(self._connections, Connections(place.path, busy_seconds=0))
        self._slices = SliceTable(self._connections)
        self._scans = Scans(self._connections, self.shards)
        self._pages = BatchPages(self._connections, self.shards)
        self.register = SqliteRegister(self._connections)
        self.corrected_totals = SqliteCorrectedTotals(self._connections)

    def _select(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._connections.use() as connection:
            return connection.execute(sql, parameters).fetchall()

    # --- folding ---

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        with self._connections.transaction():
            yield True

    def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        found: dict[str, Learner] = {}
        for ids in chunks(user_ids, _CHUNK):
            found |= {user_id: Learner(entries, {}) for user_id, entries in self._maps.entries(ids).items()}
            self._read_summaries(ids, found)
        return found

    def entries(self, user_ids: Collection[str]) -> dict[str, list[Entry]]:
        return {id_: found for ids in chunks(user_ids, _CHUNK) for id_, found in self._maps.entries(ids).items()}

    def entries_at_once(self, user_ids: Collection[str]) -> dict[str, list[Entry]] | None:
        return self._maps.entries_at_once(list(user_ids)) if 0 < len(user_ids) <= MOST_AT_ONCE else None

    def _read_summaries(self, ids: Sequence[str], found: dict[str, Learner]) -> None:
        for row in self._of_users(_SUMMARIES_OF, ids):
            if row[0] in found:
                key = SummaryKey(*row[:4])
                found[row[0]].summaries[key] = Summary(key, *row[4:])

    def _of_users(self, select: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        asked = padded(ids)  # ten statements are prepared, not one for each length
        return self._select(f"{select} WHERE user_id IN ({', '.join('?' * len(asked))})", asked)

    def map_sizes(self, user_ids: Collection[str]) -> dict[SummaryKey, int]:
        learners = self.learners(user_ids).values()
        return dict(Counter(entry.key for learner in learners for entry in learner.entries))

    def activities(self, keys: Collection[ActivityKey]) -> dict[ActivityKey, Activity]:
        wanted, users = set(keys), {key.user_id for key in keys}
        rows = (row for ids in chunks(users, _CHUNK) for row in self._of_users(_ACTIVITIES_OF, ids))
        activities = (_activity(row) for row in rows)
        return {activity.key: activity for activity in activities if activity.key in wanted}

    def add_slices(self, slices: Collection[ArchiveSlice]) -> None:
        self._slices.add(slices)

    def put_back(self, rows: Sequence[AttemptVersion]) -> None:
        self.add_rows(rows)

    def add_rows(self, rows: Sequence[AttemptVersion]) -> Mapping[bytes, str]:
        values = [
            (
                *self._place(row.slice, row.key, row.version),
                row.total_score, row.total_max_score, row.grand_total, row.received_at, row.question,
            )
            for row in rows
        ]  # fmt: skip
        with self._connections.transaction() as connection:
            connection.executemany(_ADD_ROW, sorted(values))
        return {}

    def _place(
        self, slice_: ArchiveSlice, key: AttemptKey, version: Version
    ) -> tuple[str, int, int, int, str, str, str, str, int, bytes]:
        """The primary key of a row."""
        (year, week), batch_id = slice_
        user_id, course_id, _, content_id, attempt_id = key
        shard = shard_of(user_id, self.shards)
        attempted_on, _, hash_ = version
        return batch_id, year, week, shard, user_id, course_id, content_id, attempt_id, attempted_on, hash_

    def add_entries(self, entries: Sequence[Entry], summaries: Sequence[Summary] = ()) -> None:
        values = [
            (*key, attempt_id, attempted_on, hash_, has_answers, score, max_score, received_at)
            for key, attempt_id, (attempted_on, has_answers, hash_), score, max_score, received_at in entries
        ]
        with self._connections.transaction() as connection:
            connection.executemany(_ADD_ENTRY, sorted(values))
            if summaries:
                self.put_summaries(summaries)

    def put_summaries(self, summaries: Sequence[Summary]) -> None:
        values = [
            (
                *summary.key, summary.last_attempted_score, summary.total_max_score, summary.best_score,
                summary.min_score, summary.average_score, summary.attempts_count, summary.updated_on, summary.versions,
            )
            for summary in summaries
        ]  # fmt: skip
        with self._connections.transaction() as connection:
            connection.executemany(_PUT_SUMMARY, sorted(values))

    def put_activities(self, activities: Sequence[Activity]) -> None:
        values = [
            (
                *(activity.key.user_id, activity.key.activity_type, activity.key.course_id, activity.key.context_id),
                *(_text(activity.aggregates), _text(activity.agg_details), _text(activity.agg_last_updated)),
                activity.versions,
            )
            for activity in activities
        ]
        with self._connections.transaction() as connection:
            connection.executemany(_PUT_ACTIVITY, sorted(values))

    # --- failed events ---

    def add_failed(self, events: Sequence[FailedEvent]) -> None:
        with self._connections.transaction() as connection:
            for event in events:
                key = event.key
                values = (*key, event.received_at, event.reason.value, event.message)
                if connection.execute(_ADD_FAILED, values).rowcount:
                    parts = range(0, len(event.raw), _PART)
                    raw = ((*key, number, event.raw[start : start + _PART]) for number, start in enumerate(parts))
                    connection.executemany(_ADD_PART, raw)

    def failed(self, after: FailedKey | None = None) -> Iterator[FailedEvent]:
        last: tuple[object, ...] = after or ("", -1, -1, b"")
        while page := self._select(_FAILED_AFTER, last):
            for topic, partition, offset, raw_hash, received_at, reason, message in page:
                last = (topic, partition, offset, raw_hash)
                raw = b"".join(part for (part,) in self._select(_PARTS_OF, last))
                yield FailedEvent(topic, partition, offset, received_at, Reason(reason), message, raw)

    def unresolved(self, topic: str, partition: int, first: int, last: int) -> list[FailedKey]:
        return [FailedKey(*row) for row in self._select(_UNRESOLVED, (topic, partition, first, last))]

    def resolve(self, keys: Collection[FailedKey]) -> None:
        with self._connections.transaction() as connection:
            connection.executemany(_RESOLVE, [(*key, True) for key in keys])

    # --- archive, reports, reads ---

    def slices(self, *, batch_id: str | None = None, weeks: Collection[IsoWeek] | None = None) -> list[ArchiveSlice]:
        return self._slices.listed(batch_id, weeks)

    def slices_after(self, after: ArchiveSlice | None, limit: int) -> list[ArchiveSlice]:
        return self._slices.after(after, limit)

    def held(self) -> list[ArchiveSlice]:
        return self._slices.held()

    def rows_after(self, slices: Collection[ArchiveSlice], asked: AttemptRange) -> list[AttemptVersion]:
        return self._pages.after(slices, asked)

    def counts(self, slices: Iterable[ArchiveSlice]) -> dict[ArchiveSlice, int]:
        return {slice_: self._select(_COUNT, (slice_.batch_id, *slice_.week))[0][0] for slice_ in slices}

    def examine(self) -> Iterator[Finding]:
        found = [str(row[0]) for row in self._select("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            message = f"{self._path} is damaged: {'; '.join(found)}"
            yield Finding(
                Level.BAD, "hot store", message, "restore a copy of it, or move it away and ingest the log again"
            )
            return
        yield Finding(
            Level.OK,
            "hot store",
            f"{self._path}, {counted(self.shards, 'shard')}, {counted(self._slices.count(), 'slice')}",
        )
        if files := readable_by_others(self._path):
            names = " ".join(map(str, files))
            yield Finding(
                Level.WARN,
                "hot store files",
                f"other users of this machine can read {', '.join(map(str, files))}, which hold personal data",
                f"chmod 600 {names}; chmod 700 {self._path.parent}",
            )

    def scan(self, slice_: ArchiveSlice, *, answers: bool = True) -> "list[Iterator[pa.RecordBatch]]":
        return self._scans.scan(slice_, answers)

    def keys(self, slice_: ArchiveSlice) -> "Iterator[pa.RecordBatch]":
        return self._scans.keys(slice_)

    def get(self, rows: Collection[RowKey]) -> list[AttemptVersion]:
        found = ((row, values) for row in rows for values in self._select(_GET, self._place(*row[:3])))
        return [AttemptVersion(row.key, row.version, *values) for row, values in found]

    def delete(self, rows: Sequence[RowKey]) -> int:
        deleted = 0
        for some in chunks(rows, _DELETE_ROWS):
            values = sorted((*self._place(*row[:3]), row.received_at) for row in some)
            with self._connections.transaction() as connection:
                deleted += connection.executemany(_DELETE, values).rowcount
        return deleted

    def remember_lake(self, identity: str | None) -> None:
        self._slices.remember_lake(identity)

    def remembered_lake(self) -> str | None:
        return self._slices.remembered_lake()

    def all_learners(self) -> Iterator[tuple[str, Learner]]:
        last = ""
        while page := [user_id for (user_id,) in self._select(_USERS_AFTER, (last,))]:
            learners = self.learners(page)
            yield from ((user_id, learners[user_id]) for user_id in page)
            last = page[-1]

    def all_activities(self) -> Iterator[Activity]:
        last: tuple[object, ...] = ("", "", "", "")
        while page := self._select(_ACTIVITIES_AFTER, last):
            yield from map(_activity, page)
            last = page[-1][:4]

    # --- positions ---

    def positions(self) -> dict[str, Position]:
        return {
            topic: Position(*rest) for topic, *rest in self._select("SELECT topic, line, byte, proof FROM positions")
        }

    def commit(self, positions: Mapping[str, Position]) -> None:
        values = [(topic, *position) for topic, position in positions.items()]
        with self._connections.transaction() as connection:
            connection.executemany(_COMMIT, values)


def _activity(row: tuple[Any, ...]) -> Activity:
    user_id, _, course_id, context_id, aggregates, details, updated, versions = row
    key = ActivityKey(user_id, course_id, context_id.removeprefix("cb:"))
    return Activity(key, _decode_aggregates(aggregates), _decode_details(details), _decode_updated(updated), versions)


def _text(value: object) -> str:
    return _encode(value).decode()
