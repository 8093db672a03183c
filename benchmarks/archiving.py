"""`python -m benchmarks.archiving [ATTEMPTS]`: archive, verify and clear attempts of 10 answers in SQLite and a folder.

Each step runs in its own process, so that the peak memory is its own, and each of the three rounds runs the steps and
their limits on the same hot rows. The limit of archive is a bare Delta write of the same Arrow batches from memory. The
limit of verify and clear is reading the lake's files and hashing their bytes. No peer runs beside them.
"""

import hashlib
import multiprocessing
import resource
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.lake.delta import WRITER
from assess_core.domain.slices import WEEK, ArchiveSlice
from assess_core.ports.lake import FILE_BYTES
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases import archiving
from assess_core.wiring import open_stores
from benchmarks.exhaust import fill

_ROUNDS: Final = 3
_BATCH_ROWS: Final = 2_000  # of the batches of the bare write
STEPS: Final[Mapping[str, Callable[[Sequence[ArchiveSlice], Stores, int], object]]] = {
    "archive": archiving.archive,
    "verify": archiving.verify,
    "clear": archiving.clear,
}


class Measured(NamedTuple):
    """The cost of one step or limit."""

    seconds: float
    cpu: float
    """Processor seconds: the fairer figure on a shared machine."""
    peak: int
    """Peak memory of the process in bytes, including 150 MB for the interpreter and its libraries."""


class Reached(NamedTuple):
    """Attempts per second of archive and of its limit."""

    ours: float
    limit: float


def _stores(home: Path) -> Stores:
    return open_stores(Settings.from_env({}, str(home)))


def _step(home: Path, name: str) -> Measured:
    stores = _stores(home)
    slices = stores.hot.slices()
    now = max(slice_.week.end for slice_ in slices) + WEEK
    with stores.lake.copies(stores.lake.pin(), []):
        pass  # imports DuckDB, which is not measured
    return _timed(lambda: STEPS[name](slices, stores, now))


def _bare_write(home: Path, _: str) -> Measured:
    batches = [
        batch
        for file in _stores(home).lake.pin().files()
        for group in pq.ParquetFile(file.url).iter_batches(_BATCH_ROWS)
        for batch in _with_week(group, *file.week).to_batches()
    ]

    def write() -> None:
        write_deltalake(
            home / "limit",
            pa.RecordBatchReader.from_batches(LAKE_SCHEMA, batches),
            mode="overwrite",
            partition_by=["year", "week"],
            target_file_size=FILE_BYTES,
            writer_properties=WRITER,
        )

    return _timed(write)


def _with_week(batch: pa.RecordBatch, year: int, week: int) -> pa.Table:
    """Rows of a file with the partition columns, which Delta keeps in the path."""
    table, rows = pa.Table.from_batches([batch]), batch.num_rows
    for name, value in (("year", year), ("week", week)):
        table = table.append_column(name, pa.array([value] * rows, pa.int32()))
    return table.select(LAKE_SCHEMA.names).cast(LAKE_SCHEMA)


def _hashed_files(home: Path, _: str) -> Measured:
    files = [Path(file.url) for file in _stores(home).lake.pin().files()]
    return _timed(lambda: [hashlib.sha256(file.read_bytes()).digest() for file in files])


def _timed(work: Callable[[], object]) -> Measured:
    started, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Measured(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _alone(measure: Callable[[Path, str], Measured], home: Path, name: str = "") -> Measured:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        return alone.submit(measure, home, name).result()


def _round(home: Path) -> dict[str, Measured]:
    found = {"archive": _alone(_step, home, "archive")}
    found["bare Delta write"] = _alone(_bare_write, home)
    found["bytes of files hashed"] = _alone(_hashed_files, home)
    found |= {name: _alone(_step, home, name) for name in ("verify", "clear")}
    assert not any(_stores(home).hot.counts(_stores(home).hot.slices()).values()), "clear left rows"
    return found


def main(attempts: int = 50_000) -> Reached:
    """Measure and print."""
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        filled = Path(folder) / "filled"
        filled.mkdir()
        fill(filled, attempts)
        rounds = []
        for number in range(_ROUNDS):
            home = Path(folder) / str(number)
            shutil.copytree(filled, home)
            rounds.append(_round(home))
            shutil.rmtree(home)
    rates = {name: attempts / median(each[name].seconds for each in rounds) for name in rounds[0]}
    limits = {"archive": "bare Delta write", "verify": "bytes of files hashed", "clear": "bytes of files hashed"}
    for name, rate in rates.items():
        seconds = sorted(each[name].seconds for each in rounds)
        cpu = median(each[name].cpu for each in rounds) / attempts * 1e6
        limit = f", {rate / rates[limits[name]]:.3f} of the limit" if name in limits else ""
        print(
            f"{name}: {rate:,.0f} attempts/s ({seconds[0]:.2f}-{seconds[-1]:.2f} s){limit}, "
            f"processor {cpu:.1f} us an attempt, {max(each[name].peak for each in rounds) / 1e6:,.0f} MB at most"
        )
    return Reached(rates["archive"], rates["bare Delta write"])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
