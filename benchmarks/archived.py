"""`python -m benchmarks.archived [SHARE]`: a learner's archived attempt, and the manifest entries of one slice.

Prints medians and 90th percentiles in milliseconds, as wall and CPU time, all from one run on the same data:

* cold: new stores for each read, so the snapshot and the DuckDB connection are new, as in the first read of a process;
* union: the answer through a union of the batch and its week;
* warm: the answer of a process that has read before;
* limit: pyarrow reads one row group of the same file.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from assess_core.adapters.duckdb.questions import ROW
from assess_core.adapters.duckdb.union import open_union
from assess_core.chunks import chunks
from assess_core.domain.manifest import NOTHING, Action, ManifestEntry
from assess_core.domain.moments import DAY
from assess_core.domain.slices import ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.wiring import open_stores
from benchmarks.reads import BATCH, FIRST, NOW, versions

ATTEMPTS: Final = 40_000
SLICES: Final = 10_000
_READS: Final = 30
_COMMIT: Final = 500


def fill(stores: Stores, attempts: int, slices: int) -> None:
    """Archive the attempts of a batch, then record entries of other slices."""
    for some in chunks(versions(attempts), 5000):
        stores.hot.add_slices({row.slice for row in some})
        stores.hot.add_rows(some)
    own = stores.hot.slices(batch_id=BATCH)
    for step in (archive, verify, clear):
        step(own, stores, NOW)
    others = [ArchiveSlice.of(f"batch {number}", FIRST + number % 50 * 7 * DAY) for number in range(slices)]
    for part in chunks(others, _COMMIT):
        stores.lake.record([ManifestEntry(slice_, Action.ARCHIVED, 0, NOTHING, NOW, "benchmark") for slice_ in part])


def timed(call: Callable[[], object]) -> tuple[str, str, str]:
    """The median and 90th percentile of the wall time, and the median of the CPU time."""
    call()
    wall, cpu = list[float](), list[float]()
    for _ in range(_READS):
        started, used = time.perf_counter(), time.process_time()
        call()
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    return f"{median(wall):.1f}", f"{quantiles(wall, n=10)[-1]:.1f}", f"{median(cpu):.1f}"


def main(arguments: Sequence[str]) -> None:
    """Measure and print. An argument is the share of the usual sizes."""
    share = float(arguments[0]) if arguments else 1.0
    attempts, slices = max(20, round(ATTEMPTS * share)), max(10, round(SLICES * share))
    with TemporaryDirectory(prefix="assess-benchmark-") as home:
        settings = Settings.from_env({}, str(Path(home)))
        stores = open_stores(settings)
        fill(stores, attempts, slices)
        wanted = next(row for row in versions(attempts))
        user_id, hashes, weeks = wanted.key.user_id, [wanted.version.content_hash], {wanted.slice.week}
        parameters = {"user": user_id, "hash": hashes[0]}
        [file, *_] = stores.lake.pin().files(weeks)

        def union() -> None:
            with open_union(stores.hot, stores.lake, batches=[BATCH], weeks=weeks) as found:
                list(found.rows(f"{ROW} FROM copies WHERE user_id = $user AND content_hash = $hash", parameters))

        def row_group() -> None:
            with pq.ParquetFile(file.url) as opened:
                opened.read_row_group(0)

        def archived(of: Stores) -> None:
            assert of.union.archived(BATCH, weeks, user_id, hashes)

        table = Table("read", "median, ms", "90 %, ms", "CPU, ms", box=None, padding=(0, 2))
        table.add_row("attempt, cold", *timed(lambda: archived(open_stores(settings))))
        table.add_row("attempt, union", *timed(union))
        table.add_row("attempt, warm", *timed(lambda: archived(stores)))
        table.add_row("attempt, limit", *timed(row_group))
        table.add_row("manifest of a slice, cold", *timed(lambda: open_stores(settings).lake.manifest([wanted.slice])))
        table.add_row("manifest of a slice, warm", *timed(lambda: stores.lake.manifest([wanted.slice])))
        Console(width=120).print(f"{attempts:,} attempts in the lake, {slices:,} slices in the manifest", table)


if __name__ == "__main__":
    main(sys.argv[1:])
