"""The store of jobs in a keyspace of Cassandra (cql/0004). Rows that list a job are compared with the job when read."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from assess_core.adapters.cassandra.connection import Connection
from assess_core.adapters.cassandra.schema import require
from assess_core.adapters.cassandra.url import parse_cassandra_url
from assess_core.chunks import chunks
from assess_core.domain.moments import MINUTE
from assess_core.domain.report_jobs import Job, JobStatus, day_of
from assess_core.domain.report_queue import Charge, Queued, Usage
from assess_core.ports.requests import Place

_ADD: Final = "INSERT INTO {ks}.report_requests (tag, request_id, revision, job) VALUES (?, ?, ?, ?) IF NOT EXISTS"
_GET: Final = "SELECT job FROM {ks}.report_requests WHERE tag = ? AND request_id = ?"
_REMOVE: Final = "DELETE FROM {ks}.report_requests WHERE tag = ? AND request_id = ? IF EXISTS"
_REPLACE: Final = (
    "UPDATE {ks}.report_requests SET revision = ?, job = ? WHERE tag = ? AND request_id = ? IF revision = ?"
)
_LIST_BY_TAG: Final = (
    "INSERT INTO {ks}.report_requests_by_tag (tag, created_at, request_id) VALUES (?, ?, ?) USING TIMESTAMP 1"
)
_LIST_BY_CHANNEL: Final = """INSERT INTO {ks}.report_requests_by_channel (channel, created_at, request_id, tag)
    VALUES (?, ?, ?, ?) USING TIMESTAMP 1"""
_OF_TAG: Final = """SELECT tag, request_id, created_at FROM {ks}.report_requests_by_tag
    WHERE tag = ? AND (created_at, request_id) < (?, ?) LIMIT ?"""
_OF_CHANNEL: Final = """SELECT tag, request_id, created_at FROM {ks}.report_requests_by_channel
    WHERE channel = ? AND (created_at, request_id) < (?, ?) LIMIT ?"""
_ENQUEUE: Final = """INSERT INTO {ks}.report_queue
    (day, channel, created_at, request_id, tag, ready_at, is_processing) VALUES (?, ?, ?, ?, ?, ?, ?)
    USING TIMESTAMP ?"""
# whether a job is in progress is null for a finished one, which is queued only for its notice
_ENQUEUE_NOTICE: Final = """INSERT INTO {ks}.report_queue
    (day, channel, created_at, request_id, tag, ready_at, is_processing) VALUES (?, ?, ?, ?, ?, ?, null)
    USING TIMESTAMP ?"""
_DEQUEUE: Final = """DELETE FROM {ks}.report_queue USING TIMESTAMP ?
    WHERE day = ? AND channel = ? AND created_at = ? AND request_id = ?"""
_DAYS: Final = "SELECT DISTINCT day FROM {ks}.report_queue"
_QUEUE: Final = """SELECT channel, created_at, request_id, tag, ready_at, is_processing FROM {ks}.report_queue
    WHERE day = ?"""
_NOTE_FILES: Final = "INSERT INTO {ks}.report_files (day, request_id, tag) VALUES (?, ?, ?) USING TIMESTAMP ?"
_FORGET_FILES: Final = "DELETE FROM {ks}.report_files USING TIMESTAMP ? WHERE day = ? AND request_id = ?"
_FILE_DAYS: Final = "SELECT DISTINCT day FROM {ks}.report_files"
_FILES: Final = "SELECT tag, request_id FROM {ks}.report_files WHERE day = ? LIMIT ?"
_CHARGE: Final = """INSERT INTO {ks}.report_usage (channel, day, request_id, batch_id, bytes, at)
    VALUES (?, ?, ?, ?, ?, ?)"""
_USAGE: Final = "SELECT batch_id, bytes, at FROM {ks}.report_usage WHERE channel = ? AND day = ?"
_NEWEST: Final = Place(2**62, "")
_AT_ONCE: Final = 256
_ADDED_WITHIN: Final = 60 * MINUTE
"""After this time, an entry without a job is left over from a process that ended while it added the job."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Job).decode


class CassandraRequests:
    """`ports.Requests` at `cassandra://...`. The constructor raises the errors of `CassandraHot`."""

    def __init__(self, url: str) -> None:
        self._db = Connection(parse_cassandra_url(url))
        require(self._db)

    def add(self, job: Job) -> Job:
        # the lists come first: a job that exists must be in the queue, also if this process ends between the writes
        tag, place = job.request.tag, (job.created_at, job.id)
        db = self._db
        db.execute_all(
            [
                db.prepared(_LIST_BY_TAG).bind((tag, *place)),
                db.prepared(_LIST_BY_CHANNEL).bind((job.request.channel, *place, tag)),
                db.prepared(_ENQUEUE).bind((*_queue_key(job), *_queue_values(job), job.revision)),
            ]
        )
        db.execute(_ADD, (tag, job.id, job.revision, _encode(job).decode()))
        stored = self.get(tag, job.id)
        assert stored is not None
        if stored.created_at != job.created_at:  # another process was faster: its rows list the job
            db.execute(_DEQUEUE, (job.revision, *_queue_key(job)))
        return stored

    def get(self, tag: str, id_: str) -> Job | None:
        rows = self._db.execute(_GET, (tag, id_))
        return _decode(rows[0][0]) if rows and rows[0][0] is not None else None

    def replace(self, old: Job, new: Job) -> bool:
        reopens = new.is_open and not old.is_open
        if reopens:
            self._list(new)  # first, for the same reason as in `add`
        key = (old.request.tag, old.id)
        [(is_applied, *_)] = self._db.execute(_REPLACE, (new.revision, _encode(new).decode(), *key, old.revision))
        # if the statement was sent twice, the second answer is a refusal of our own write
        if not is_applied and self.get(*key) != new:
            return False
        if not reopens:
            self._list(new)
        if old.files_until is not None and old.files_until != new.files_until:
            self._db.execute(_FORGET_FILES, (new.revision, day_of(old.files_until), old.id))
        return True

    def _list(self, job: Job) -> None:
        """Write the rows that list a job in this state."""
        if job.files_until is not None:
            self._db.execute(_NOTE_FILES, (day_of(job.files_until), job.id, job.request.tag, job.revision))
        if job.ready_at is not None and not job.is_open:
            self._db.execute(_ENQUEUE_NOTICE, (*_queue_key(job), job.request.tag, job.ready_at, job.revision))
        elif job.ready_at is not None:
            self._db.execute(_ENQUEUE, (*_queue_key(job), *_queue_values(job), job.revision))
        else:
            self._db.execute(_DEQUEUE, (job.revision, *_queue_key(job)))

    def of_tag(self, tag: str, after: Place | None, limit: int) -> list[Job]:
        return self._page(_OF_TAG, tag, after, limit)

    def of_channel(self, channel: str, after: Place | None, limit: int) -> list[Job]:
        return self._page(_OF_CHANNEL, channel, after, limit)

    def _page(self, cql: str, key: str, after: Place | None, limit: int) -> list[Job]:
        found: list[Job] = []
        while len(found) < limit:
            rows = self._db.execute(cql, (key, *(after or _NEWEST), limit))
            jobs = self._read([(tag, id_) for tag, id_, _ in rows])
            # two processes that add one job at the same time both list it; only one of them stores it
            found += [job for job, row in zip(jobs, rows, strict=True) if job is not None and job.created_at == row[2]]
            if len(rows) < limit:
                break
            after = Place(rows[-1][2], rows[-1][1])
        return found[:limit]

    def queue(self) -> list[Queued]:
        days = sorted(day for (day,) in self._db.pages(_DAYS))
        of_day = self._db.prepared(_QUEUE)
        rows = [row for some in self._db.execute_all([of_day.bind((day,)) for day in days]) for row in some]
        return [
            Queued(channel, created_at, id_, tag, ready_at, bool(is_processing), is_processing is None)
            for channel, created_at, id_, tag, ready_at, is_processing in rows
        ]

    def correct(self, entry: Queued, job: Job | None, now: int) -> None:
        if job is not None and job.created_at == entry.created_at:
            self._list(job)
        elif job is not None or now - entry.created_at > _ADDED_WITHIN:
            self._db.execute(_DEQUEUE, (1, day_of(entry.created_at), entry.channel, entry.created_at, entry.id))

    def charge(self, charge: Charge) -> None:
        self._db.execute(_CHARGE, charge)

    def usage(self, channel: str, day: int) -> Usage:
        rows = self._db.execute(_USAGE, (channel, day))
        return Usage(
            sum(batch_id != "" for batch_id, _, _ in rows),
            sum(size for _, size, _ in rows),
            max((at for _, _, at in rows), default=0),
        )

    def with_old_files(self, now: int, limit: int) -> list[Job]:
        found: list[Job] = []
        for day in sorted(day for (day,) in self._db.pages(_FILE_DAYS) if day <= day_of(now)):
            keys = self._db.execute(_FILES, (day, limit))
            for job, (_, id_) in zip(self._read([(tag, id_) for tag, id_ in keys]), keys, strict=True):
                if job is None or job.files_until is None or day_of(job.files_until) != day:
                    # the job was submitted again, or its files were deleted, before this row was
                    self._db.execute(_FORGET_FILES, (job.revision if job else 1, day, id_))
                elif job.files_until <= now:
                    found.append(job)
        return found[:limit]

    def every(self) -> Iterator[Job]:
        for (job,) in self._db.pages("SELECT job FROM {ks}.report_requests"):
            if job is not None:
                yield _decode(job)

    def remove(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            # its rows in the lists stay: they name a job that does not exist, which readers leave out
            self._db.execute(_REMOVE, (job.request.tag, job.id))

    def _read(self, keys: Iterable[tuple[str, str]]) -> list[Job | None]:
        get = self._db.prepared(_GET)
        found: list[Job | None] = []
        for some in chunks(keys, _AT_ONCE):
            rows = self._db.execute_all([get.bind(key) for key in some])
            found += [_decode(each[0][0]) if each and each[0][0] is not None else None for each in rows]
        return found


def _queue_key(job: Job) -> tuple[int, str, int, str]:
    return day_of(job.created_at), job.request.channel, job.created_at, job.id


def _queue_values(job: Job) -> tuple[str, int | None, bool]:
    return job.request.tag, job.ready_at, job.status is JobStatus.PROCESSING
