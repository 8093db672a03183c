"""A learner's archived attempt, and the manifest entries of one slice among 10,000: medians of 30 reads.

The peer of the attempt is a query of the week's files with DuckDB. The limit finds no answers: it reads the footer and
the other columns of one row group with pyarrow. The peer of the manifest reads the entries with deltalake and a
filter, the limit reads the one file that has them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import pyarrow.parquet as pq
from deltalake import DeltaTable

from assess_core.chunks import chunks
from assess_core.domain.manifest import NOTHING, Action, ManifestEntry
from assess_core.domain.moments import DAY
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.archiving import archive, clear, verify
from benchmarks.data import BATCH, FIRST, NOW, events, fill_rows, stores, versions
from benchmarks.measure import Work, alone, median_of_calls
from benchmarks.row import LATENCY, Row, Side, Size, in_turn

_ATTEMPTS: Final = 40_000
_SLICES: Final = 10_000
_READS: Final = 30
_COMMIT: Final = 500


def _fill(home: Path, attempts: int, slices: int) -> None:
    """Archive the attempts of a batch, then record entries of other slices."""
    fill_rows(home, events(attempts, courses=1, batches=1))
    opened = stores(home)
    own = opened.hot.slices(batch_id=BATCH)
    for step in (archive, verify, clear):
        step(own, opened, NOW)
    others = [ArchiveSlice.of(f"batch {number}", FIRST + number % 50 * 7 * DAY) for number in range(slices)]
    for part in chunks(others, _COMMIT):
        opened.lake.record([ManifestEntry(slice_, Action.ARCHIVED, 0, NOTHING, NOW, "benchmark") for slice_ in part])


@contextmanager
def _attempt(name: str, home: Path, attempts: int) -> Iterator[Work]:
    opened = stores(home)
    [wanted] = islice(versions(events(attempts, courses=1, batches=1)), 1)
    weeks, user_id, hash_ = {wanted.slice.week}, wanted.key.user_id, wanted.version.content_hash
    urls = [file.url for file in opened.lake.pin().files(weeks)]

    def ours() -> None:
        assert opened.union.archived([BATCH], weeks, user_id, [hash_])

    def peer() -> None:
        sql = "SELECT * FROM read_parquet($urls) WHERE user_id = $user AND content_hash = $hash"
        assert duck.execute(sql, {"urls": urls, "user": user_id, "hash": hash_}).fetchall()

    def limit() -> None:
        with pq.ParquetFile(urls[0]) as file:
            file.read_row_group(0, [name for name in file.schema_arrow.names if name != "question"])

    with duckdb.connect() as duck:
        yield partial(median_of_calls, {"ours": ours, "peer": peer, "limit": limit}[name], _READS)


@contextmanager
def _manifest(name: str, home: Path) -> Iterator[Work]:
    opened = stores(home)
    wanted = opened.hot.slices(batch_id=BATCH)[0]
    table = str(home / "lake" / "archive_manifest")
    condition = [("batch_id", "=", wanted.batch_id), ("year", "=", wanted.week.year), ("week", "=", wanted.week.week)]
    files = sorted(Path(table).rglob("*.parquet"), key=lambda file: file.stat().st_mtime)

    def ours() -> None:
        assert opened.lake.manifest([wanted])

    def peer() -> None:
        assert DeltaTable(table).to_pyarrow_table(filters=condition).num_rows

    def limit() -> None:
        pq.read_table(files[0])

    yield partial(median_of_calls, {"ours": ours, "peer": peer, "limit": limit}[name], _READS)


def archived_rows(size: Size) -> list[Row]:
    """Both reads in a process that has read before."""
    attempts, slices = size.of(_ATTEMPTS), size.of(_SLICES)
    names = ("ours", "peer", "limit")
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        _fill(home, attempts, slices)
        attempt = in_turn(size, {name: partial(alone, _attempt, name, home, attempts) for name in names})
        manifest = in_turn(size, {name: partial(alone, _manifest, name, home) for name in names})
    return [
        Row(
            "archived-attempt",
            LATENCY,
            Side("a warm read", 1, attempt["ours"]),
            Side("DuckDB over the week's files", 1, attempt["peer"]),
            Side("a row group without answers, by pyarrow", 1, attempt["limit"]),
            "processor time is that of 31 reads",
        ),
        Row(
            "manifest",
            LATENCY,
            Side("a slice's entries", 1, manifest["ours"]),
            Side("deltalake with a filter", 1, manifest["peer"]),
            Side("the entries' file, by pyarrow", 1, manifest["limit"]),
            "processor time is that of 31 reads",
        ),
    ]
