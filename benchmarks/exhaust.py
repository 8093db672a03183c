"""The response exhaust of 1,000,000 answers (100,000 attempts of 10), from the hot store, half and half, from the lake.

The limit is DuckDB's COPY of the report's own rows, already unnested and sorted, from memory. Each measurement has its
own process and so its own peak memory. Of three measurements the one with the median CPU time is shown. Ours waits for
the disk (fsync), the limit does not. The bytes of all four are compared.
"""

import hashlib
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from assess_core.adapters.duckdb.connection import connect, literal
from assess_core.domain.attempts import Answer, AttemptKey, AttemptVersion, make_version
from assess_core.domain.report_spec import Report, ReportSpec
from assess_core.domain.slices import WEEK, ArchiveSlice, IsoWeek
from assess_core.settings import Settings
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from assess_core.wiring import open_stores

_ANSWERS: Final = 10  # of an attempt
BATCH: Final = "0130929928739635202"
"""The batch of the report."""
_FIRST: Final = IsoWeek(2024, 5).start
_WEEKS: Final = 4
_RUNS: Final = 3
_CHUNK: Final = 2_000


class Reached(NamedTuple):
    """Rows per second; ours is the slowest of the three."""

    ours: float
    limit: float


class Measured(NamedTuple):
    """The cost of one way to write the report."""

    seconds: float
    cpu: float
    """Processor seconds: the fairer figure on a shared machine."""
    peak: int
    """Peak memory in bytes, including 100 MB for the interpreter."""
    digest: str


def _attempts(count: int) -> Iterator[AttemptVersion]:
    chance = random.Random(5)
    course, params = "do_1130928636168192001667", [{"1": '{"text":"A=\\\\pi r^2\\n"}'}, {"2": '{"text":"no\\n"}'}]
    for number in range(count):
        key = AttemptKey(
            f"{chance.getrandbits(128):032x}", course, BATCH, f"do_{number % 4}128870328040161281204", f"{number:032x}"
        )
        at = _FIRST + number % _WEEKS * WEEK + number
        answers = [
            Answer(
                id=f"do_21301945447545{question:04}",
                assess_ts=at - question,
                max_score=1.0,
                score=chance.randrange(101) / 100,
                type="mcq",
                title=f"What is the volume of a sphere of radius {chance.randrange(100)}?",
                resvalues=[{"1": f'{{"text":"{chance.random()}"}}'}],
                params=[*params, {"answer": '{"correct":["1"]}'}],
                description="SelfAssess for course",
                duration=float(chance.randrange(1, 90)),
            )
            for question in range(_ANSWERS)
        ]
        yield make_version(key, at, answers, at + 500)


def fill(home: Path, count: int) -> None:
    """Write this many attempts into the hot store below a home folder."""
    hot, attempts = open_stores(Settings.from_env({}, str(home))).hot, _attempts(count)
    hot.add_slices([ArchiveSlice.of(BATCH, _FIRST + week * WEEK) for week in range(_WEEKS)])
    while chunk := list(islice(attempts, _CHUNK)):
        hot.add_rows(chunk)


def _move(home: Path, weeks: int) -> None:
    stores = open_stores(Settings.from_env({}, str(home)))
    now = _FIRST + 52 * WEEK
    slices = stores.hot.slices()[:weeks]
    for step in (archive, verify, clear):
        step(slices, stores, now)


def _ours(home: Path) -> Measured:
    stores = open_stores(Settings.from_env({}, str(home)))
    return _timed(lambda: Path(write_exhaust(stores, ReportSpec(report=Report.RESPONSE, batches=(BATCH,))).path))


def _limit(home: Path) -> Measured:
    """COPY of the report's own rows, read back into memory with their types."""
    report = home / "exhausts" / "response-exhaust" / f"{BATCH}.csv"
    target = home / "limit.csv"
    numbers = ("Question Duration", "Question Score", "Question Max Score")
    typed = ", ".join(f'"{name}"::DOUBLE AS "{name}"' for name in numbers)
    with connect() as duck:
        # completely in memory: a table that spills to disk would be slower than the limit
        duck.execute("SET memory_limit = '4GB'")
        duck.execute(
            f"CREATE TABLE exploded AS SELECT * REPLACE ({typed}) FROM read_csv({literal(str(report))}, header = true, "
            "all_varchar = true, quote = '\"', escape = '\"')"
        )

        def copy() -> Path:
            duck.execute(f"COPY exploded TO {literal(str(target))} (FORMAT csv, HEADER)")
            return target

        return _timed(copy)


def _timed(write: Callable[[], Path]) -> Measured:
    started, cpu = time.perf_counter(), time.process_time()
    path = write()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    # not ru_maxrss: a process inherits that from the one that started it
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) * 1024
    with path.open("rb") as file:
        return Measured(seconds, cpu, peak, hashlib.file_digest(file, "sha256").hexdigest())


def _alone(measure: Callable[[Path], Measured], home: Path) -> Measured:
    # an executor, because a Pool waits forever if its process dies; each process measures once
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as alone:
        runs = [alone.submit(measure, home).result() for _ in range(_RUNS)]
    return sorted(runs, key=lambda run: run.cpu)[_RUNS // 2]


def main(answers: int = 1_000_000) -> Reached:
    """Measure and print."""
    attempts = max(1, answers // _ANSWERS)
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        home = Path(folder)
        fill(home, attempts)
        ours = {"hot store": _alone(_ours, home)}
        _move(home, _WEEKS // 2)
        ours["half and half"] = _alone(_ours, home)
        _move(home, _WEEKS)
        ours["lake"] = _alone(_ours, home)
        limit = _alone(_limit, home)
    assert len({measured.digest for measured in (*ours.values(), limit)}) == 1, "the reports differ"
    for name, measured in (("limit, COPY of the unnested rows", limit), *ours.items()):
        print(
            f"{name}: {measured.seconds:.2f} s ({limit.seconds / measured.seconds:.2f} of the limit), "
            f"processor {measured.cpu:.2f} s ({limit.cpu / measured.cpu:.2f}), {measured.peak / 1e6:,.0f} MB at most"
        )
    rows = attempts * _ANSWERS
    return Reached(rows / max(measured.seconds for measured in ours.values()), rows / limit.seconds)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
