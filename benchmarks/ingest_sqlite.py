"""Folding events into the embedded hot store, beside plain sqlite3 upserts of the same rows.

Ours does everything that folding a batch does: it reads the learners of the batch, decides, and writes slices, rows,
map entries, summaries and activities, in one transaction that is on disk when it returns. The limit is `executemany` of
only the prepared attempt rows, into the same table with the same settings, one transaction per batch. Decoding is not
measured. Both take turns on fresh files in one process; the figures are medians. CPU times are printed too, because the
rates depend on the disk.
"""

import gc
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.events import Accepted, Decoded, Record, RecordKind, decode
from assess_core.domain.samples import sample_events
from assess_core.domain.shards import shard_of
from assess_core.ports.facts import NoFacts
from assess_core.ports.log import BATCH_RECORDS
from assess_core.usecases.folding import Checks, fold

_ROUNDS: Final = 5
_UPSERT: Final = """
    INSERT INTO assessment_aggregator VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET updated_on = excluded.updated_on WHERE excluded.updated_on < updated_on"""

Row = tuple[str | int | float | bytes, ...]


class Measured(NamedTuple):
    """Events per second, and the CPU time of an event in microseconds."""

    ours: float
    limit: float
    cpu: float
    limit_cpu: float

    @property
    def ratio(self) -> float:
        return self.ours / self.limit


def _batches(events: int) -> list[list[Decoded]]:
    lines = sample_events(events)
    decoded = (
        decode(Record("sample.jsonl", 0, number, line, kind=RecordKind.LINE)) for number, line in enumerate(lines, 1)
    )
    return list(iter(lambda: list(islice(decoded, BATCH_RECORDS)), []))


def _rows(batch: Sequence[Decoded], shards: int) -> list[Row]:
    """The rows of a batch as sqlite3 takes them, in the order of the table's key."""
    versions = [event.version for event in batch if isinstance(event, Accepted)]
    return sorted(
        (
            *(row.key.batch_id, *row.slice.week, shard_of(row.key.user_id, shards), row.key.user_id, row.key.course_id),
            *(row.key.content_id, row.key.attempt_id, row.version.last_attempted_on, row.version.content_hash),
            *(row.total_score, row.total_max_score, row.grand_total, row.received_at, row.question),
        )
        for row in versions
    )


def _ours(batches: Sequence[Sequence[Decoded]], hot: SqliteHot, _: Path) -> None:
    for batch in batches:
        fold(batch, hot, Checks(NoFacts()))


def _limit(batches: Sequence[Sequence[Row]], _: SqliteHot, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    for batch in batches:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_UPSERT, batch)
        connection.execute("COMMIT")
    connection.close()


def _seconds(run: Callable[[SqliteHot, Path], None]) -> tuple[float, float]:
    """By the clock, and of CPU time."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        path = Path(folder) / "hot.sqlite"
        hot = SqliteHot(f"sqlite:///{path}")
        started, cpu = time.perf_counter(), time.process_time()
        run(hot, path)
        return time.perf_counter() - started, time.process_time() - cpu


def main(events: int = 50_000) -> Measured:
    """Measure and print."""
    batches = _batches(events)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        shards = SqliteHot(f"sqlite:///{folder}/hot.sqlite").shards
    rows = [_rows(batch, shards) for batch in batches]
    gc.collect()
    gc.freeze()  # keep the garbage collector from traversing the decoded log again and again
    turns = [
        (*_seconds(lambda hot, path: _ours(batches, hot, path)), *_seconds(lambda hot, path: _limit(rows, hot, path)))
        for _ in range(_ROUNDS)
    ]
    ours, cpu, limit, limit_cpu = (median(seconds) / events for seconds in zip(*turns, strict=True))
    found = Measured(1 / ours, 1 / limit, cpu * 1e6, limit_cpu * 1e6)
    print(
        f"ingest into SQLite: {found.ours:,.0f} events/s, limit (upserts of the attempt rows alone) "
        f"{found.limit:,.0f} events/s, {found.ratio:.2f} of the limit; CPU {found.cpu:.0f} us per event, limit "
        f"{found.limit_cpu:.0f} us"
    )
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
