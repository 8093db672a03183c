"""The store of jobs in the SQLite file of the hot store."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from assess_core.adapters.sqlite.connections import Connections
from assess_core.adapters.sqlite.schema import prepare
from assess_core.adapters.sqlite.url import parse_sqlite_url
from assess_core.domain.report_jobs import Job, JobStatus
from assess_core.domain.report_queue import Charge, Queued, Usage
from assess_core.ports.requests import Place

_ADD: Final = """INSERT INTO report_requests
    (tag, request_id, channel, created_at, revision, ready_at, is_processing, files_until, job)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tag, request_id) DO NOTHING"""
_GET: Final = "SELECT job FROM report_requests WHERE tag = ? AND request_id = ?"
_REPLACE: Final = """UPDATE report_requests
    SET revision = ?, ready_at = ?, is_processing = ?, files_until = ?, job = ?
    WHERE tag = ? AND request_id = ? AND revision = ?"""
_PAGE: Final = """SELECT job FROM report_requests WHERE {column} = ? AND (created_at, request_id) < (?, ?)
    ORDER BY created_at DESC, request_id DESC LIMIT ?"""
_OF_TAG: Final = _PAGE.format(column="tag")
_OF_CHANNEL: Final = _PAGE.format(column="channel")
# an open job has no time at which its files are deleted, so a job with one is queued only for its notice
_QUEUE: Final = """SELECT channel, created_at, request_id, tag, ready_at, is_processing, files_until IS NOT NULL
    FROM report_requests
    WHERE ready_at IS NOT NULL"""
_CHARGE: Final = """INSERT INTO report_usage (channel, day, request_id, batch_id, bytes, at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (channel, day, request_id, batch_id) DO UPDATE SET bytes = excluded.bytes, at = excluded.at"""
_USAGE: Final = """SELECT count(*) FILTER (WHERE batch_id <> ''), coalesce(sum(bytes), 0), coalesce(max(at), 0)
    FROM report_usage WHERE channel = ? AND day = ?"""
_OLD_FILES: Final = "SELECT job FROM report_requests WHERE files_until <= ? ORDER BY files_until LIMIT ?"
_EVERY: Final = """SELECT job FROM report_requests WHERE (tag, request_id) > (?, ?)
    ORDER BY tag, request_id LIMIT 500"""
_REMOVE: Final = "DELETE FROM report_requests WHERE tag = ? AND request_id = ?"
_NEWEST: Final = Place(2**62, "")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Job).decode


class SqliteRequests:
    """`ports.Requests` at `sqlite:///PATH`. The constructor raises the errors of `SqliteHot`."""

    def __init__(self, url: str) -> None:
        place = parse_sqlite_url(url)
        self._connections = Connections(place.path)
        prepare(self._connections, place)

    def add(self, job: Job) -> Job:
        key = (job.request.tag, job.id)
        values = (*key, job.request.channel, job.created_at, job.revision, *_hints(job), _encode(job).decode())
        with self._connections.transaction() as connection:
            if connection.execute(_ADD, values).rowcount:
                return job
            [(stored,)] = connection.execute(_GET, key).fetchall()
            return _decode(stored)

    def get(self, tag: str, id_: str) -> Job | None:
        return next(iter(self._jobs(_GET, tag, id_)), None)

    def replace(self, old: Job, new: Job) -> bool:
        key = (old.request.tag, old.id)
        values = (new.revision, *_hints(new), _encode(new).decode(), *key, old.revision)
        with self._connections.transaction() as connection:
            if connection.execute(_REPLACE, values).rowcount:
                return True
        return self.get(*key) == new

    def of_tag(self, tag: str, after: Place | None, limit: int) -> list[Job]:
        return self._jobs(_OF_TAG, tag, *(after or _NEWEST), limit)

    def of_channel(self, channel: str, after: Place | None, limit: int) -> list[Job]:
        return self._jobs(_OF_CHANNEL, channel, *(after or _NEWEST), limit)

    def queue(self) -> list[Queued]:
        rows = self._select(_QUEUE)
        return [
            Queued(channel, created_at, id_, tag, ready_at, bool(is_processing), bool(is_notice))
            for channel, created_at, id_, tag, ready_at, is_processing, is_notice in rows
        ]

    def correct(self, entry: Queued, job: Job | None, now: int) -> None:
        """Nothing to do: the queue is read from the jobs themselves."""

    def charge(self, charge: Charge) -> None:
        with self._connections.transaction() as connection:
            connection.execute(_CHARGE, charge)

    def usage(self, channel: str, day: int) -> Usage:
        [row] = self._select(_USAGE, channel, day)
        return Usage(*row)

    def with_old_files(self, now: int, limit: int) -> list[Job]:
        return self._jobs(_OLD_FILES, now, limit)

    def every(self) -> Iterator[Job]:
        last: tuple[str, str] = ("", "")
        while page := self._jobs(_EVERY, *last):
            yield from page
            last = (page[-1].request.tag, page[-1].id)

    def remove(self, jobs: Sequence[Job]) -> None:
        with self._connections.transaction() as connection:
            connection.executemany(_REMOVE, [(job.request.tag, job.id) for job in jobs])

    def _jobs(self, sql: str, *parameters: object) -> list[Job]:
        return [_decode(job) for (job,) in self._select(sql, *parameters)]

    def _select(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._connections.use() as connection:
            return connection.execute(sql, parameters).fetchall()


def _hints(job: Job) -> tuple[int | None, bool, int | None]:
    """The columns by which jobs are found; they repeat members of the job."""
    return job.ready_at, job.status is JobStatus.PROCESSING, job.files_until
