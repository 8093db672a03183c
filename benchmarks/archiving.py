"""Archive, verify and clear attempts of 10 answers, beside PySpark's archive of the same hot rows.

The stores are SQLite and a folder. Each step runs in its own process, so that the peak memory is its own. Each round
runs the steps, the peer and the limits on the same hot rows. The peer is the ancestor's archive: PySpark reads the
hot rows over JDBC and writes csv.gz, a file for each batch and week. Its session starts before the measurement. The
limit of archive is a bare Delta write of the same Arrow batches from memory. The limit of verify and clear is reading
the lake's files and hashing their bytes.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.lake.delta import WRITER
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.lake import FILE_BYTES
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving
from benchmarks import spark
from benchmarks.data import NOW, events, fill_rows, stores
from benchmarks.measure import Run, Work, alone
from benchmarks.row import Missing, Row, Side, Size

_ATTEMPTS: Final = 50_000
_COURSES: Final = 20  # their batches and weeks are 400 slices
_BATCH_ROWS: Final = 2_000  # of the batches of the bare write
_STEPS: Final[Mapping[str, Callable[[Sequence[ArchiveSlice], Stores, int], object]]] = {
    "archive": archiving.archive,
    "verify": archiving.verify,
    "clear": archiving.clear,
}


@contextmanager
def _step(home: Path, name: str) -> Iterator[Work]:
    opened = stores(home)
    slices = opened.hot.slices()
    with opened.lake.copies(opened.lake.pin(), []):
        pass  # imports DuckDB, which is not measured

    def work() -> None:
        _STEPS[name](slices, opened, NOW)

    yield work


@contextmanager
def _bare_write(home: Path) -> Iterator[Work]:
    batches = [
        batch
        for file in stores(home).lake.pin().files()
        for group in pq.ParquetFile(file.url).iter_batches(_BATCH_ROWS)
        for batch in _with_week(group, *file.week).to_batches()
    ]
    yield lambda: write_deltalake(
        home / "limit",
        pa.RecordBatchReader.from_batches(LAKE_SCHEMA, batches),
        mode="overwrite",
        partition_by=["year", "week"],
        target_file_size=FILE_BYTES,
        writer_properties=WRITER,
    )


def _with_week(batch: pa.RecordBatch, year: int, week: int) -> pa.Table:
    """Rows of a file with the partition columns, which Delta keeps in the path."""
    table, rows = pa.Table.from_batches([batch]), batch.num_rows
    for name, value in (("year", year), ("week", week)):
        table = table.append_column(name, pa.array([value] * rows, pa.int32()))
    return table.select(LAKE_SCHEMA.names).cast(LAKE_SCHEMA)


@contextmanager
def _hashed_files(home: Path) -> Iterator[Work]:
    files = [Path(file.url) for file in stores(home).lake.pin().files()]

    def hash_files() -> None:
        for file in files:
            hashlib.sha256(file.read_bytes()).digest()

    yield hash_files


def _round(home: Path, with_peer: bool) -> dict[str, Run]:
    found: dict[str, Run] = {}
    if with_peer:
        found["spark"] = alone(spark.archiving, home / "hot.sqlite", home / "spark")
    found["archive"] = alone(_step, home, "archive")
    found["write"] = alone(_bare_write, home)
    found["hash"] = alone(_hashed_files, home)
    found |= {name: alone(_step, home, name) for name in ("verify", "clear")}
    opened = stores(home)
    assert not any(opened.hot.counts(opened.hot.slices()).values()), "clear left rows"
    return found


def archiving_rows(size: Size) -> list[Row]:
    """The three steps."""
    attempts, note = size.of(_ATTEMPTS), ""
    try:
        spark.required()
    except Missing as missing:
        note = f"no peer: {missing}"
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        filled = Path(folder) / "filled"
        filled.mkdir()
        fill_rows(filled, events(attempts, courses=_COURSES))
        rounds = []
        for number in range(size.rounds):
            home = Path(folder) / str(number)
            shutil.copytree(filled, home)
            rounds.append(_round(home, not note))
            shutil.rmtree(home)

    def side(what: str, name: str) -> Side:
        return Side(what, attempts, [found[name] for found in rounds])

    hashed = side("reading the files and hashing their bytes", "hash")
    peer = None if note else side("PySpark local[2], csv.gz by batch and week", "spark")
    limit = side("bare Delta write from memory", "write")
    return [
        Row("archive", "attempts/s", side("archive", "archive"), peer, limit, note),
        Row("verify", "attempts/s", side("verify", "verify"), None, hashed),
        Row("clear", "attempts/s", side("clear", "clear"), None, hashed),
    ]
