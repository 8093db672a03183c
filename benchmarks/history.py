"""An installation with a long history, written in bulk: slices, maps, manifest, lake and the keys of Dagster.

2,000 batches a week have attempts, so 10^6 slices are ten years. A batch lasts 20 weeks. All of them are archived and
cleared. The rows are small: an attempt has one short answer. Content hashes are random, because no benchmark verifies
these slices.
"""

import os
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import pyarrow as pa

from assess_core.adapters.arrow.rows import LAKE_SCHEMA, QUESTION
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.manifest import Action, Contents, ManifestEntry
from assess_core.domain.moments import DAY
from assess_core.domain.slices import WEEK, ArchiveSlice

BATCHES: Final = 2_000
"""Batches with attempts in a week."""
_LIFE: Final = 20  # weeks of a batch
_MONDAY: Final = 4 * DAY  # the first Monday of the epoch
_MAPS: Final = """
WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
INSERT INTO assessment_aggregator_v2_attempts
SELECT printf('%016x-%016x', i / 4, i / 4 * 7919), 'do_2128870328040161', 'do_1130928636168192',
    printf('%016d', i % 100000), printf('%032x', i), 1600000000000 + i, randomblob(16), 1, 1.0, 2.0, 1600000000000 + i
FROM n
"""
_SUMMARIES: Final = """
WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
INSERT INTO assessment_aggregator_v2
SELECT printf('%016x-%016x', i / 4, i / 4 * 7919), 'do_2128870328040161', 'do_1130928636168192',
    printf('%016d', i % 100000), 1.0, 2.0, 1.0, 1.0, 1.0, 1, 1600000000000 + i, 1
FROM n
"""


def week_before(now: int, weeks: int) -> int:
    """The start (epoch ms) of the week that began this many weeks before the week of `now`."""
    return (now - _MONDAY) // WEEK * WEEK + _MONDAY - weeks * WEEK


def batch_of(week: int, number: int) -> str:
    """The id of a batch: 20 weeks have the same ids, and ids have no order in time."""
    return sha256(f"{week // _LIFE}/{number}".encode()).hexdigest()[:20]


def history(slices: int, now: int) -> Iterator[list[ArchiveSlice]]:
    """The slices of the history, one list for each week, the oldest week first. It ends three weeks before `now`."""
    weeks = -(-slices // BATCHES)
    for number in range(weeks):
        start = week_before(now, 2 + weeks - number)
        count = min(BATCHES, slices - number * BATCHES)
        yield sorted(ArchiveSlice.of(batch_of(start // WEEK, each), start) for each in range(count))


def fill_history(home: Path, slices: int, attempts_each: int, maps: int, now: int) -> None:
    """Write this many archived and cleared slices, and this many map entries."""
    hot = SqliteHot(f"sqlite:///{home / 'hot.sqlite'}")
    lake = DeltaLake(Folder(home / "lake"))
    for week in history(slices, now):
        hot.add_slices(week)
        if attempts_each:
            _append_week(lake, week, attempts_each)
        lake.record(list(_entries(week, attempts_each)))
    _fill_maps(home / "hot.sqlite", maps)


def _entries(week: list[ArchiveSlice], attempts: int) -> Iterator[ManifestEntry]:
    at = week[0].week.end + DAY
    file = f"part-00001-{os.urandom(16).hex()}-c000.zstd.parquet"
    digest = os.urandom(32).hex()
    for action in (Action.ARCHIVED, Action.VERIFIED, Action.CLEARING, Action.CLEARED):
        files = {file: digest} if action in (Action.ARCHIVED, Action.VERIFIED) else {}
        for slice_ in week:
            contents = Contents(attempts, attempts, attempts, float(attempts), os.urandom(32).hex())
            yield ManifestEntry(slice_, action, 1, contents, at, "0.1.0", files=files)


def _append_week(lake: DeltaLake, week: list[ArchiveSlice], attempts: int) -> None:
    """One commit, as an archive of the week makes it, after its transactions were dropped.

    Delta's checkpoints keep the transactions of a week; here all of them would be of today.
    """
    pinned = lake.pin()
    lake.append(pinned, (), pa.RecordBatchReader.from_batches(LAKE_SCHEMA, _rows(week, attempts)))


def _rows(week: list[ArchiveSlice], attempts: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(week), 80):
        some = week[start : start + 80]
        yield _batch(some, attempts)


def _batch(some: list[ArchiveSlice], attempts: int) -> pa.RecordBatch:
    rows = len(some) * attempts
    (year, week), at = some[0].week, some[0].week.start
    learners = pa.array([f"{number:036x}" for number in range(attempts)] * len(some))
    times = pa.array(range(at * 1000, (at + rows) * 1000, 1000), pa.int64()).cast(pa.timestamp("us", "UTC"))
    answer = [{"id": "q1", "assess_ts": at * 1000, "max_score": 1.0, "score": 1.0, "type": "mcq", "title": "2 + 6 = ?",
               "resvalues": [[("1", "8")]], "params": [], "description": "", "duration": 3.0}]  # fmt: skip
    one = pa.array([answer], QUESTION)
    columns = {
        "batch_id": pa.array([slice_.batch_id for slice_ in some for _ in range(attempts)]),
        "year": pa.repeat(pa.scalar(year, pa.int32()), rows),
        "week": pa.repeat(pa.scalar(week, pa.int32()), rows),
        "user_id": learners,
        "course_id": pa.array(["do_1130928636168192"] * rows),
        "content_id": pa.array(["do_2128870328040161"] * rows),
        "attempt_id": pa.array([f"{number:032x}" for number in range(rows)]),
        "last_attempted_on": times,
        "has_answers": pa.repeat(True, rows),
        "content_hash": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), rows, [None, pa.py_buffer(os.urandom(16 * rows))]
        ).cast(pa.binary()),
        "total_score": pa.repeat(1.0, rows),
        "total_max_score": pa.repeat(1.0, rows),
        "grand_total": pa.array(["1/1"] * rows),
        "updated_on": times,
        "question": one.take(pa.repeat(pa.scalar(0, pa.int64()), rows)),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in LAKE_SCHEMA.names], schema=LAKE_SCHEMA)


def _fill_maps(path: Path, entries: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for first in range(0, entries, 500_000):
            last = min(entries, first + 500_000)
            connection.execute(_MAPS, (first, last))
            connection.execute(_SUMMARIES, (first, last))
            connection.commit()
