"""The balance of 1,000,000 versions: first all in the hot store, then half of them only in the lake.

The limit counts the same entries and rows through the same ports and compares nothing. Each measurement has its own
process and so its own peak memory.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.scores import Entry
from assess_core.domain.slices import WEEK, ArchiveSlice, IsoWeek
from assess_core.ports.stores import Stores
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.balance import balance
from assess_core.wiring import open_ledger, open_stores

_BATCHES: Final = 20
_WEEKS: Final = 4
_OF_A_LEARNER: Final = 5
_FIRST: Final = IsoWeek(2024, 5).start
_CHUNK: Final = 5_000


class Reached(NamedTuple):
    """Versions per second; ours is the slower of the two."""

    ours: float
    limit: float


class Measured(NamedTuple):
    """The cost of a measurement, and its count."""

    seconds: float
    cpu: float
    """Processor seconds: the fairer figure on a shared machine."""
    peak: int
    """Peak memory in bytes, including 100 MB for the interpreter."""
    versions: int


def _versions(count: int) -> Iterator[AttemptVersion]:
    for number in range(count):
        learner = number // _OF_A_LEARNER
        batch_id = f"01309299287{learner % _BATCHES:08}"
        key = AttemptKey(f"{learner:032x}", "do_11309286", batch_id, "do_2130", f"{number:032x}")
        at = _FIRST + number % _WEEKS * WEEK + number
        answer = Answer("q1", at, 1.0, 1.0, "mcq", "What?", [{"1": '{"text":"A"}'}], [], None, 3.0)
        yield make_version(key, at, [answer], at + 500)


def _fill(home: Path, count: int) -> None:
    hot, versions = _stores(home).hot, _versions(count)
    while chunk := list(islice(versions, _CHUNK)):
        hot.add_slices({version.slice for version in chunk})
        hot.add_rows(chunk)
        hot.add_entries([Entry.of(version) for version in chunk])


def _move(home: Path) -> None:
    stores = _stores(home)
    weeks = sorted({slice_.week for slice_ in stores.hot.slices()})[: _WEEKS // 2]
    slices: list[ArchiveSlice] = [slice_ for slice_ in stores.hot.slices() if slice_.week in weeks]
    for step in (archive, verify, clear):
        step(slices, stores, _FIRST + 52 * WEEK)


def _stores(home: Path) -> Stores:
    return open_stores(Settings.from_env({}, str(home)))


def _balance(stores: Stores) -> int:
    with open_ledger() as ledger:
        found = balance(stores, ledger)
    assert found.balanced, found.total
    return found.total.named


def _count(stores: Stores) -> int:
    entries = sum(len(learner.entries) for _, learner in stores.hot.all_learners())
    shards = (shard for slice_ in stores.hot.slices() for shard in stores.hot.scan(slice_))
    rows = sum(batch.num_rows for shard in shards for batch in shard)
    assert rows + sum(file.rows for file in stores.lake.pin().files()) == entries
    return entries


def _measured(work: Callable[[Stores], int], home: Path) -> Measured:
    stores = _stores(home)
    started, cpu = time.perf_counter(), time.process_time()
    versions = work(stores)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Measured(seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, versions)


def _alone(work: Callable[[Stores], int], home: Path) -> Measured:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_measured, work, home).result()


def main(versions: int = 1_000_000) -> Reached:
    """Measure and print."""
    rates = []
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        _fill(home, versions)
        for where in ("hot store", "half in the lake"):
            if where != "hot store":
                _move(home)
            limit, ours = _alone(_count, home), _alone(_balance, home)
            assert limit.versions == ours.versions == versions
            print(
                f"{where}: {versions:,} versions balanced in {ours.seconds:.1f} s, processor {ours.cpu:.1f} s, "
                f"{ours.peak / 1e6:,.0f} MB at most; counted in {limit.seconds:.1f} s, processor {limit.cpu:.1f} s, "
                f"{limit.peak / 1e6:,.0f} MB ({limit.seconds / ours.seconds:.2f} of the limit, processor "
                f"{limit.cpu / ours.cpu:.2f})"
            )
            rates.append(Reached(versions / ours.seconds, versions / limit.seconds))
    return min(rates, key=lambda rate: rate.ours / rate.limit)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
